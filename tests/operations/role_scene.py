"""Users and roles for the tests of STS, put into the store, and sessions opened by the road itself."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import Any

import msgspec
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.identity.principal import PrincipalType
from strongroom.resources.iam import (
    IdPrefix,
    ManagedPolicy,
    PolicyVersion,
    Role,
    User,
    new_unique_id,
)
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.iam_interface import AccessKey

OTHER_ACCOUNT = "444455556666"
_numbers = itertools.count(1)


def policy(action: str | list[str], *, effect: str = "Allow", resource: str = "*", **more: Any) -> str:
    """One statement as an identity-based policy."""
    statement = {"Effect": effect, "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def trust(
    principal: dict[str, Any], action: str | list[str] = "sts:AssumeRole", *deny: dict[str, Any], **more: Any
) -> str:
    """One statement that allows, as a trust policy; `deny` are further statements."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": action, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement, *deny]})


def account_of(account: str = ACCOUNT) -> dict[str, str]:
    """A Principal that leaves it to an account."""
    return {"AWS": f"arn:aws:iam::{account}:root"}


def new_access_key(
    road: Road, kind: PrincipalType, principal_id: str, account: str = ACCOUNT, *, active: bool = True
) -> str:
    """A long-term credential in the store."""
    access_key_id = AccessKeyId(new_unique_id(IdPrefix.ACCESS_KEY))
    _, token = road.wait(road.boundary.create_access_key_secret(access_key_id, account))
    road.wait(
        road.store.put_access_key(
            AccessKey(
                access_key_id, AccountId(account), "", principal_id, kind, token, active, road.clock.now()
            )
        )
    )
    return access_key_id


@dataclass
class TestUser:
    """A user with an access key."""

    __test__ = False

    user: User
    access_key_id: str
    arn: str


def new_user(road: Road, *policies: str, account: str = ACCOUNT, **members: Any) -> TestUser:
    """A user with these inline policies."""
    user = User(
        account_id=AccountId(account),
        name=f"sts-user{next(_numbers)}",
        unique_id=new_unique_id(IdPrefix.USER),
        created_at=road.clock.now(),
        inline_policies={f"p{place}": text for place, text in enumerate(policies)},
        **members,
    )
    road.wait(road.store.insert_entity(user))
    access_key_id = new_access_key(road, PrincipalType.IAM_USER, user.unique_id, account)
    return TestUser(user, access_key_id, f"arn:aws:iam::{account}:user/{user.name}")


@dataclass
class TestRole:
    """A role, as it stands in the store."""

    __test__ = False

    road: Road
    role: Role
    arn: str

    def change(self, **members: Any) -> None:
        """As another worker would."""
        self.role = self.road.wait(
            self.road.store.update_entity(msgspec.structs.replace(self.role, **members))
        )

    def delete(self) -> None:
        """It is gone, and its name is free."""
        self.road.wait(self.road.store.delete_entity(self.role))

    def assume(self, account: str, **members: Any) -> dict[str, Any]:
        """AssumeRole by whose access key id `account` is."""
        given = {"RoleArn": self.arn, "RoleSessionName": "s1"} | members
        answer: dict[str, Any] = self.road.call_query("sts", "AssumeRole", account=account, **given)
        return answer

    def session(self, account: str, **members: Any) -> str:
        """The same; what to give as `account` to call with the session."""
        return self.road.bearer_of_answer(self.assume(account, **members)["Credentials"])


def new_role(
    road: Road, trust_policy: str, *policies: str, account: str = ACCOUNT, **members: Any
) -> TestRole:
    """A role with this trust policy and these inline policies."""
    facts: dict[str, Any] = {"name": f"sts-role{next(_numbers)}", "path": "/"} | members
    role = Role(
        account_id=AccountId(account),
        unique_id=new_unique_id(IdPrefix.ROLE),
        created_at=road.clock.now(),
        trust_policy=trust_policy,
        inline_policies={f"p{place}": text for place, text in enumerate(policies)},
        **facts,
    )
    road.wait(road.store.insert_entity(role))
    return TestRole(road, role, f"arn:aws:iam::{account}:role{role.path}{role.name}")


def new_managed_policy(road: Road, text: str, account: str = ACCOUNT) -> str:
    """The ARN of a customer managed policy."""
    now = road.clock.now()
    managed = ManagedPolicy(
        account_id=AccountId(account),
        name=f"sts-policy{next(_numbers)}",
        unique_id=new_unique_id(IdPrefix.POLICY),
        created_at=now,
        versions=(PolicyVersion(version_id="v1", text=text, created_at=now),),
        default_version_id="v1",
        updated_at=now,
    )
    road.wait(road.store.insert_entity(managed))
    return f"arn:aws:iam::{account}:policy/{managed.name}"


def refusal(call: Any, *arguments: Any, **members: Any) -> tuple[str, str | None, int]:
    """The code, sentence and status with which a call is refused."""
    try:
        call(*arguments, **members)
    except Refusal as refused:
        return refused.code, refused.message, refused.status
    raise AssertionError("it was not refused")
