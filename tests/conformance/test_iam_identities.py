"""Users, groups and access keys on a whole server with two workers, by unmodified clients.

What one worker has answered holds for the next request on every worker: users sign with keys that were just
made, may what their policies were just given, and stop when it was just taken away.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import (
    ACCOUNT,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

FRESH_CONNECTIONS = 12
PREFIX = "arn:aws:iam::"
_numbers = iter(range(1_000_000))


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    with Server("--auth", "strict", "--workers", "2", environment=strict_environment()) as running:
        yield running


def as_root(server: Server, service: str = "iam") -> Any:
    return server.client(service, access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)


def as_bearer(server: Server, key: dict[str, Any], service: str = "kms") -> Any:
    """A client with a connection of its own, which the kernel gives to either worker."""
    return server.client(service, access_key_id=key["AccessKeyId"], secret_access_key=key["SecretAccessKey"])


def new_name(stem: str) -> str:
    return f"{stem}-{next(_numbers)}"


def document(action: str, effect: str = "Allow", **elements: Any) -> str:
    statement = {"Effect": effect, "Action": action, "Resource": "*", **elements}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def outcome(call: Callable[[], Any]) -> str | None:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Code"])
    return None


def on_both_workers(server: Server, key: dict[str, Any], call: Callable[[Any], Any]) -> set[str | None]:
    return {outcome(lambda: call(as_bearer(server, key))) for _ in range(FRESH_CONNECTIONS)}


def test_waiter_and_paginators_of_boto3_work(strict: Server) -> None:
    iam = as_root(strict)
    path = f"/{new_name('paged')}/"
    names = sorted(new_name("u") for _ in range(5))
    for name in names:
        iam.create_user(UserName=name, Path=path, Tags=[{"Key": "Team", "Value": "billing"}])
        iam.get_waiter("user_exists").wait(UserName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 1})
    pages = iam.get_paginator("list_users").paginate(PathPrefix=path, PaginationConfig={"PageSize": 2})
    found = [[user["UserName"] for user in page["Users"]] for page in pages]
    assert [len(page) for page in found] == [2, 2, 1]
    assert [name for page in found for name in page] == names
    group = new_name("g")
    iam.create_group(GroupName=group)
    for name in names:
        iam.add_user_to_group(GroupName=group, UserName=name)
    pages = iam.get_paginator("get_group").paginate(GroupName=group, PaginationConfig={"PageSize": 3})
    assert [user["UserName"] for page in pages for user in page["Users"]] == names
    pages = iam.get_paginator("list_groups_for_user").paginate(UserName=names[0])
    assert [one["GroupName"] for page in pages for one in page["Groups"]] == [group]
    tags = iam.get_paginator("list_user_tags").paginate(UserName=names[0]).build_full_result()["Tags"]
    assert tags == [{"Key": "Team", "Value": "billing"}]
    iam.create_access_key(UserName=names[0])
    keys = iam.get_paginator("list_access_keys").paginate(UserName=names[0]).build_full_result()
    assert len(keys["AccessKeyMetadata"]) == 1
    for operation in ("list_mfa_devices", "list_signing_certificates", "list_ssh_public_keys"):
        assert iam.get_paginator(operation).paginate(UserName=names[0]).build_full_result()
    assert iam.get_account_summary()["SummaryMap"]["Users"] >= 5


def test_new_user_works_at_once_with_what_it_is_given_and_stops_with_what_is_taken(strict: Server) -> None:
    iam = as_root(strict)
    name, group = new_name("alice"), new_name("crew")
    key_id = as_root(strict, "kms").create_key()["KeyMetadata"]["KeyId"]
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def encrypt(kms: Any) -> Any:
        return kms.encrypt(KeyId=key_id, Plaintext=b"x")

    arn = as_bearer(strict, key, "sts").get_caller_identity()["Arn"]
    assert arn == f"{PREFIX}{ACCOUNT}:user/{name}"
    assert on_both_workers(strict, key, encrypt) == {"AccessDeniedException"}
    iam.create_group(GroupName=group)
    iam.put_group_policy(GroupName=group, PolicyName="use", PolicyDocument=document("kms:Encrypt"))
    assert on_both_workers(strict, key, encrypt) == {"AccessDeniedException"}
    iam.add_user_to_group(GroupName=group, UserName=name)
    assert on_both_workers(strict, key, encrypt) == {None}
    iam.remove_user_from_group(GroupName=group, UserName=name)
    assert on_both_workers(strict, key, encrypt) == {"AccessDeniedException"}
    condition = {"StringEquals": {"aws:PrincipalTag/Team": "billing"}}
    policy = document("kms:Encrypt", Condition=condition)
    iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=policy)
    assert on_both_workers(strict, key, encrypt) == {"AccessDeniedException"}
    iam.tag_user(UserName=name, Tags=[{"Key": "team", "Value": "billing"}])
    assert on_both_workers(strict, key, encrypt) == {None}
    iam.untag_user(UserName=name, TagKeys=["TEAM"])
    assert on_both_workers(strict, key, encrypt) == {"AccessDeniedException"}


def test_renamed_user_keeps_its_rights_and_keys_and_is_called_by_its_new_name(strict: Server) -> None:
    iam, kms = as_root(strict), as_root(strict, "kms")
    name, renamed = new_name("old"), new_name("new")
    user = iam.create_user(UserName=name)["User"]
    key = iam.create_access_key(UserName=name)["AccessKey"]
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(naming(user["Arn"])))

    def encrypt(client: Any) -> Any:
        return client.encrypt(KeyId=key_id, Plaintext=b"x")

    assert on_both_workers(strict, key, encrypt) == {None}
    iam.update_user(UserName=name, NewUserName=renamed, NewPath="/moved/")
    assert on_both_workers(strict, key, encrypt) == {None}
    identity = as_bearer(strict, key, "sts").get_caller_identity()
    assert identity["Arn"] == f"{PREFIX}{ACCOUNT}:user/moved/{renamed}"
    assert identity["UserId"] == user["UserId"]


def naming(arn: str) -> dict[str, Any]:
    """A key policy that trusts the account's root and names one principal."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"{PREFIX}{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "kms:Encrypt", "Resource": "*"},
        ],
    }


