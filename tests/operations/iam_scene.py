"""IAM on the road: what its tests make of roles, policies and users in few words."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from itertools import count
from typing import Any

from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.resources.iam import Group, IdPrefix, User, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId

ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
POWER_USER = "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"
NOW = datetime(2026, 1, 1, tzinfo=UTC)

_numbers = count()


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(action: Any = "kms:*", **elements: Any) -> str:
    return document({"Effect": "Allow", "Action": action, "Resource": "*"} | elements)


def trusting(principal: dict[str, Any], action: str = "sts:AssumeRole") -> str:
    return document({"Effect": "Allow", "Principal": principal, "Action": action})


def trusting_service() -> str:
    return trusting({"Service": "ec2.amazonaws.com"})


class Iam:
    """IAM of one account, asked by its root."""

    def __init__(self, road: Road, account: str = ACCOUNT) -> None:
        self.road = road
        self.account = account

    def call(self, operation: str, **members: Any) -> Any:
        """The answer's members; raises Refusal."""
        return self.road.call_query("iam", operation, account=self.account, **members)

    def refused(self, operation: str, **members: Any) -> tuple[str, str | None, int]:
        """AWS's error name, sentence and status."""
        try:
            self.call(operation, **members)
        except Refusal as refusal:
            return refusal.code, refusal.message, refusal.status
        raise AssertionError(f"{operation} was not refused")

    def new_role(self, name: str | None = None, **members: Any) -> str:
        """The name of a new role."""
        name = name or f"role-{next(_numbers)}"
        self.call("CreateRole", RoleName=name, **({"AssumeRolePolicyDocument": trusting_service()} | members))
        return name

    def new_policy(self, name: str | None = None, **members: Any) -> str:
        """The ARN of a new managed policy."""
        name = name or f"policy-{next(_numbers)}"
        made = self.call("CreatePolicy", PolicyName=name, **({"PolicyDocument": allowing()} | members))
        arn: str = made["Policy"]["Arn"]
        return arn

    def new_group(self, name: str) -> Group:
        """A new group, straight in the store."""
        group = Group(
            account_id=AccountId(self.account),
            name=name,
            unique_id=new_unique_id(IdPrefix.GROUP),
            created_at=NOW,
        )
        self.road.wait(self.road.store.insert_entity(group))
        return group

    def new_user(self, name: str, **members: Any) -> str:
        """The access key id of a new user, straight in the store."""
        user = User(
            account_id=AccountId(self.account),
            name=name,
            unique_id=new_unique_id(IdPrefix.USER),
            created_at=NOW,
            **members,
        )
        self.road.wait(self.road.store.insert_entity(user))
        return self.road.callers.add(
            AuthenticatedPrincipal(
                PrincipalType.IAM_USER,
                user.account_id,
                f"arn:aws:iam::{self.account}:user{user.path}{name}",
                user.unique_id,
                AccessKeyId(f"AKIA{next(_numbers):016}"),
                user.unique_id,
            )
        )
