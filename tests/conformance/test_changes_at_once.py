"""Every kind of change to who may do what is obeyed on the very next request of every worker.

A strict server with three workers; a user calls it over sixteen connections that stay open, which the kernel
spreads over the workers. All of them are asked right before a change and right after it.
"""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

WORKERS = 3
CONNECTIONS = 16
DENIED, ALLOWED = "AccessDeniedException", ""
_numbers = itertools.count()
_session = boto3.session.Session()


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(action: str = "kms:*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*", **more}


ENCRYPT = policy(allowing("kms:Encrypt"))
TRUST = allowing(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})


def client(server: Server, service: str, credentials: tuple[str, str], token: str | None = None) -> Any:
    return _session.client(
        service,
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id=credentials[0],
        aws_secret_access_key=credentials[1],
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=1),
    )


@dataclass
class Caller:
    """A user or a role's session, on connections of its own."""

    name: str
    arn: str
    credentials: tuple[str, str]
    connections: list[Any]
    key: str

    @property
    def access_key_id(self) -> str:
        return self.credentials[0]

    def outcomes(self) -> set[str]:
        """How each connection's next Encrypt ends: an error's name, or nothing."""
        found = set()
        for one in self.connections:
            try:
                one.encrypt(KeyId=self.key, Plaintext=b"x")
                found.add(ALLOWED)
            except ClientError as error:
                found.add(error.response["Error"]["Code"])
        return found


