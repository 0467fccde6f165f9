"""What every store must do with the credentials of the external key store proxy's callers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import FixedClock

from strongroom.resources.proxy_credential import (
    PROXY_ACCESS_KEY_ID,
    ProxyCredential,
    new_proxy_access_key_id,
)
from strongroom.store.interface import AlreadyExists, ConcurrentChange, LimitReached, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

OpenStore = Callable[[], Store]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
TOKEN = b"planted proxy credential token"
run = asyncio.run


def credential(minutes: int = 0) -> ProxyCredential:
    return ProxyCredential(new_proxy_access_key_id(), TOKEN, NOW + timedelta(minutes=minutes))


@pytest.fixture
def open_same(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same database once more, as another process of the same server."""
    stamps = Stamps(new_stamp_words())
    with ExitStack() as opened:

        def open_one() -> Store:
            path = tmp_path / "data" / "strongroom.db"
            store = open_store(new_database(path), stamps, FixedClock(NOW), ballast_bytes=0)
            opened.callback(store.close)
            return store

        yield open_one


def test_credential_is_found_by_every_process_until_it_is_deleted(open_same: OpenStore) -> None:
    first, second = open_same(), open_same()
    made = credential()
    assert run(second.find_proxy_credential(made.access_key_id)) is None
    run(first.insert_proxy_credential(made, of_proxy_max=2))
    for _ in range(2):  # from the database, from memory
        assert run(second.find_proxy_credential(made.access_key_id)) == made
    run(first.delete_proxy_credential(made.access_key_id))
    assert run(second.find_proxy_credential(made.access_key_id)) is None
    with pytest.raises(ConcurrentChange):
        run(second.delete_proxy_credential(made.access_key_id))


def test_credentials_are_listed_by_age_and_counted(open_same: OpenStore) -> None:
    store = open_same()
    later, sooner = credential(5), credential()
    for one in (later, sooner):
        run(store.insert_proxy_credential(one, of_proxy_max=2))
    assert run(store.list_proxy_credentials()) == [sooner, later]
    with pytest.raises(LimitReached):
        run(store.insert_proxy_credential(credential(9), of_proxy_max=2))
    with pytest.raises(AlreadyExists):
        run(store.insert_proxy_credential(replace(later, secret_token=b"another"), of_proxy_max=3))
    assert run(store.find_proxy_credential(later.access_key_id)) == later


def test_deleted_credential_leaves_no_token_on_disk(open_same: OpenStore, tmp_path: Path) -> None:
    store = open_same()
    made = credential()
    run(store.insert_proxy_credential(made, of_proxy_max=2))
    run(store.delete_proxy_credential(made.access_key_id))
    for file in (tmp_path / "data").iterdir():
        assert TOKEN not in file.read_bytes()


def test_access_key_ids_are_of_the_form_that_kms_takes_and_differ() -> None:
    ids = {new_proxy_access_key_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(PROXY_ACCESS_KEY_ID.fullmatch(one) for one in ids)
    assert TOKEN.decode() not in repr(credential())
