"""Integrated services for tests of the road: registered as the operator does it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.administration.commands import carry_out
from strongroom.administration.messages import NewAccessKey, RegisterService
from strongroom.identity.principal import PrincipalType
from strongroom.resources.iam import IdPrefix, IntegratedService, User, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.iam_interface import AccessKey


@dataclass
class Service:
    """An integrated service, and the access key id by which its requests are its own."""

    road: Road
    name: str
    access_key: str

    @property
    def own_account_id(self) -> str:
        found = self.road.wait(self.road.store.find_entity(IntegratedService, AccountId(""), self.name))
        assert found is not None
        return found.own_account_id

    def call(self, operation: str, **members: Any) -> Any:
        """As itself."""
        return self.road.call(operation, account=self.access_key, **members)

    def call_for(self, caller: str, operation: str, region: str = REGION, **members: Any) -> Any:
        """For a caller: `<account>/<user id>`."""
        with acting_for(self.road, caller):
            return self.road.call(operation, account=self.access_key, region=region, **members)

    def refused(self, operation: str, **members: Any) -> tuple[str, str | None]:
        return _refusal(lambda: self.call(operation, **members))

    def refused_for(self, caller: str, operation: str, **members: Any) -> tuple[str, str | None]:
        return _refusal(lambda: self.call_for(caller, operation, **members))


@contextmanager
def acting_for(road: Road, caller: str) -> Iterator[None]:
    road.more_headers = [(b"x-strongroom-acting-for", caller.encode())]
    try:
        yield
    finally:
        road.more_headers = []


def _refusal(call: Any) -> tuple[str, str | None]:
    try:
        answer = call()
    except Refusal as refusal:
        return refusal.code, refusal.message
    raise AssertionError(f"was not refused: {answer}")


def register(road: Road, name: str = "s3") -> Service:
    made = road.wait(carry_out(road.rooms, RegisterService(name)))
    assert isinstance(made, NewAccessKey)
    return Service(road, name, made.access_key_id)


@dataclass
class Person:
    """A user, how a service names it, and the access key id of its own requests."""

    user: User
    named: str
    access_key: str
    arn: str


def new_user(road: Road, name: str, *policies: str, account: str = ACCOUNT) -> Person:
    user = User(
        account_id=AccountId(account),
        name=name,
        unique_id=new_unique_id(IdPrefix.USER),
        created_at=road.clock.now(),
        inline_policies={f"p{place}": text for place, text in enumerate(policies)},
    )
    road.wait(road.store.insert_entity(user))
    access_key_id = AccessKeyId(new_unique_id(IdPrefix.ACCESS_KEY))
    _, token = road.wait(road.boundary.create_access_key_secret(access_key_id, account))
    road.wait(
        road.store.put_access_key(
            AccessKey(
                access_key_id=access_key_id,
                account_id=AccountId(account),
                principal_arn="",
                principal_id=user.unique_id,
                principal_type=PrincipalType.IAM_USER,
                secret_token=token,
                active=True,
                created_at=road.clock.now(),
            )
        )
    )
    arn = f"arn:aws:iam::{account}:user/{name}"
    return Person(user, f"{account}/{user.unique_id}", access_key_id, arn)