@dataclass
class House:
    """The server and its root."""

    server: Server
    kms: Any
    iam: Any
    callers: list[Caller] = field(default_factory=list)

    def new_caller(self, inline: str | None = None, key_policy: str = policy(TRUST)) -> Caller:
        name = f"user{next(_numbers)}"
        arn = self.iam.create_user(UserName=name)["User"]["Arn"]
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        if inline is not None:
            self.iam.put_user_policy(UserName=name, PolicyName="inline", PolicyDocument=inline)
        credentials = made["AccessKeyId"], made["SecretAccessKey"]
        key = self.kms.create_key(Policy=key_policy)["KeyMetadata"]["Arn"]
        connections = [client(self.server, "kms", credentials) for _ in range(CONNECTIONS)]
        return Caller(name, arn, credentials, connections, key)

    def new_policy(self, text: str) -> str:
        made = self.iam.create_policy(PolicyName=f"policy{next(_numbers)}", PolicyDocument=text)
        return str(made["Policy"]["Arn"])


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    data: Path = tmp_path_factory.mktemp("house") / "data"
    arguments = ("--auth", "strict", "--workers", str(WORKERS))
    root = (ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
    with Server(*arguments, environment=strict_environment(), data_dir=data) as server:
        yield House(server, client(server, "kms", root), client(server, "iam", root))


def test_server_has_its_workers(house: House) -> None:
    """What the tests below stand on."""
    workers = {title: pids for title, pids in house.server.processes().items() if "worker" in title}
    assert sum(len(pids) for pids in workers.values()) == WORKERS


def follow(caller: Caller, *steps: tuple[Callable[[], object], str], before: str) -> None:
    """Each change, and how every connection's next request ends."""
    assert caller.outcomes() == {before}
    for change, after in steps:
        change()
        assert caller.outcomes() == {after}


def test_key_policy_at_once(house: House) -> None:
    caller = house.new_caller()

    def put(*more: dict[str, Any]) -> Callable[[], object]:
        return lambda: house.kms.put_key_policy(KeyId=caller.key, Policy=policy(TRUST, *more))

    named = allowing("kms:Encrypt", Principal={"AWS": caller.arn})
    denied = allowing("kms:Encrypt", "Deny", Principal="*")
    follow(
        caller,
        (put(named), ALLOWED),
        (put(named, denied), DENIED),
        (put(named), ALLOWED),
        (put(), DENIED),
        before=DENIED,
    )


def test_inline_and_attached_policies_at_once(house: House) -> None:
    caller, iam = house.new_caller(), house.iam
    arn = house.new_policy(ENCRYPT)
    user = {"UserName": caller.name}
    follow(
        caller,
        (lambda: iam.attach_user_policy(PolicyArn=arn, **user), ALLOWED),
        (lambda: iam.detach_user_policy(PolicyArn=arn, **user), DENIED),
        (lambda: iam.put_user_policy(PolicyName="p", PolicyDocument=ENCRYPT, **user), ALLOWED),
        (lambda: iam.delete_user_policy(PolicyName="p", **user), DENIED),
        before=DENIED,
    )


def test_default_version_of_a_policy_at_once(house: House) -> None:
    caller, iam = house.new_caller(), house.iam
    arn = house.new_policy(ENCRYPT)
    iam.attach_user_policy(UserName=caller.name, PolicyArn=arn)
    other = policy(allowing("kms:Decrypt"))
    follow(
        caller,
        (
            lambda: iam.create_policy_version(PolicyArn=arn, PolicyDocument=other, SetAsDefault=True),
            DENIED,
        ),
        (lambda: iam.set_default_policy_version(PolicyArn=arn, VersionId="v1"), ALLOWED),
        (lambda: iam.set_default_policy_version(PolicyArn=arn, VersionId="v2"), DENIED),
        before=ALLOWED,
    )


def test_group_and_its_policy_at_once(house: House) -> None:
    caller, iam = house.new_caller(), house.iam
    group = f"group{next(_numbers)}"
    iam.create_group(GroupName=group)
    member = {"GroupName": group, "UserName": caller.name}
    ours = {"GroupName": group, "PolicyName": "p"}
    iam.put_group_policy(PolicyDocument=ENCRYPT, **ours)
    follow(
        caller,
        (lambda: iam.add_user_to_group(**member), ALLOWED),
        (lambda: iam.remove_user_from_group(**member), DENIED),
        (lambda: iam.add_user_to_group(**member), ALLOWED),
        (lambda: iam.delete_group_policy(**ours), DENIED),
        (lambda: iam.put_group_policy(PolicyDocument=ENCRYPT, **ours), ALLOWED),
        before=DENIED,
    )


def test_permissions_boundary_at_once(house: House) -> None:
    caller, iam = house.new_caller(ENCRYPT), house.iam
    narrow = house.new_policy(policy(allowing("kms:Decrypt")))
    user = {"UserName": caller.name}
    follow(
        caller,
        (lambda: iam.put_user_permissions_boundary(PermissionsBoundary=narrow, **user), DENIED),
        (lambda: iam.delete_user_permissions_boundary(**user), ALLOWED),
        before=ALLOWED,
    )


def test_grant_at_once(house: House) -> None:
    caller, kms = house.new_caller(), house.kms
    granted: list[dict[str, Any]] = []

    def create() -> None:
        granted.append(
            kms.create_grant(KeyId=caller.key, GranteePrincipal=caller.arn, Operations=["Encrypt"])
        )

    follow(
        caller,
        (create, ALLOWED),
        (lambda: kms.revoke_grant(KeyId=caller.key, GrantId=granted[-1]["GrantId"]), DENIED),
        (create, ALLOWED),
        (lambda: kms.retire_grant(GrantToken=granted[-1]["GrantToken"]), DENIED),
        before=DENIED,
    )


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
def test_tags_of_the_key_at_once(house: House, effect: str) -> None:
    condition = {"StringEquals": {"aws:ResourceTag/stage": "open"}}
    statements = [allowing("kms:Encrypt", effect, Condition=condition)]
    if effect == "Deny":
        statements.append(allowing("kms:Encrypt"))
    caller, kms = house.new_caller(policy(*statements)), house.kms
    with_it, without = (ALLOWED, DENIED) if effect == "Allow" else (DENIED, ALLOWED)

    def tag(value: str) -> Callable[[], object]:
        return lambda: kms.tag_resource(KeyId=caller.key, Tags=[{"TagKey": "stage", "TagValue": value}])

    follow(
        caller,
        (tag("open"), with_it),
        (tag("closed"), without),
        (tag("open"), with_it),
        (lambda: kms.untag_resource(KeyId=caller.key, TagKeys=["stage"]), without),
        before=without,
    )


def test_tags_of_the_user_at_once(house: House) -> None:
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    caller, iam = house.new_caller(policy(allowing("kms:Encrypt", Condition=condition))), house.iam
    user = {"UserName": caller.name}
    follow(
        caller,
        (lambda: iam.tag_user(Tags=[{"Key": "team", "Value": "blue"}], **user), ALLOWED),
        (lambda: iam.untag_user(TagKeys=["team"], **user), DENIED),
        before=DENIED,
    )


def test_aliases_of_the_key_at_once(house: House) -> None:
    alias = f"alias/open{next(_numbers)}"
    condition = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    caller, kms = house.new_caller(policy(allowing("kms:Encrypt", Condition=condition))), house.kms
    other = kms.create_key()["KeyMetadata"]["KeyId"]
    here = {"AliasName": alias, "TargetKeyId": caller.key}
    follow(
        caller,
        (lambda: kms.create_alias(**here), ALLOWED),
        (lambda: kms.update_alias(AliasName=alias, TargetKeyId=other), DENIED),
        (lambda: kms.update_alias(**here), ALLOWED),
        (lambda: kms.delete_alias(AliasName=alias), DENIED),
        before=DENIED,
    )


def test_access_key_made_inactive_and_active_at_once(house: House) -> None:
    caller, iam = house.new_caller(ENCRYPT), house.iam
    access_key = {"UserName": caller.name, "AccessKeyId": caller.access_key_id}
    follow(
        caller,
        (lambda: iam.update_access_key(Status="Inactive", **access_key), "UnrecognizedClientException"),
        (lambda: iam.update_access_key(Status="Active", **access_key), ALLOWED),
        (lambda: iam.delete_access_key(**access_key), "UnrecognizedClientException"),
        before=ALLOWED,
    )


def test_user_made_again_under_a_name_gets_nothing_of_the_one_that_is_gone(house: House) -> None:
    caller, iam = house.new_caller(), house.iam
    named = allowing("kms:Encrypt", Principal={"AWS": caller.arn})
    house.kms.put_key_policy(KeyId=caller.key, Policy=policy(TRUST, named))
    house.kms.create_grant(KeyId=caller.key, GranteePrincipal=caller.arn, Operations=["Encrypt"])
    assert caller.outcomes() == {ALLOWED}
    iam.delete_access_key(UserName=caller.name, AccessKeyId=caller.access_key_id)
    iam.delete_user(UserName=caller.name)
    assert caller.outcomes() == {"UnrecognizedClientException"}
    assert iam.create_user(UserName=caller.name)["User"]["Arn"] == caller.arn
    made = iam.create_access_key(UserName=caller.name)["AccessKey"]
    credentials = made["AccessKeyId"], made["SecretAccessKey"]
    again = [client(house.server, "kms", credentials) for _ in range(CONNECTIONS)]
    assert Caller(caller.name, caller.arn, credentials, again, caller.key).outcomes() == {DENIED}


def new_session(house: House, *, duration_seconds: int = 3600) -> tuple[Caller, str]:
    """A session of a new role that may encrypt, and the role's name."""
    assuming, iam = house.new_caller(policy(allowing("sts:AssumeRole"))), house.iam
    role = f"role{next(_numbers)}"
    trust = {"Effect": "Allow", "Principal": {"AWS": assuming.arn}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(
        RoleName=role, AssumeRolePolicyDocument=policy(trust), MaxSessionDuration=duration_seconds
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=role, PolicyName="inline", PolicyDocument=ENCRYPT)
    made = client(house.server, "sts", assuming.credentials).assume_role(
        RoleArn=arn, RoleSessionName="s1", DurationSeconds=duration_seconds
    )
    credentials = made["Credentials"]
    pair = credentials["AccessKeyId"], credentials["SecretAccessKey"]
    connections = [client(house.server, "kms", pair, credentials["SessionToken"]) for _ in range(CONNECTIONS)]
    return Caller(role, made["AssumedRoleUser"]["Arn"], pair, connections, assuming.key), role


def test_policies_of_a_role_and_its_end_reach_its_sessions_at_once(house: House) -> None:
    caller, role = new_session(house)
    named = {"RoleName": role, "PolicyName": "inline"}
    follow(
        caller,
        (lambda: house.iam.delete_role_policy(**named), DENIED),
        (lambda: house.iam.put_role_policy(PolicyDocument=ENCRYPT, **named), ALLOWED),
        (lambda: house.iam.delete_role_policy(**named), DENIED),
        (lambda: house.iam.delete_role(RoleName=role), "UnrecognizedClientException"),
        before=ALLOWED,
    )


def test_session_whose_time_is_over_is_refused_at_once(house: House) -> None:
    caller, _ = new_session(house)

    def advance() -> None:
        body = json.dumps({"advance_seconds": 3601}).encode()
        address = house.server.url + "/_strongroom/clock"
        request = urllib.request.Request(address, data=body, method="POST")  # noqa: S310  (our own server)
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
            assert answer.status == 200

    follow(caller, (advance, "ExpiredTokenException"), before=ALLOWED)
