"""What every store must do for keys that change together, whatever database it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import ACCOUNT, OTHER_ACCOUNT, OTHER_REGION, REGION, FixedClock, new_key

from strongroom.aws.generated.enums import KeyState
from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.key import Key
from strongroom.store.interface import AlreadyExists, ConcurrentChange, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

OpenStore = Callable[[], Store]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
THIRD_REGION = Region("zz-third-1")
run = asyncio.run


def by_region(key: Key) -> str:
    return key.region


@pytest.fixture(params=["sqlite"])
def open_same(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same database once more, as another worker of the same server."""
    assert request.param == "sqlite"
    stamps = Stamps(new_stamp_words())
    with ExitStack() as opened:

        def open_one() -> Store:
            store = open_store(
                new_database(tmp_path / "data" / "strongroom.db"), stamps, FixedClock(NOW), ballast_bytes=0
            )
            opened.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def store(open_same: OpenStore) -> Store:
    return open_same()


def test_update_keys_replaces_all_of_them_and_inserts_the_new(open_same: OpenStore) -> None:
    store, other = open_same(), open_same()
    pair = [new_key("mrk-" + "0" * 32, region=region) for region in (REGION, OTHER_REGION)]
    for key in pair:
        run(store.insert_key(key))
        assert run(other.find_key(key.region, key.key_id)) is not None  # remembered there
    third = new_key("mrk-" + "0" * 32, region=THIRD_REGION)
    changed = [replace(key, description=key.region, primary_region=REGION) for key in pair]
    stored = run(store.update_keys(changed, [third]))
    assert list(stored) == [replace(key, version=2) for key in changed]
    for key in (*stored, third):  # INVARIANT S2
        assert run(other.find_key(key.region, key.key_id)) == key
    assert {key.region for key in run(other.list_related_keys(ACCOUNT, pair[0].key_id))} == {
        REGION,
        OTHER_REGION,
        THIRD_REGION,
    }


def test_update_keys_with_one_of_an_older_version_writes_none(store: Store) -> None:
    """INVARIANT S3 for each, whichever it is."""
    pair = [new_key("mrk-" + "1" * 32, region=region) for region in (REGION, OTHER_REGION)]
    third = new_key("mrk-" + "1" * 32, region=THIRD_REGION)
    for key in pair:
        run(store.insert_key(key))
    for late in (0, 1):
        changed = [
            replace(key, description="late", version=key.version + 7 * (at == late))
            for at, key in enumerate(pair)
        ]
        with pytest.raises(ConcurrentChange):
            run(store.update_keys(changed, [third]))
        assert list(run(store.list_related_keys(ACCOUNT, third.key_id))) == sorted(pair, key=by_region)


def test_update_keys_with_a_new_one_that_is_there_writes_none(store: Store) -> None:
    pair = [new_key("mrk-" + "2" * 32, region=region) for region in (REGION, OTHER_REGION)]
    for key in pair:
        run(store.insert_key(key))
    with pytest.raises(AlreadyExists):
        run(store.update_keys([replace(pair[0], description="changed")], [pair[1]]))
    assert run(store.find_key(REGION, pair[0].key_id)) == pair[0]


def test_list_related_keys_gives_one_id_of_one_account_by_region(store: Store) -> None:
    key_id = "mrk-" + "3" * 32
    related = [new_key(key_id, region=region) for region in (THIRD_REGION, REGION)]
    strangers = [new_key(key_id, region=OTHER_REGION, account_id=OTHER_ACCOUNT), new_key()]
    for key in (*related, *strangers):
        run(store.insert_key(key))
    assert list(run(store.list_related_keys(ACCOUNT, KeyId(key_id)))) == sorted(related, key=by_region)
    assert run(store.list_related_keys(ACCOUNT, KeyId("mrk-" + "4" * 32))) == []


def test_list_keys_in_state_pages_through_all_regions_and_accounts(store: Store) -> None:
    creating = [
        replace(new_key(region=region, account_id=account), key_state=KeyState.CREATING)
        for region in (OTHER_REGION, REGION)
        for account in (ACCOUNT, OTHER_ACCOUNT, ACCOUNT)
    ]
    for key in (*creating, new_key()):
        run(store.insert_key(key))
    found: list[Key] = []
    while page := run(
        store.list_keys_in_state(
            KeyState.CREATING, (found[-1].region, found[-1].key_id) if found else None, 4
        )
    ):
        assert len(page) <= 4
        found.extend(page)
    assert found == sorted(creating, key=lambda key: (key.region, key.key_id))
    assert run(store.list_keys_in_state(KeyState.UPDATING, None, 4)) == []
