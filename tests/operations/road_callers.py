"""Users and sessions of roles as callers on the road, and the policies that let them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from tests.operations.road_requests import refused
from tests.support.road import ACCOUNT, Road

from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.resources.iam import IdPrefix, Role, User, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAINTEXT = base64.b64encode(b"hello").decode()
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
NUMBERS = iter(range(1_000_000))


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(action: Any = "kms:*", effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*"} | elements


def trusting(*more: dict[str, Any]) -> str:
    """A key policy that lets the account decide."""
    return document(allowing(Principal={"AWS": ROOT}), *more)


@dataclass
class Person:
    """A user or a role's session, and the access key id of its requests."""

    road: Road
    entity: Any
    access_key: str
    arn: str

    def call(self, operation: str, **members: Any) -> Any:
        return self.road.call(operation, account=self.access_key, **members)

    def encrypt(self, key: dict[str, Any], **members: Any) -> Any:
        return self.call("Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT, **members)

    def refused(self, operation: str, **members: Any) -> tuple[str, str | None]:
        return refused(self.road, operation, account=self.access_key, **members)

    def denied(self, key: dict[str, Any], **members: Any) -> str:
        """Why Encrypt is denied, as the caller hears it."""
        code, sentence = self.refused("Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT, **members)
        assert code == "AccessDeniedException"
        beginning = f"User: {self.arn} is not authorized to perform: kms:Encrypt on resource: {key['Arn']} "
        assert sentence is not None
        assert sentence.startswith(beginning)
        return sentence.removeprefix(beginning)

    def change(self, **members: Any) -> None:
        """Another worker would write the same: its policies, boundary, name."""
        self.entity = self.road.wait(
            self.road.store.update_entity(msgspec.structs.replace(self.entity, **members))
        )

    def delete(self) -> None:
        self.road.wait(self.road.store.delete_entity(self.entity))


def new_user(road: Road, *policies: str, account: str = ACCOUNT, name: str | None = None) -> Person:
    number = next(NUMBERS)
    user = User(
        account_id=AccountId(account),
        name=name or f"user{number}",
        unique_id=new_unique_id(IdPrefix.USER),
        created_at=NOW,
        inline_policies={f"p{place}": text for place, text in enumerate(policies)},
    )
    road.wait(road.store.insert_entity(user))
    arn = f"arn:aws:iam::{account}:user/{user.name}"
    principal = AuthenticatedPrincipal(
        PrincipalType.IAM_USER,
        AccountId(account),
        arn,
        user.unique_id,
        AccessKeyId(f"AKIAUSER{number:012}"),
        unique_id=user.unique_id,
    )
    return Person(road, user, road.callers.add(principal), arn)


def new_session(road: Road, *policies: str, session_policies: tuple[str, ...] = ()) -> Person:
    number = next(NUMBERS)
    role = Role(
        account_id=AccountId(ACCOUNT),
        name=f"role{number}",
        unique_id=new_unique_id(IdPrefix.ROLE),
        created_at=NOW,
        trust_policy="{}",
        inline_policies={f"p{place}": text for place, text in enumerate(policies)},
    )
    road.wait(road.store.insert_entity(role))
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/s1"
    principal = AuthenticatedPrincipal(
        PrincipalType.ASSUMED_ROLE,
        AccountId(ACCOUNT),
        arn,
        f"{role.unique_id}:s1",
        AccessKeyId(f"ASIAROLE{number:012}"),
        unique_id=role.unique_id,
        session=Session(NOW, NOW, policies=session_policies, session_name="s1"),
    )
    return Person(road, role, road.callers.add(principal), arn)


def new_key(road: Road, policy: str | None = None, **members: Any) -> dict[str, Any]:
    given = {} if policy is None else {"Policy": policy}
    return road.create_key(**given, **members)
