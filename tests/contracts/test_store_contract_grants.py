"""What every store must do with grants and with the number of keys, whatever database it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import (
    ACCOUNT,
    OTHER_ACCOUNT,
    OTHER_REGION,
    REGION,
    FixedClock,
    new_grant,
    new_key,
)

from strongroom.aws.generated.enums import GrantOperation, KeyManagerType
from strongroom.resources.grant import ALL_GRANTS, Grant, GrantConstraints, GrantFilter, GrantId
from strongroom.resources.key import Key
from strongroom.store.interface import AlreadyExists, ConcurrentChange, LimitReached, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

OpenStore = Callable[[], Store]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
ALICE = "arn:aws:iam::111122223333:user/alice"
BOB = "arn:aws:iam::111122223333:user/bob"
CONTEXT = {"b": "2", "a": "ß"}
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


@pytest.fixture
def key(store: Store) -> Key:
    key = new_key()
    run(store.insert_key(key))
    return key


def inserted(store: Store, grant: Grant, key_max: int | None = None, version: int = 1) -> Grant:
    return run(store.insert_grant(grant, of_key_version=version, of_key_max=key_max))


@pytest.mark.parametrize(
    "constraints",
    [
        GrantConstraints(),
        GrantConstraints(encryption_context_subset=CONTEXT),
        GrantConstraints(encryption_context_equals=CONTEXT, source_arn="arn:aws:s3:::bucket-of-mine"),
        GrantConstraints(encryption_context_equals={}),
    ],
)
def test_find_grant_after_insert_gives_the_same_record(
    store: Store, key: Key, constraints: GrantConstraints
) -> None:
    grant = new_grant(key, name="a/name", retiring=BOB, constraints=constraints)
    assert inserted(store, grant) == grant
    assert run(store.find_grant(REGION, key.key_id, grant.grant_id)) == grant
    to_service = new_grant(key, grantee=None)
    assert inserted(store, to_service) == to_service
    assert run(store.find_grant(REGION, key.key_id, to_service.grant_id)) == to_service


def test_find_grant_gives_a_record_whose_mappings_cannot_be_changed(store: Store, key: Key) -> None:
    grant = inserted(store, new_grant(key, constraints=GrantConstraints(encryption_context_subset=CONTEXT)))
    found: Any = run(store.find_grant(REGION, key.key_id, grant.grant_id))
    with pytest.raises(TypeError):
        found.constraints.encryption_context_subset["a"] = "other"


def test_find_grant_elsewhere_gives_none(store: Store, key: Key) -> None:
    grant = inserted(store, new_grant(key))
    other = new_key()
    run(store.insert_key(other))
    assert run(store.find_grant(OTHER_REGION, key.key_id, grant.grant_id)) is None
    assert run(store.find_grant(REGION, other.key_id, grant.grant_id)) is None
    assert run(store.find_grant(REGION, key.key_id, GrantId("f" * 64))) is None


def test_insert_grant_of_the_same_name_and_parameters_gives_the_first(store: Store, key: Key) -> None:
    constraints = GrantConstraints(encryption_context_subset=CONTEXT)
    first = inserted(store, new_grant(key, name="same", constraints=constraints))
    reordered = GrantConstraints(encryption_context_subset=dict(reversed(CONTEXT.items())))
    assert inserted(store, new_grant(key, name="same", constraints=reordered)) == first
    assert run(store.count_grants_of(REGION, key.key_id)) == 1


def test_insert_grant_of_the_same_name_and_other_parameters_makes_another(store: Store, key: Key) -> None:
    first = new_grant(key, name="same")
    others = [
        first,
        replace(first, grantee_principal=ALICE),
        replace(first, grantee_principal=None, grantee_service_principal="a.b.c"),
        replace(first, retiring_principal=BOB),
        replace(first, retiring_service_principal="a.b.c"),
        replace(first, issuing_account="arn:aws:iam::444455556666:root"),
        replace(first, operations=(GrantOperation.DECRYPT,)),
        replace(first, constraints=GrantConstraints(encryption_context_equals=CONTEXT)),
        replace(first, constraints=GrantConstraints(encryption_context_subset=CONTEXT)),
        replace(first, name="other"),
        replace(first, grantee_id="AIDAFORMER"),
        replace(first, grantee_id="AIDAPRESENT"),
        replace(first, retiring_id="AIDAFORMER"),
    ]
    for number, grant in enumerate(others):
        fresh = replace(grant, grant_id=GrantId(f"{number:064x}"))
        assert inserted(store, fresh) == fresh
    assert run(store.count_grants_of(REGION, key.key_id)) == len(others)


def test_insert_grant_without_a_name_always_makes_another(store: Store, key: Key) -> None:
    grants = {inserted(store, new_grant(key)).grant_id for _ in range(3)}
    assert len(grants) == run(store.count_grants_of(REGION, key.key_id)) == 3


def test_insert_grant_of_a_name_from_eight_workers_at_once_makes_one(open_same: OpenStore) -> None:
    stores = [open_same() for _ in range(8)]
    key = new_key()

    async def race() -> list[Grant]:
        await stores[0].insert_key(key)
        attempts = (s.insert_grant(new_grant(key, name="race"), of_key_version=1) for s in stores)
        return list(await asyncio.gather(*attempts))

    assert len({grant.grant_id for grant in run(race())}) == 1


def test_insert_grant_beyond_the_limit_is_refused_but_for_one_that_is_there(store: Store, key: Key) -> None:
    first = inserted(store, new_grant(key, name="first"), key_max=2)
    inserted(store, new_grant(key), key_max=2)
    for name in (None, "second"):
        with pytest.raises(LimitReached):
            inserted(store, new_grant(key, name=name), key_max=2)
    assert inserted(store, new_grant(key, name="first"), key_max=2) == first
    run(store.delete_grant(REGION, key.key_id, first.grant_id))
    inserted(store, new_grant(key, name="second"), key_max=2)


def test_insert_grant_for_a_key_that_was_changed_or_is_gone_is_refused(store: Store, key: Key) -> None:
    """INVARIANT S3: the policy that allowed the grant may be another by now."""
    changed = run(store.update_key(replace(key, description="changed")))
    with pytest.raises(ConcurrentChange):
        inserted(store, new_grant(key, name="late"))
    with pytest.raises(ConcurrentChange):
        inserted(store, replace(new_grant(key), account_id=OTHER_ACCOUNT), version=2)
    inserted(store, new_grant(key), version=2)
    run(store.destroy_key(changed))
    with pytest.raises(ConcurrentChange):
        inserted(store, new_grant(key), version=2)
    assert run(store.count_grants_of(REGION, key.key_id)) == 0


def test_insert_grant_of_an_id_that_is_there_is_refused(store: Store, key: Key) -> None:
    grant = inserted(store, new_grant(key))
    with pytest.raises(AlreadyExists):
        inserted(store, replace(grant, grantee_principal=ALICE))


def test_delete_grant_twice_raises(store: Store, key: Key) -> None:
    grant = inserted(store, new_grant(key))
    run(store.delete_grant(REGION, key.key_id, grant.grant_id))
    with pytest.raises(ConcurrentChange):
        run(store.delete_grant(REGION, key.key_id, grant.grant_id))
    assert run(store.find_grant(REGION, key.key_id, grant.grant_id)) is None


def test_list_grants_gives_pages_in_order_and_only_what_was_chosen(store: Store, key: Key) -> None:
    other = new_key()
    run(store.insert_key(other))
    inserted(store, new_grant(other, grantee=ALICE))
    to_alice = sorted(inserted(store, new_grant(key, grantee=ALICE)).grant_id for _ in range(4))
    to_bob = sorted(inserted(store, new_grant(key, grantee=BOB)).grant_id for _ in range(3))
    to_service = inserted(store, new_grant(key, grantee=None))

    def listed(chosen: GrantFilter, after: GrantId | None = None, limit: int = 100) -> list[GrantId]:
        return [g.grant_id for g in run(store.list_grants(REGION, key.key_id, chosen, after, limit))]

    everything = sorted([*to_alice, *to_bob, to_service.grant_id])
    assert listed(ALL_GRANTS) == everything
    assert listed(ALL_GRANTS, limit=3) == everything[:3]
    assert listed(ALL_GRANTS, after=everything[2]) == everything[3:]
    assert listed(GrantFilter(grantee_principal=ALICE)) == to_alice
    assert listed(GrantFilter(grantee_principal=ALICE), after=to_alice[0], limit=2) == to_alice[1:3]
    assert listed(GrantFilter(grant_id=to_bob[0])) == to_bob[:1]
    assert listed(GrantFilter(grant_id=to_bob[0], grantee_principal=ALICE)) == []
    service = to_service.grantee_service_principal
    assert listed(GrantFilter(grantee_service_principal=service)) == [to_service.grant_id]


def test_list_retirable_grants_spans_keys_and_accounts_of_one_region(store: Store, key: Key) -> None:
    theirs = new_key(account_id=OTHER_ACCOUNT)
    elsewhere = new_key(region=OTHER_REGION)
    run(store.insert_key(theirs))
    run(store.insert_key(elsewhere))
    mine = [inserted(store, new_grant(of, retiring=ALICE)) for of in (key, theirs, key)]
    inserted(store, new_grant(elsewhere, retiring=ALICE))
    inserted(store, new_grant(key, retiring=BOB))
    inserted(store, new_grant(key, grantee=ALICE))
    expected = sorted(mine, key=lambda grant: grant.grant_id)
    assert run(store.list_retirable_grants(REGION, ALICE, None, 10)) == expected
    assert run(store.list_retirable_grants(REGION, ALICE, expected[0].grant_id, 1)) == expected[1:2]


def test_list_grants_to_follows_every_write_of_another_worker(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, other = open_same(), open_same()
    key = new_key()
    run(one.insert_key(key))

    def seen() -> list[GrantId]:
        return [grant.grant_id for grant in run(other.list_grants_to(REGION, key.key_id, ALICE))]

    assert seen() == []
    first = inserted(one, new_grant(key, grantee=ALICE))
    assert seen() == [first.grant_id]
    inserted(one, new_grant(key, grantee=BOB))
    assert seen() == [first.grant_id]
    run(one.delete_grant(REGION, key.key_id, first.grant_id))
    assert seen() == []
    inserted(one, new_grant(key, grantee=ALICE))
    run(one.destroy_key(key))
    assert seen() == []


def test_list_grants_to_a_service_finds_it_by_its_name(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key))
    made = inserted(store, new_grant(key, grantee=ALICE))
    to_service = inserted(
        store, replace(new_grant(key), grantee_principal=None, grantee_service_principal="s3.amazonaws.com")
    )
    assert list(run(store.list_grants_to(REGION, key.key_id, "s3.amazonaws.com"))) == [to_service]
    assert list(run(store.list_grants_to(REGION, key.key_id, "sns.amazonaws.com"))) == []
    assert list(run(store.list_grants_to(REGION, key.key_id, ALICE))) == [made]


def test_list_grants_to_after_many_and_few_changes_is_what_is_there(open_same: OpenStore) -> None:
    """INVARIANT S7: however much of it is remembered."""
    one, other = open_same(), open_same()
    key = new_key()
    run(one.insert_key(key))
    there: dict[GrantId, Grant] = {}

    def agree() -> None:
        expected = [there[grant_id] for grant_id in sorted(there)]
        for store in (one, other, open_same()):
            assert list(run(store.list_grants_to(REGION, key.key_id, ALICE))) == expected

    for added, removed in ((1, 0), (40, 0), (3, 2), (0, 5), (50, 30), (1, 1), (0, 0), (0, 57)):
        for number in range(added):
            limit = GrantConstraints(encryption_context_subset={"a": str(number)})
            grant = inserted(one, new_grant(key, grantee=ALICE, constraints=limit))
            there[grant.grant_id] = grant
        for grant_id in sorted(there)[:removed]:
            run(other.delete_grant(REGION, key.key_id, grant_id))
            del there[grant_id]
        agree()
    assert there == {}


def test_insert_key_beyond_the_accounts_limit_is_refused(store: Store) -> None:
    keys = [new_key() for _ in range(3)]
    for key in keys[:2]:
        run(store.insert_key(key, of_account_max=2))
    with pytest.raises(LimitReached):
        run(store.insert_key(keys[2], of_account_max=2))
    assert run(store.find_key(REGION, keys[2].key_id)) is None
    run(store.insert_key(new_key(region=OTHER_REGION), of_account_max=2))
    run(store.insert_key(new_key(account_id=OTHER_ACCOUNT), of_account_max=2))
    run(store.insert_key(new_key(key_manager=KeyManagerType.AWS), of_account_max=2))
    run(store.destroy_key(keys[0]))
    run(store.insert_key(keys[2], of_account_max=2))
    with pytest.raises(LimitReached):
        run(store.insert_key(new_key(), of_account_max=2))
    run(store.empty())
    run(store.insert_key(new_key(), of_account_max=1))


def test_insert_key_that_fails_is_not_counted(store: Store) -> None:
    key = new_key()
    run(store.insert_key(key, of_account_max=2))
    for _ in range(3):
        with pytest.raises(AlreadyExists):
            run(store.insert_key(key, of_account_max=2))
    run(store.insert_key(new_key(), of_account_max=2))
    assert run(store.count_keys(ACCOUNT, REGION)) == 2


def test_insert_key_from_eight_workers_at_once_keeps_the_limit(open_same: OpenStore) -> None:
    stores = [open_same() for _ in range(8)]

    async def race() -> list[object]:
        attempts = (store.insert_key(new_key(), of_account_max=5) for store in stores)
        return list(await asyncio.gather(*attempts, return_exceptions=True))

    outcomes = run(race())
    assert sum(outcome is None for outcome in outcomes) == 5
    assert sum(isinstance(outcome, LimitReached) for outcome in outcomes) == 3
    assert run(stores[0].count_keys(ACCOUNT, REGION)) == 5


def test_list_grants_to_a_unique_id_finds_what_was_bound_to_it(store: Store, key: Key) -> None:
    bound = replace(new_grant(key, grantee=ALICE), grantee_id="AIDAALICE")
    renamed = replace(new_grant(key, grantee=BOB), grantee_id="AIDAALICE")
    other = replace(new_grant(key, grantee=ALICE), grantee_id="AIDAOTHER")
    for grant in (bound, renamed, other):
        run(store.insert_grant(grant, of_key_version=key.version))
    found = run(store.list_grants_to(REGION, key.key_id, "AIDAALICE"))
    assert {grant.grant_id for grant in found} == {bound.grant_id, renamed.grant_id}
    run(store.delete_grant(REGION, key.key_id, bound.grant_id))
    assert list(run(store.list_grants_to(REGION, key.key_id, "AIDAALICE"))) == [renamed]