def test_user_made_again_under_the_same_name_has_nothing_of_the_old_one(strict: Server) -> None:
    iam, kms = as_root(strict), as_root(strict, "kms")
    name = new_name("again")
    user = iam.create_user(UserName=name)["User"]
    old_key = iam.create_access_key(UserName=name)["AccessKey"]
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(naming(user["Arn"])))

    def encrypt(client: Any) -> Any:
        return client.encrypt(KeyId=key_id, Plaintext=b"x")

    assert on_both_workers(strict, old_key, encrypt) == {None}
    iam.delete_access_key(UserName=name, AccessKeyId=old_key["AccessKeyId"])
    assert on_both_workers(strict, old_key, encrypt) == {"UnrecognizedClientException"}
    iam.delete_user(UserName=name)
    again = iam.create_user(UserName=name)["User"]
    assert again["Arn"] == user["Arn"]
    new_key = iam.create_access_key(UserName=name)["AccessKey"]
    assert on_both_workers(strict, new_key, encrypt) == {"AccessDeniedException"}
    statements = json.loads(kms.get_key_policy(KeyId=key_id)["Policy"])["Statement"]
    assert statements[1]["Principal"] == {"AWS": user["UserId"]}, "the old user's unique id, as AWS shows it"
    kms.put_key_policy(KeyId=key_id, Policy=json.dumps(naming(again["Arn"])))
    assert on_both_workers(strict, new_key, encrypt) == {None}


def test_inactive_key_is_refused_by_both_workers_until_it_is_active_again(strict: Server) -> None:
    iam = as_root(strict)
    name = new_name("u")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def ask(kms: Any) -> Any:
        return kms.list_keys()

    assert on_both_workers(strict, key, ask) == {"AccessDeniedException"}
    for status, expected in (
        ("Inactive", "UnrecognizedClientException"),
        ("Active", "AccessDeniedException"),
    ):
        iam.update_access_key(UserName=name, AccessKeyId=key["AccessKeyId"], Status=status)
        assert on_both_workers(strict, key, ask) == {expected}


def test_user_manages_itself_where_its_policy_lets_it(strict: Server) -> None:
    root = as_root(strict)
    name, other = new_name("self"), new_name("other")
    for one in (name, other):
        root.create_user(UserName=one)
    key = root.create_access_key(UserName=name)["AccessKey"]
    mine = as_bearer(strict, key, "iam")
    denied = "AccessDenied"
    for call in (
        mine.get_user,
        mine.list_users,
        mine.create_access_key,
        lambda: mine.get_user(UserName="not-there"),
    ):
        assert outcome(call) == denied, "whoever may not ask does not learn who is there"
    own = f"{PREFIX}{ACCOUNT}:user/${{aws:username}}"
    policy = document("iam:*", Resource=own)
    root.put_user_policy(UserName=name, PolicyName="own", PolicyDocument=policy)
    mine = as_bearer(strict, key, "iam")
    assert mine.get_user()["User"]["UserName"] == name
    second = mine.create_access_key()["AccessKey"]
    assert second["UserName"] == name
    assert len(mine.list_access_keys()["AccessKeyMetadata"]) == 2
    mine.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    mine.delete_access_key(AccessKeyId=second["AccessKeyId"])
    mine.tag_user(UserName=name, Tags=[{"Key": "a", "Value": "b"}])
    assert outcome(lambda: mine.get_user(UserName=other)) == denied
    assert outcome(lambda: mine.update_user(UserName=name, NewUserName=new_name("x"))) == denied
    with pytest.raises(ClientError) as caught:
        mine.create_access_key(UserName=other)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    sentence = caught.value.response["Error"]["Message"]
    assert sentence.startswith(
        f"User: {PREFIX}{ACCOUNT}:user/{name} is not authorized to perform: iam:CreateAccessKey on resource: "
    )


