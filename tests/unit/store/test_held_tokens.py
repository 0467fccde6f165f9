"""What holds an exported key token is known to the re-wrapping, or it would be lost with its domain key."""

from __future__ import annotations

from sqlalchemy import LargeBinary

from strongroom.resources.domain_key import TokenPlace
from strongroom.store.held_tokens import _PLACES
from strongroom.store.schema import METADATA

UNDER_THE_ROOT_KEY = {("domain_keys", "token")}
NO_TOKENS = {("domain_keys", "domain_key_id")}


def test_every_column_of_bytes_is_a_place_of_tokens_or_known_to_hold_none_under_a_domain_key() -> None:
    columns = {
        (table.name, column.name)
        for table in METADATA.sorted_tables
        for column in table.columns
        if isinstance(column.type, LargeBinary)
    }
    places = {(place.table.name, place.column) for place in _PLACES.values()}
    assert columns == places | UNDER_THE_ROOT_KEY | NO_TOKENS
    assert set(_PLACES) == set(TokenPlace) - {TokenPlace.REPLICATION_KEY}


def test_every_place_is_found_by_its_whole_primary_key() -> None:
    for place in _PLACES.values():
        assert place.key == tuple(column.name for column in place.table.primary_key.columns)
