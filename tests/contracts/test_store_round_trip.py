"""Any record that can be made comes back from the store as it was."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.new_database import new_database
from tests.support.store_records import CREATED_AT, FixedClock, new_key, new_material

from strongroom.resources.identifiers import MaterialId
from strongroom.store.interface import Store
from strongroom.store.opening import open_store
from strongroom.store.rows import parse_instant
from strongroom.store.stamps import Stamps, new_stamp_words

run = asyncio.run
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
INSTANTS = st.integers(0, 253_402_300_799_999_999).map(parse_instant)


@given(
    policy=TEXT,
    tags=st.dictionaries(TEXT, TEXT, max_size=5),
    tokens=st.lists(st.binary(max_size=60), max_size=4),
    created_at=INSTANTS,
    deletion_at=st.none() | INSTANTS,
)
@settings(max_examples=25, deadline=None)
def test_find_key_gives_back_any_text_bytes_and_instant(
    store_of_module: Store,
    *,
    policy: str,
    tags: dict[str, str],
    tokens: list[bytes],
    created_at: datetime,
    deletion_at: datetime | None,
) -> None:
    materials = [new_material(token, number) for number, token in enumerate(tokens)]
    key = replace(
        new_key(),
        policy=policy,
        description=policy[::-1],
        tags=tags,
        materials={MaterialId(m.material_id): m for m in reversed(materials)},
        current_material_id=None,
        created_at=created_at,
        deletion_at=deletion_at,
    )
    run(store_of_module.insert_key(key))
    found = run(store_of_module.find_key(key.region, key.key_id))
    assert found == key
    assert found is not None
    assert list(found.tags) == list(tags)
    assert list(found.materials) == list(key.materials)


@pytest.fixture(scope="module")
def store_of_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    path = tmp_path_factory.mktemp("store") / "data" / "strongroom.db"
    store = open_store(new_database(path), Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)
    yield store
    store.close()
