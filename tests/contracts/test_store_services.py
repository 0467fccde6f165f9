"""What every store must do with the keys of services, whatever database it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import ACCOUNT, REGION, FixedClock, new_alias, new_key

from strongroom.aws.generated.enums import KeyManagerType
from strongroom.resources.identifiers import SERVICE_ACCOUNT_PREFIX, AccountId, AliasName
from strongroom.store.interface import AlreadyExists, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

ALIAS = AliasName("alias/aws/s3")
OpenStore = Callable[[], Store]
run = asyncio.run


@pytest.fixture
def open_same(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same database once more, as another worker of the same server."""
    stamps = Stamps(new_stamp_words())
    clock = FixedClock(datetime(2025, 6, 1, tzinfo=UTC))
    with ExitStack() as opened:

        def open_one() -> Store:
            store = open_store(
                new_database(tmp_path / "data" / "strongroom.db"), stamps, clock, ballast_bytes=0
            )
            opened.callback(store.close)
            return store

        yield open_one


def test_key_with_alias_is_found_by_every_worker(open_same: OpenStore) -> None:
    first, second = open_same(), open_same()
    assert run(second.find_alias(ACCOUNT, REGION, ALIAS)) is None
    key = new_key(key_manager=KeyManagerType.AWS)
    run(first.insert_key_with_alias(key, new_alias(ALIAS, key)))
    found = run(second.find_alias(ACCOUNT, REGION, ALIAS))
    assert found is not None
    assert run(second.find_key(REGION, found.target_key_id)) == key
    assert run(second.count_keys(ACCOUNT, REGION)) == 0


def test_second_key_for_an_alias_is_not_kept(open_same: OpenStore) -> None:
    first, second = open_same(), open_same()
    keys = [new_key(key_manager=KeyManagerType.AWS) for _ in range(2)]
    run(first.insert_key_with_alias(keys[0], new_alias(ALIAS, keys[0])))
    with pytest.raises(AlreadyExists):
        run(second.insert_key_with_alias(keys[1], new_alias(ALIAS, keys[1])))
    assert run(second.find_key(REGION, keys[1].key_id)) is None
    assert run(second.list_key_ids(ACCOUNT, REGION, None, 10)) == [keys[0].key_id]


def test_account_of_a_service_is_no_account(open_same: OpenStore) -> None:
    store, own = open_same(), AccountId(f"{SERVICE_ACCOUNT_PREFIX}000001")
    run(store.insert_key(new_key(account_id=own)))
    run(store.insert_key(new_key()))
    assert run(store.find_account(own)) is None
    assert [one.account_id for one in run(store.list_accounts(None, 10))] == [ACCOUNT]
