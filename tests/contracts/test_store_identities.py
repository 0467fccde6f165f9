"""What every store must do with accounts, IAM's entities and credentials, whatever database it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from tests.support.new_database import new_database
from tests.support.store_records import ACCOUNT, CREATED_AT, OTHER_ACCOUNT, FixedClock, new_access_key

from strongroom.resources.iam import (
    EntityKind,
    Group,
    IdPrefix,
    ManagedPolicy,
    OidcProvider,
    PolicySource,
    PolicyVersion,
    Relation,
    Role,
    User,
    iam_arn,
    new_unique_id,
)
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.iam_interface import AccessKeyUse, Account
from strongroom.store.interface import (
    AlreadyExists,
    ConcurrentChange,
    LimitReached,
    StillInUse,
    Store,
)
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

OpenStore = Callable[[], Store]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
replaced = msgspec.structs.replace
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


def new_user(name: str = "Alice", account_id: AccountId = ACCOUNT, path: str = "/") -> User:
    return User(
        account_id=account_id,
        name=name,
        unique_id=new_unique_id(IdPrefix.USER),
        path=path,
        created_at=CREATED_AT,
    )


def new_group(name: str = "Team") -> Group:
    return Group(
        account_id=ACCOUNT, name=name, unique_id=new_unique_id(IdPrefix.GROUP), created_at=CREATED_AT
    )


def new_role(name: str = "Deployer") -> Role:
    return Role(
        account_id=ACCOUNT,
        name=name,
        unique_id=new_unique_id(IdPrefix.ROLE),
        created_at=CREATED_AT,
        trust_policy="{}",
    )


def new_policy(name: str = "Reading", text: str = '{"one":1}') -> ManagedPolicy:
    return ManagedPolicy(
        account_id=ACCOUNT,
        name=name,
        unique_id=new_unique_id(IdPrefix.POLICY),
        created_at=CREATED_AT,
        updated_at=CREATED_AT,
        default_version_id="v1",
        versions=(PolicyVersion(version_id="v1", text=text, created_at=CREATED_AT),),
    )


def arn_of(policy: ManagedPolicy) -> str:
    return iam_arn(policy.account_id, EntityKind.POLICY, policy.path, policy.name)


def test_entity_of_every_kind_is_read_as_it_was_inserted(store: Store) -> None:
    provider = OidcProvider(
        account_id=ACCOUNT,
        name="issuer.example/path",
        unique_id="oidc",
        created_at=CREATED_AT,
        client_ids=("sts.amazonaws.com",),
    )
    user = replaced(new_user(), tags={"b": "ß", "a": ""}, inline_policies={"p": "{}"}, path="/x/")
    for entity in (user, new_group(), new_role(), new_policy(), provider):
        run(store.insert_entity(entity))
        assert run(store.find_entity(type(entity), ACCOUNT, entity.name)) == entity
        assert run(store.find_entity_by_id(type(entity), entity.unique_id)) == entity
        assert run(store.count_entities(ACCOUNT, entity.kind)) == 1


def test_insert_entity_whose_name_differs_only_in_case_raises_already_exists(store: Store) -> None:
    run(store.insert_entity(new_user("Alice")))
    with pytest.raises(AlreadyExists):
        run(store.insert_entity(new_user("aLICE")))
    run(store.insert_entity(new_user("Alice", OTHER_ACCOUNT)))
    found = run(store.find_entity(User, ACCOUNT, "ALICE"))
    assert found is not None
    assert found.name == "Alice"


def test_insert_entity_beyond_the_limit_raises_limit_reached(store: Store) -> None:
    run(store.insert_entity(new_user("a"), of_account_max=1))
    with pytest.raises(LimitReached):
        run(store.insert_entity(new_user("b"), of_account_max=1))


def test_update_entity_of_an_older_version_raises_concurrent_change(store: Store) -> None:
    user = new_user()
    run(store.insert_entity(user))
    renamed = run(store.update_entity(replaced(user, name="Alicia")))
    assert renamed.version == 2
    assert run(store.find_entity(User, ACCOUNT, "alice")) is None
    assert run(store.find_entity(User, ACCOUNT, "alicia")) == renamed
    with pytest.raises(ConcurrentChange):
        run(store.update_entity(replaced(user, path="/late/")))


def test_list_entities_pages_by_name_and_path_exactly(store: Store) -> None:
    for name, path in (("b", "/A_/"), ("a", "/A_/x/"), ("C", "/Ax/"), ("d", "/a_/")):
        run(store.insert_entity(new_user(name, path=path)))
    assert [user.name for user in run(store.list_entities(User, ACCOUNT, "/", None, 10))] == [*"abCd"]
    assert [user.name for user in run(store.list_entities(User, ACCOUNT, "/", "a", 2))] == [*"bC"]
    assert [user.name for user in run(store.list_entities(User, ACCOUNT, "/A_/", None, 10))] == [*"ab"]


def test_delete_entity_that_another_refers_to_raises_still_in_use(store: Store) -> None:
    group, policy = new_group(), new_policy()
    run(store.insert_entity(group))
    run(store.insert_entity(policy))
    user = replaced(new_user(), groups=(group.unique_id,), attached_policies=(arn_of(policy), ADMINISTRATOR))
    run(store.insert_entity(user))
    for entity in (group, policy):
        with pytest.raises(StillInUse):
            run(store.delete_entity(entity))
    to_policy = run(store.list_references_to(ACCOUNT, arn_of(policy)))
    assert [(one.kind, one.name, one.relation) for one in to_policy] == [
        (EntityKind.USER, "Alice", Relation.ATTACHED)
    ]
    user = run(store.update_entity(replaced(user, groups=(), attached_policies=(ADMINISTRATOR,))))
    run(store.delete_entity(group))
    run(store.delete_entity(policy))
    run(store.delete_entity(user))
    assert run(store.find_entity(User, ACCOUNT, "Alice")) is None
    assert run(store.list_references_to(ACCOUNT, ADMINISTRATOR)) == []


def test_insert_entity_that_refers_to_what_is_not_there_raises_concurrent_change(store: Store) -> None:
    gone = arn_of(new_policy("Gone"))
    for user in (
        replaced(new_user(), groups=("AGPAGONE",)),
        replaced(new_user(), attached_policies=(gone,)),
        replaced(new_user(), permissions_boundary=gone),
    ):
        with pytest.raises(ConcurrentChange):
            run(store.insert_entity(user))
    assert run(store.find_entity(User, ACCOUNT, "Alice")) is None


def test_find_identity_has_every_policy_in_force(store: Store) -> None:
    policy = new_policy()
    run(store.insert_entity(policy))
    group = replaced(new_group(), inline_policies={"of-group": "G"}, attached_policies=(ADMINISTRATOR,))
    run(store.insert_entity(group))
    user = replaced(
        new_user(path="/div/"),
        inline_policies={"own": "U"},
        attached_policies=(arn_of(policy),),
        groups=(group.unique_id,),
        permissions_boundary=arn_of(policy),
        tags={"team": "red"},
    )
    run(store.insert_entity(user))
    identity = run(store.find_identity(ACCOUNT, user.unique_id))
    assert identity is not None
    assert identity.resource_name == "user/div/Alice"
    assert identity.tags == {"team": "red"}
    assert identity.boundary == PolicySource(arn_of(policy), '{"one":1}')
    assert [source.label for source in identity.policies] == [
        "inline policy own of user/Alice",
        arn_of(policy),
        "inline policy of-group of group/Team",
        ADMINISTRATOR,
    ]
    assert run(store.find_identity(OTHER_ACCOUNT, user.unique_id)) is None
    assert run(store.find_identity(ACCOUNT, group.unique_id)) is None


def test_find_identity_is_the_same_object_until_another_worker_changes_something(
    open_same: OpenStore,
) -> None:
    mine, other = open_same(), open_same()
    policy, role = new_policy(), new_role()
    run(mine.insert_entity(policy))
    role = replaced(role, attached_policies=(arn_of(policy),))
    run(mine.insert_entity(role))
    first = run(mine.find_identity(ACCOUNT, role.unique_id))
    assert run(mine.find_identity(ACCOUNT, role.unique_id)) is first
    assert run(mine.find_policy_text(arn_of(policy))) == '{"one":1}'
    second_version = PolicyVersion(version_id="v2", text='{"two":2}', created_at=NOW)
    run(
        other.update_entity(
            replaced(policy, versions=(*policy.versions, second_version), default_version_id="v2")
        )
    )
    now = run(mine.find_identity(ACCOUNT, role.unique_id))
    assert now is not None
    assert now.policies == (PolicySource(arn_of(policy), '{"two":2}'),)
    assert run(mine.find_policy_text(arn_of(policy))) == '{"two":2}'
    run(other.delete_entity(role))
    assert run(mine.find_identity(ACCOUNT, role.unique_id)) is None


def test_find_policy_text_takes_the_whole_arn(store: Store) -> None:
    run(store.insert_entity(replaced(new_policy(), path="/p/")))
    assert run(store.find_policy_text(f"arn:aws:iam::{ACCOUNT}:policy/p/Reading")) == '{"one":1}'
    assert run(store.find_policy_text(f"arn:aws:iam::{ACCOUNT}:policy/Reading")) is None
    assert run(store.find_policy_text(f"arn:aws:iam::{OTHER_ACCOUNT}:policy/p/Reading")) is None
    assert "*" in str(run(store.find_policy_text(ADMINISTRATOR)))
    assert run(store.find_policy_text("no arn")) is None


def test_accounts_are_listed_and_made_once(store: Store) -> None:
    account = Account(ACCOUNT, "Payments", NOW)
    run(store.insert_account(account))
    run(store.insert_account(Account(OTHER_ACCOUNT, "Other", NOW)))
    with pytest.raises(AlreadyExists):
        run(store.insert_account(replace(account, name="Again")))
    assert run(store.find_account(ACCOUNT)) == account
    assert [one.account_id for one in run(store.list_accounts(None, 10))] == [ACCOUNT, OTHER_ACCOUNT]
    assert [one.account_id for one in run(store.list_accounts(ACCOUNT, 10))] == [OTHER_ACCOUNT]


def test_access_keys_of_a_principal_are_limited_listed_and_deleted(open_same: OpenStore) -> None:
    store, other = open_same(), open_same()
    first, second, third = (
        replace(new_access_key(f"AKIA{number}"), principal_id="AIDA1") for number in range(3)
    )
    run(store.insert_access_key(first, of_principal_max=2))
    run(store.insert_access_key(second, of_principal_max=2))
    with pytest.raises(LimitReached):
        run(store.insert_access_key(third, of_principal_max=2))
    assert run(other.list_access_keys(ACCOUNT, "AIDA1")) == [first, second]
    assert run(other.find_access_key(first.access_key_id)) == first
    run(store.delete_access_key(first.access_key_id))
    assert run(other.find_access_key(first.access_key_id)) is None
    with pytest.raises(ConcurrentChange):
        run(store.delete_access_key(first.access_key_id))


def test_access_key_is_made_inactive_and_active_and_never_made_again(open_same: OpenStore) -> None:
    store, other = open_same(), open_same()
    key = new_access_key()
    run(store.insert_access_key(key, of_principal_max=2))
    for active in (False, True):
        assert run(other.find_access_key(key.access_key_id)) is not None  # the other remembers it
        run(store.set_access_key_active(key.access_key_id, active))
        assert run(other.find_access_key(key.access_key_id)) == replace(key, active=active)
    run(store.delete_access_key(key.access_key_id))
    for active in (False, True):
        with pytest.raises(ConcurrentChange):
            run(store.set_access_key_active(key.access_key_id, active))
    assert run(store.find_access_key(key.access_key_id)) is None


def test_user_with_access_keys_is_not_deleted_and_a_deleted_one_gets_none(store: Store) -> None:
    user = new_user()
    run(store.insert_entity(user))
    key = replace(new_access_key(), principal_id=user.unique_id, principal_type="IAMUser")
    run(store.insert_access_key(key, of_principal_max=2))
    with pytest.raises(StillInUse):
        run(store.delete_entity(user))
    run(store.delete_access_key(key.access_key_id))
    run(store.delete_entity(user))
    with pytest.raises(ConcurrentChange):
        run(store.insert_access_key(key, of_principal_max=2))
    assert run(store.list_access_keys(ACCOUNT, user.unique_id)) == []


def test_keep_access_key_uses_keeps_the_latest_of_keys_that_are_there(store: Store) -> None:
    key = replace(new_access_key(), principal_id="AIDA1")
    run(store.insert_access_key(key, of_principal_max=2))
    late = AccessKeyUse(key.access_key_id, NOW, "eu-central-1", "kms")
    early = replace(late, used_at=NOW - timedelta(seconds=1), service="sts")
    gone = replace(late, access_key_id=AccessKeyId("AKIAGONE"))
    run(store.keep_access_key_uses([late, early, gone]))
    assert run(store.find_access_key_use(key.access_key_id)) == late
    assert run(store.find_access_key_use(gone.access_key_id)) is None
    run(store.delete_access_key(key.access_key_id))
    assert run(store.find_access_key_use(key.access_key_id)) is None


def test_empty_removes_identities_and_keeps_the_access_keys_of_roots(store: Store) -> None:
    root, of_user = new_access_key(), replace(new_access_key("AKIA2"), principal_type="IAMUser")
    run(store.put_access_key(root))
    run(store.put_access_key(of_user))
    user = replaced(new_user(), attached_policies=(ADMINISTRATOR,))
    run(store.insert_entity(user))
    assert run(store.find_identity(ACCOUNT, user.unique_id)) is not None
    run(store.empty())
    assert run(store.find_identity(ACCOUNT, user.unique_id)) is None
    assert run(store.find_access_key(root.access_key_id)) == root
    assert run(store.find_access_key(of_user.access_key_id)) is None
