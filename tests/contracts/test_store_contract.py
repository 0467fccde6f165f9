"""What every store must do, whatever database it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import (
    ACCOUNT,
    OTHER_ACCOUNT,
    OTHER_REGION,
    REGION,
    FixedClock,
    new_access_key,
    new_alias,
    new_key,
    new_keys,
    new_material,
)

from strongroom.aws.generated.enums import KeyManagerType, KeyState
from strongroom.reply import drive
from strongroom.resources.identifiers import AccessKeyId, AliasName, KeyId
from strongroom.store.interface import AlreadyExists, ConcurrentChange, Store, StoreUnavailable
from strongroom.store.opening import open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

T = TypeVar("T")
OpenStore = Callable[[], Store]
MINE = AliasName("alias/mine")
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


def test_find_key_after_insert_gives_the_same_record(store: Store) -> None:
    key = new_key(deletion_at=NOW, tags={"z": "1", "a": "2", "m": ""})
    run(store.insert_key(key))
    found = run(store.find_key(key.region, key.key_id))
    assert found == key
    assert found is not None
    assert list(found.tags) == ["z", "a", "m"]
    assert found.current_token == key.current_token


def test_find_key_that_is_not_there_gives_none(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    assert run(store.find_key(OTHER_REGION, key.key_id)) is None
    assert run(store.find_key(REGION, KeyId("no-such-key"))) is None


def test_find_key_gives_a_record_whose_mappings_cannot_be_changed(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    found = run(store.find_key(REGION, key.key_id))
    assert found is not None
    tags: Any = found.tags
    with pytest.raises(TypeError):
        tags["team"] = "other"


def test_insert_key_with_any_version_stores_version_one(store: Store) -> None:
    key = replace(new_key(), version=7)
    run(store.insert_key(key))
    found = run(store.find_key(REGION, key.key_id))
    assert found is not None
    assert found.version == 1


def test_insert_key_twice_raises_already_exists_and_keeps_the_first(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    with pytest.raises(AlreadyExists):
        run(store.insert_key(replace(key, account_id=OTHER_ACCOUNT, description="second")))
    assert run(store.find_key(REGION, key.key_id)) == key


def test_update_key_replaces_state_tags_and_materials(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    second = new_material(b"second token", number=2)
    changed = replace(
        key,
        key_state=KeyState.DISABLED,
        tags={"only": "this"},
        materials={**key.materials, second.material_id: second},
        current_material_id=second.material_id,
    )
    stored = run(store.update_key(changed))
    assert stored == replace(changed, version=2)
    assert run(store.find_key(REGION, key.key_id)) == stored
    assert stored.current_token == b"second token"


def test_update_key_without_materials_and_tags_removes_them(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    bare = run(store.update_key(replace(key, materials={}, tags={}, current_material_id=None)))
    found = run(store.find_key(REGION, key.key_id))
    assert found == bare
    assert found is not None
    assert not found.materials
    assert not found.tags


def test_update_key_of_an_older_version_raises_and_writes_nothing(store: Store) -> None:
    """INVARIANT S3."""
    key = new_key()
    run(store.insert_key(key))
    stored = run(store.update_key(replace(key, description="first")))
    for version in (key.version, 3, 0):
        with pytest.raises(ConcurrentChange):
            run(store.update_key(replace(key, description="late", tags={}, version=version)))
    assert run(store.find_key(REGION, key.key_id)) == stored


def test_update_key_under_another_account_raises_and_writes_nothing(store: Store) -> None:
    """INVARIANT S4."""
    key = new_key()
    run(store.insert_key(key))
    run(store.insert_key(new_key(account_id=OTHER_ACCOUNT)))
    with pytest.raises(ConcurrentChange):
        run(store.update_key(replace(key, account_id=OTHER_ACCOUNT)))
    assert run(store.find_key(REGION, key.key_id)) == key


def test_update_key_from_eight_workers_at_once_lets_one_win_each_version(open_same: OpenStore) -> None:
    """INVARIANT S3."""
    stores = [open_same() for _ in range(8)]
    key = new_key()

    async def race() -> list[object]:
        await stores[0].insert_key(key)
        attempts = (s.update_key(replace(key, description=str(i))) for i, s in enumerate(stores))
        return list(await asyncio.gather(*attempts, return_exceptions=True))

    outcomes = run(race())
    refused = [outcome for outcome in outcomes if isinstance(outcome, ConcurrentChange)]
    won = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
    assert len(refused) == 7
    assert [run(stores[3].find_key(REGION, key.key_id))] == won


def test_find_key_after_update_by_another_worker_gives_the_newer_record(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    key = new_key()
    run(one.insert_key(key))
    assert run(other.find_key(REGION, key.key_id)) == key
    stored = run(one.update_key(replace(key, key_state=KeyState.DISABLED)))
    assert run(other.find_key(REGION, key.key_id)) == stored


def test_destroy_key_removes_it_with_its_aliases(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    key = new_key()
    alias = new_alias("alias/mine", key)
    run(one.insert_key(key))
    run(one.insert_alias(alias))
    assert run(other.find_alias(ACCOUNT, REGION, MINE)) == alias
    assert run(other.list_aliases(ACCOUNT, REGION, key.key_id, None, 10)) == (alias,)
    run(one.destroy_key(key))
    for store in (one, other):
        assert run(store.find_key(REGION, key.key_id)) is None
        assert run(store.find_alias(ACCOUNT, REGION, MINE)) is None
        assert not run(store.list_aliases(ACCOUNT, REGION, key.key_id, None, 10))
        assert not run(store.list_key_ids(ACCOUNT, REGION, None, 10))


def test_destroy_key_of_an_older_version_raises_and_removes_nothing(store: Store) -> None:
    """INVARIANT S3: a key whose deletion was cancelled meanwhile stays."""
    key = new_key(deletion_at=NOW)
    run(store.insert_key(key))
    run(store.insert_alias(new_alias("alias/mine", key)))
    cancelled = run(store.update_key(replace(key, deletion_at=None, key_state=KeyState.DISABLED)))
    with pytest.raises(ConcurrentChange):
        run(store.destroy_key(key))
    assert run(store.find_key(REGION, key.key_id)) == cancelled
    assert run(store.count_aliases_of(REGION, key.key_id)) == 1


def test_destroy_key_of_an_id_that_was_restored_succeeds_again(store: Store) -> None:
    key = new_key()
    for _ in range(2):
        run(store.insert_key(key))
        run(store.destroy_key(key))
    assert run(store.find_key(REGION, key.key_id)) is None


def test_list_key_ids_page_by_page_gives_each_key_of_the_account_and_region_once(store: Store) -> None:
    mine = list(new_keys(7))
    for key in reversed(mine):
        run(store.insert_key(key))
    run(store.insert_key(new_key(account_id=OTHER_ACCOUNT)))
    run(store.insert_key(new_key(region=OTHER_REGION)))
    seen: list[KeyId] = []
    after: KeyId | None = None
    while page := run(store.list_key_ids(ACCOUNT, REGION, after, 3)):
        assert len(page) <= 3
        seen.extend(page)
        after = page[-1]
    assert seen == sorted(key.key_id for key in mine)


def test_count_keys_counts_customer_managed_keys_in_any_state(store: Store) -> None:
    run(store.insert_key(new_key()))
    run(store.insert_key(new_key(deletion_at=NOW)))
    run(store.insert_key(new_key(key_manager=KeyManagerType.AWS)))
    run(store.insert_key(new_key(region=OTHER_REGION)))
    assert run(store.count_keys(ACCOUNT, REGION)) == 2
    assert run(store.count_keys(OTHER_ACCOUNT, REGION)) == 0


def test_list_keys_due_for_deletion_gives_only_those_whose_instant_has_come(store: Store) -> None:
    at = NOW + timedelta(microseconds=1)
    due = [
        new_key(deletion_at=NOW),
        new_key(deletion_at=NOW - timedelta(days=1), region=OTHER_REGION, account_id=OTHER_ACCOUNT),
    ]
    for key in (*due, new_key(deletion_at=at), new_key()):
        run(store.insert_key(key))
    assert list(run(store.list_keys_due_for_deletion(NOW, 10))) == due[::-1]
    assert len(run(store.list_keys_due_for_deletion(at, 10))) == 3
    assert len(run(store.list_keys_due_for_deletion(at, 2))) == 2


def test_insert_alias_twice_raises_already_exists(store: Store) -> None:
    first, second = new_key(), new_key()
    for key in (first, second):
        run(store.insert_key(key))
    alias = new_alias("alias/mine", first)
    run(store.insert_alias(alias))
    with pytest.raises(AlreadyExists):
        run(store.insert_alias(new_alias("alias/mine", second)))
    assert run(store.find_alias(ACCOUNT, REGION, MINE)) == alias


def test_insert_alias_of_the_same_name_in_another_account_and_region_is_another_alias(store: Store) -> None:
    keys = [new_key(), new_key(account_id=OTHER_ACCOUNT), new_key(region=OTHER_REGION)]
    for key in keys:
        run(store.insert_key(key))
        run(store.insert_alias(new_alias("alias/mine", key)))
    for key in keys:
        found = run(store.find_alias(key.account_id, key.region, MINE))
        assert found == new_alias("alias/mine", key)


def test_insert_alias_of_a_key_that_is_gone_raises_concurrent_change(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    run(store.destroy_key(key))
    with pytest.raises(ConcurrentChange):
        run(store.insert_alias(new_alias("alias/mine", key)))


def test_insert_alias_in_another_account_than_its_key_is_refused(store: Store) -> None:
    """INVARIANT S4."""
    key = new_key()
    run(store.insert_key(key))
    run(store.insert_key(new_key(account_id=OTHER_ACCOUNT)))
    with pytest.raises(ConcurrentChange):
        run(store.insert_alias(replace(new_alias("alias/mine", key), account_id=OTHER_ACCOUNT)))


def test_update_alias_moves_it_for_every_worker(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    first, second = new_key(), new_key()
    for key in (first, second):
        run(one.insert_key(key))
    alias = new_alias("alias/mine", first)
    run(one.insert_alias(alias))
    for key in (first, second):
        run(other.list_aliases(ACCOUNT, REGION, key.key_id, None, 10))
    run(other.find_alias(ACCOUNT, REGION, MINE))
    moved = replace(alias, target_key_id=second.key_id, updated_at=NOW)
    run(one.update_alias(moved))
    assert run(other.find_alias(ACCOUNT, REGION, MINE)) == moved
    assert list(run(other.list_aliases(ACCOUNT, REGION, first.key_id, None, 10))) == []
    assert list(run(other.list_aliases(ACCOUNT, REGION, second.key_id, None, 10))) == [moved]
    assert run(other.count_aliases_of(REGION, second.key_id)) == 1


def test_update_alias_that_is_gone_or_to_a_key_that_is_gone_raises(store: Store) -> None:
    key, gone = new_key(), new_key()
    run(store.insert_key(key))
    with pytest.raises(ConcurrentChange):
        run(store.update_alias(new_alias("alias/none", key)))
    run(store.insert_alias(new_alias("alias/mine", key)))
    with pytest.raises(ConcurrentChange):
        run(store.update_alias(new_alias("alias/mine", gone)))
    found = run(store.find_alias(ACCOUNT, REGION, MINE))
    assert found == new_alias("alias/mine", key)


def test_delete_alias_removes_it_for_every_worker_and_a_second_time_raises(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    key = new_key()
    run(one.insert_key(key))
    alias = new_alias("alias/mine", key)
    run(one.insert_alias(alias))
    assert run(other.find_alias(ACCOUNT, REGION, MINE)) == alias
    assert len(run(other.list_aliases(ACCOUNT, REGION, key.key_id, None, 10))) == 1
    run(one.delete_alias(ACCOUNT, REGION, MINE))
    assert run(other.find_alias(ACCOUNT, REGION, MINE)) is None
    assert not run(other.list_aliases(ACCOUNT, REGION, key.key_id, None, 10))
    with pytest.raises(ConcurrentChange):
        run(one.delete_alias(ACCOUNT, REGION, MINE))


def test_list_aliases_pages_sort_by_bytes_and_filter_by_key(store: Store) -> None:
    first, second = new_key(), new_key()
    for key in (first, second):
        run(store.insert_key(key))
    names = ["alias/B", "alias/a", "alias/a-b", "alias/a/b", "alias/a_b", "alias/ä", "alias/\U0001f511"]
    for number, name in enumerate(reversed(names)):
        run(store.insert_alias(new_alias(name, first if number % 2 else second)))
    seen: list[AliasName] = []
    after: AliasName | None = None
    while page := run(store.list_aliases(ACCOUNT, REGION, None, after, 2)):
        seen.extend(AliasName(alias.alias_name) for alias in page)
        after = seen[-1]
    assert seen == sorted(names, key=str.encode)
    of_first = run(store.list_aliases(ACCOUNT, REGION, first.key_id, None, 2))
    rest = run(store.list_aliases(ACCOUNT, REGION, first.key_id, AliasName(of_first[-1].alias_name), 100))
    assert [a.alias_name for a in (*of_first, *rest)] == [n for n in seen if n in names[1::2]]
    assert run(store.list_aliases(OTHER_ACCOUNT, REGION, first.key_id, None, 10)) == ()


def test_put_access_key_replaces_it_for_every_worker(open_same: OpenStore) -> None:
    """INVARIANT S2: a credential that was made inactive is inactive everywhere."""
    one, other = open_same(), open_same()
    access_key = new_access_key()
    assert run(other.find_access_key(access_key.access_key_id)) is None
    run(one.put_access_key(access_key))
    assert run(other.find_access_key(access_key.access_key_id)) == access_key
    run(one.put_access_key(new_access_key(active=False)))
    assert run(other.find_access_key(access_key.access_key_id)) == new_access_key(active=False)
    assert run(one.find_access_key(AccessKeyId("AKIANOTTHERE00000000"))) is None


def test_insert_domain_key_token_lets_only_the_first_of_a_region_in(open_same: OpenStore) -> None:
    stores = [open_same() for _ in range(6)]

    async def race() -> list[bool]:
        inserts = [
            s.insert_domain_key_token(REGION, bytes([number]) * 16, bytes([number, 0]))
            for number, s in enumerate(stores)
        ]
        return list(await asyncio.gather(*inserts))

    outcomes = run(race())
    assert sum(outcomes) == 1
    winner = outcomes.index(True)
    assert list(run(stores[0].list_domain_key_tokens(REGION))) == [bytes([winner, 0])]
    assert run(stores[1].find_domain_key_token(bytes([winner]) * 16)) == bytes([winner, 0])
    assert run(stores[1].find_domain_key_token(bytes([winner + 1]) * 16)) is None
    assert list(run(stores[0].list_domain_key_tokens(OTHER_REGION))) == []
    assert run(stores[0].insert_domain_key_token(OTHER_REGION, b"\xff" * 16, b"other")) is True


def test_insert_domain_key_token_with_the_id_of_another_region_raises(store: Store) -> None:
    assert run(store.insert_domain_key_token(REGION, b"i" * 16, b"token")) is True
    with pytest.raises(AlreadyExists):
        run(store.insert_domain_key_token(OTHER_REGION, b"i" * 16, b"token"))


def test_put_setting_replaces_the_value(store: Store) -> None:
    assert run(store.find_setting("clock")) is None
    run(store.put_setting("clock", "1"))
    run(store.put_setting("clock", "2"))
    assert run(store.find_setting("clock")) == "2"


def test_empty_removes_keys_for_every_worker_and_keeps_credentials(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    key = new_key()
    run(one.insert_key(key))
    run(one.insert_alias(new_alias("alias/mine", key)))
    run(one.put_access_key(new_access_key()))
    run(one.insert_domain_key_token(REGION, b"i" * 16, b"token"))
    run(one.put_setting("clock", "1"))
    assert run(other.find_key(REGION, key.key_id)) == key
    run(one.empty())
    assert run(other.find_key(REGION, key.key_id)) is None
    assert run(other.list_aliases(ACCOUNT, REGION, None, None, 10)) == []
    assert run(other.find_access_key(new_access_key().access_key_id)) == new_access_key()
    assert run(other.list_domain_key_tokens(REGION)) == [b"token"]
    assert run(other.find_setting("clock")) == "1"
    run(other.insert_key(key))
    assert run(one.find_key(REGION, key.key_id)) == key


def test_writes_driven_by_hand_complete_without_a_task(store: Store) -> None:
    key = new_key()
    finished: list[tuple[object, BaseException | None]] = []

    async def main() -> None:
        done = asyncio.Event()

        def finish(result: object, error: BaseException | None) -> None:
            finished.append((result, error))
            done.set()

        async def write_and_read() -> object:
            await store.insert_key(key)
            return await store.find_key(REGION, key.key_id)

        drive(write_and_read(), finish)
        await done.wait()

    run(main())
    assert finished == [(key, None)]


def test_writes_whose_caller_was_cancelled_are_seen_by_every_worker_if_they_are_done(
    open_same: OpenStore,
) -> None:
    """INVARIANT S2: the stamp is put by the writer, not by whoever waits for it."""
    one, other = open_same(), open_same()
    key = new_key()

    async def main() -> None:
        await one.insert_key(key)
        await other.find_key(REGION, key.key_id)
        update = asyncio.ensure_future(one.update_key(replace(key, key_state=KeyState.DISABLED)))
        await asyncio.sleep(0)
        update.cancel()
        with pytest.raises(asyncio.CancelledError):
            await update
        await one.put_setting("later", "write")  # waits until the thread is through with the first
        by_other = await other.find_key(REGION, key.key_id)
        assert by_other == await open_same().find_key(REGION, key.key_id)

    run(main())


def test_closed_store_refuses_reads_and_writes_and_may_be_closed_again(store: Store) -> None:
    assert isinstance(store, SqlStore)  # closing is not part of what rooms may ask
    store.close()
    with pytest.raises(StoreUnavailable):
        run(store.insert_key(new_key()))
    with pytest.raises(StoreUnavailable):
        run(store.find_key(REGION, new_key().key_id))
    store.close()


def test_ping_of_an_open_store_answers(store: Store) -> None:
    run(store.ping())
