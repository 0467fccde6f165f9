"""What every store must do for rotation: which keys are due, and several records in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import OTHER_ACCOUNT, OTHER_REGION, REGION, FixedClock, new_key

from strongroom.aws.generated.enums import KeyState
from strongroom.resources.key import Key
from strongroom.store.interface import ConcurrentChange, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

OpenStore = Callable[[], Store]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
run = asyncio.run


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


def rotating(key: Key, next_at: datetime | None = NOW, **members: Any) -> Key:
    return replace(key, rotation_period_days=90, next_rotation_at=next_at, **members)


def test_list_keys_due_for_rotation_gives_enabled_keys_the_longest_due_first(store: Store) -> None:
    at = NOW + timedelta(microseconds=1)
    elsewhere = new_key(region=OTHER_REGION, account_id=OTHER_ACCOUNT)
    due = [rotating(new_key()), rotating(elsewhere, NOW - timedelta(days=1))]
    not_enabled = [
        rotating(new_key(), NOW - timedelta(days=9), key_state=state)
        for state in KeyState
        if state is not KeyState.ENABLED
    ]
    for key in (*due, *not_enabled, rotating(new_key(), at), new_key()):
        run(store.insert_key(key))
    assert list(run(store.list_keys_due_for_rotation(NOW, 10))) == due[::-1]
    assert len(run(store.list_keys_due_for_rotation(at, 10))) == 3
    assert list(run(store.list_keys_due_for_rotation(at, 1))) == [due[1]]


def test_list_keys_in_rotation_gives_enabled_keys_the_oldest_first(store: Store) -> None:
    first, second = (
        replace(new_key(), rotation_started_at=NOW + timedelta(seconds=seconds)) for seconds in (1, 2)
    )
    disabled = replace(new_key(), rotation_started_at=NOW, key_state=KeyState.DISABLED)
    for key in (second, first, disabled, rotating(new_key())):
        run(store.insert_key(key))
    assert list(run(store.list_keys_in_rotation(10))) == [first, second]
    assert list(run(store.list_keys_in_rotation(1))) == [first]


def test_replicas_of_a_multi_region_key_are_not_listed_for_rotation(store: Store) -> None:
    primary = replace(rotating(new_key()), primary_region=REGION, rotation_started_at=NOW)
    run(store.insert_key(primary))
    run(store.insert_key(replace(primary, region=OTHER_REGION)))
    assert list(run(store.list_keys_due_for_rotation(NOW, 10))) == [primary]
    assert list(run(store.list_keys_in_rotation(10))) == [primary]


def test_update_keys_changes_all_or_none(store: Store) -> None:
    """INVARIANT S3, for several keys in one transaction."""
    first, second = new_key(), new_key()
    for key in (first, second):
        run(store.insert_key(key))
    changes = [replace(first, description="new"), replace(second, description="new", version=7)]
    with pytest.raises(ConcurrentChange):
        run(store.update_keys(changes))
    assert run(store.find_key(REGION, first.key_id)) == first
    changed = run(store.update_keys([changes[0], replace(changes[1], version=1)]))
    assert [key.version for key in changed] == [2, 2]
    assert [run(store.find_key(REGION, key.key_id)) for key in (first, second)] == list(changed)


def test_update_keys_is_seen_by_every_worker_for_each_of_them(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    made = [new_key(), new_key(region=OTHER_REGION)]
    for key in made:
        run(one.insert_key(key))
        assert run(other.find_key(key.region, key.key_id)) == key
    changed = run(one.update_keys([replace(key, description="new") for key in made]))
    assert [run(other.find_key(key.region, key.key_id)) for key in made] == list(changed)
