"""What the condition keys of one question are worked out from, and the shapes of their values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from strongroom.attestation.verification import Recipient
from strongroom.authorization.ask import AmbiguousCondition
from strongroom.authorization.letters import lower_ascii
from strongroom.aws.generated.shapes import CreateGrantRequest
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest
from strongroom.operations.context import Rooms
from strongroom.resources.grant import Grant
from strongroom.resources.key import Key

Values: TypeAlias = tuple[str, ...] | None

NEW_KEY_ACTIONS: Final = frozenset({"kms:CreateKey", "kms:TagResource"})
"""What is asked about a key that does not exist yet: by CreateKey and ReplicateKey."""

_CONTEXT_MEMBERS: Final = {
    "kms:ReEncryptFrom": "source_encryption_context",
    "kms:ReEncryptTo": "destination_encryption_context",
}


class NotPrepared(RuntimeError):
    """A value that stands in the store was asked for before `prepare`: the question cannot be decided."""


class Circumstances:
    """One question to the authorizer: who sent what, and which resource it is about.

    `action` is as AWS spells it, one of the permissions that the operation of `request` needs. `keys` are
    the KMS keys that the road has resolved so far; `key` is the one that is asked about, and None where
    that is an alias, the account or a key that does not exist yet. `recipient` is the verified one.
    `grant` is what RetireGrant names. Concurrency: one request's own.
    """

    __slots__ = (
        "_now",
        "action",
        "authenticated",
        "entity",
        "grant",
        "http",
        "key",
        "keys",
        "known",
        "recipient",
        "request",
        "rooms",
    )

    def __init__(
        self,
        rooms: Rooms,
        http: HttpRequest,
        authenticated: AuthenticatedRequest,
        action: str,
        request: Any,
        keys: Sequence[Key] = (),
        key: Key | None = None,
        *,
        recipient: Recipient | None = None,
        grant: Grant | None = None,
    ) -> None:
        self.rooms = rooms
        self.http = http
        self.authenticated = authenticated
        self.action = action
        self.request = request
        self.keys = keys
        self.key = key
        self.recipient = recipient
        self.grant = grant
        self.entity: Any = NotPrepared
        """The entity of IAM that is asked about, once it was looked up; None where there is none."""
        self.known: dict[str, Values] = {}
        self._now: datetime | None = None

    @property
    def principal(self) -> AuthenticatedPrincipal:
        """Who is calling; where a service acts for a caller, that caller."""
        return self.authenticated.principal

    @property
    def now(self) -> datetime:
        """One instant for the whole question."""
        if self._now is None:
            self._now = self.rooms.clock.now()
        return self._now

    @property
    def is_about_new_key(self) -> bool:
        """Whether the resource is a KMS key that the operation will make."""
        return self.key is None and self.action in NEW_KEY_ACTIONS


Look: TypeAlias = Callable[[Circumstances], Values]
"""How one condition key's values are found."""


def encryption_context_of(action: str, request: Any) -> Mapping[str, str] | None:
    """The encryption context that a cryptographic operation's request has for this permission."""
    context: Mapping[str, str] | None = getattr(
        request, _CONTEXT_MEMBERS.get(action, "encryption_context"), None
    )
    return context


def constrained_context_of(request: Any, grant: Grant | None) -> Mapping[str, str] | None:
    """The encryption context in the constraint of the grant that is to be made or retired."""
    constraints = request.constraints if isinstance(request, CreateGrantRequest) else None
    if grant is not None:
        return grant.constraints.encryption_context_equals or grant.constraints.encryption_context_subset
    if constraints is None:
        return None
    return constraints.encryption_context_equals or constraints.encryption_context_subset


def value_named(pairs: Iterable[tuple[str, str]], lower_name: str) -> Values:
    """The one value whose name is `lower_name` without its case, as policies fold it: of ASCII letters only.

    Raises AmbiguousCondition where several names that differ only in case have different values.
    """
    found: str | None = None
    for name, value in pairs:
        if lower_ascii(name) == lower_name:
            if found is not None and found != value:
                raise AmbiguousCondition
            found = value
    return None if found is None else (found,)


def render(value: object) -> Values:
    """A member of a request as a condition's value; None where it is absent."""
    if value is None:
        return None
    if isinstance(value, bool):
        return ("true",) if value else ("false",)
    if isinstance(value, float):
        return (format(Decimal(repr(value)), "f"),)
    return (str(value),)


def render_instant(instant: datetime) -> Values:
    """2013-08-16T12:00:00Z."""
    return (instant.strftime("%Y-%m-%dT%H:%M:%SZ"),)