def test_tags_in_a_request_are_what_a_policy_may_insist_on(strict: Server) -> None:
    root = as_root(strict)
    name = new_name("tagger")
    root.create_user(UserName=name)
    key = root.create_access_key(UserName=name)["AccessKey"]
    condition = {
        "StringEquals": {"aws:RequestTag/Owner": "me"},
        "ForAllValues:StringEquals": {"aws:TagKeys": "Owner"},
    }
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Action": "iam:CreateUser", "Resource": "*"},
                {"Effect": "Allow", "Action": "iam:TagUser", "Resource": "*", "Condition": condition},
            ],
        }
    )
    root.put_user_policy(UserName=name, PolicyName="tag", PolicyDocument=policy)
    iam = as_bearer(strict, key, "iam")
    iam.create_user(UserName=new_name("bare"))
    iam.create_user(UserName=new_name("mine"), Tags=[{"Key": "Owner", "Value": "me"}])
    for tags in ({"Owner": "you"}, {"Owner": "me", "More": "x"}):
        wanted = [{"Key": tag, "Value": value} for tag, value in tags.items()]
        assert outcome(lambda: iam.create_user(UserName=new_name("no"), Tags=wanted)) == "AccessDenied"  # noqa: B023


def test_last_use_is_told_with_service_and_region(strict: Server) -> None:
    iam = as_root(strict)
    name = new_name("used")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    told = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert told["UserName"] == name
    assert told["AccessKeyLastUsed"] == {"Region": "N/A", "ServiceName": "N/A"}
    as_bearer(strict, key, "sts").get_caller_identity()
    deadline = time.monotonic() + 20
    while "LastUsedDate" not in told["AccessKeyLastUsed"] and time.monotonic() < deadline:
        time.sleep(0.25)  # the other worker keeps its notes for up to ten seconds
        told = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])
    assert told["AccessKeyLastUsed"]["ServiceName"] == "sts"
    assert told["AccessKeyLastUsed"]["Region"] == "eu-central-1"


def test_secret_is_in_no_log_of_the_server(strict: Server) -> None:
    iam = as_root(strict)
    name = new_name("quiet")
    iam.create_user(UserName=name)
    secret = iam.create_access_key(UserName=name)["AccessKey"]["SecretAccessKey"]
    assert secret.encode() not in bytes(strict.logged)


def at_once(server: Server, calls: int, call: Callable[[Any, int], Any]) -> list[str | None]:
    """The outcomes of calls that race each other over connections of their own."""
    clients = [as_root(server) for _ in range(calls)]
    with ThreadPoolExecutor(calls) as threads:
        return list(threads.map(lambda number: outcome(lambda: call(clients[number], number)), range(calls)))


def test_races_lose_no_change_and_exceed_no_quota(strict: Server) -> None:
    iam = as_root(strict)
    name = new_name("raced")
    made = at_once(strict, 8, lambda client, _: client.create_user(UserName=name))
    assert sorted(made, key=str) == ["EntityAlreadyExists"] * 7 + [None]
    made = at_once(strict, 8, lambda client, _: client.create_access_key(UserName=name))
    assert sorted(made, key=str) == ["LimitExceeded"] * 6 + [None] * 2
    groups = [new_name("g") for _ in range(8)]
    for group in groups:
        iam.create_group(GroupName=group)
    joined = at_once(
        strict, 8, lambda client, number: client.add_user_to_group(GroupName=groups[number], UserName=name)
    )
    assert joined == [None] * 8
    found = iam.list_groups_for_user(UserName=name)["Groups"]
    assert [group["GroupName"] for group in found] == sorted(groups)
    tagged = at_once(
        strict,
        8,
        lambda client, number: client.tag_user(UserName=name, Tags=[{"Key": f"k{number}", "Value": "v"}]),
    )
    assert tagged == [None] * 8
    assert len(iam.list_user_tags(UserName=name)["Tags"]) == 8


def test_user_whose_deletion_races_a_new_key_leaves_no_key_behind(strict: Server) -> None:
    """Either the user stays with its key, or both are gone: never a key without a user."""
    iam = as_root(strict)
    for _ in range(6):
        name = new_name("short")
        iam.create_user(UserName=name)

        def race(client: Any, number: int, name: str = name) -> Any:
            return (
                client.delete_user(UserName=name) if number == 0 else client.create_access_key(UserName=name)
            )

        deleted, created = at_once(strict, 2, race)
        there = outcome(lambda: iam.get_user(UserName=name)) is None  # noqa: B023
        assert (deleted, created, there) in {
            (None, "NoSuchEntity", False),
            ("DeleteConflict", None, True),
        }
