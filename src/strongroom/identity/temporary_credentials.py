"""Temporary credentials: given out by STS, held by nobody here.

Everything about a session is in its session token, a ticket that only the boundary makes and opens
(INVARIANT B9), bound to the access key id. So no session is stored, none can be enumerated, and every
worker knows all of them.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import msgspec

from strongroom.boundary.interface import BoundaryRefused, TicketRefused
from strongroom.clock import Clock
from strongroom.identity.principal import PrincipalType, Session
from strongroom.identity.session_token import (
    SessionTooLarge,
    TemporaryCredential,
    parse_session,
    render_session,
)
from strongroom.resources.iam import IdPrefix, UniqueId, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId

PURPOSE: Final = "session token"
TOKEN_CHARACTERS_MAX: Final = 8_236
"""A ticket of 6144 bytes of text in base64. AWS: "make no assumptions about the maximum size"."""
PACKED_BYTES_MAX: Final = 5_120
"""What session policies and tags may take, compressed; the rest of a token needs less than 1 KiB."""


class SessionTokenRefused(Exception):
    """No session token of this server for this access key, or altered."""


class CredentialMaker(Protocol):
    """What making temporary credentials asks of the boundary."""

    def create_access_key_secret(self, access_key_id: str, account_id: str) -> Awaitable[tuple[str, bytes]]:
        """A new secret and its token."""
        ...

    def make_ticket(self, purpose: str, context: bytes, text: bytes) -> Awaitable[bytes]:
        """Seal a text for a purpose and context."""
        ...


class TicketReader(Protocol):
    """What opening a session token asks of the boundary."""

    def read_ticket(self, purpose: str, context: bytes, ticket: bytes) -> Awaitable[bytes]:
        """The text. Raises TicketRefused."""
        ...


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    """What STS answers, once. Secrets: the secret access key and the session token, which no repr shows."""

    access_key_id: AccessKeyId
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expiration: datetime
    packed_policy_size: int | None
    """PackedPolicySize: percent of the room for session policies and tags; None without any."""


async def make_temporary_credentials(
    boundary: CredentialMaker,
    clock: Clock,
    *,
    kind: PrincipalType,
    account_id: AccountId,
    unique_id: UniqueId,
    duration_seconds: int,
    session_name: str | None = None,
    policies: tuple[str, ...] = (),
    policy_arns: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    transitive_tag_keys: tuple[str, ...] = (),
    source_identity: str | None = None,
    federated_provider: str | None = None,
) -> TemporaryCredentials:
    """New temporary credentials of a root or user (GetSessionToken) or of a role (AssumeRole*).

    Shape: `kind` ROOT, IAM_USER or ASSUMED_ROLE, `unique_id` as AuthenticatedPrincipal has it; the others
    as principal.Session has them, and already judged by the caller: nothing is checked here against AWS's
    limits but the packed size. `clock` is the service's. Raises: SessionTooLarge, BoundaryUnavailable.
    """
    packed = packed_policy_size(policies, policy_arns, tags or {})
    if packed is not None and packed > 100:
        raise SessionTooLarge
    issued_at = datetime.fromtimestamp(math.floor(clock.epoch_seconds()), UTC)
    session = Session(
        issued_at=issued_at,
        expires_at=issued_at + timedelta(seconds=duration_seconds),
        policies=policies,
        policy_arns=policy_arns,
        tags=dict(tags or {}),
        transitive_tag_keys=transitive_tag_keys,
        source_identity=source_identity,
        federated_provider=federated_provider,
        session_name=session_name,
    )
    access_key_id = AccessKeyId(new_unique_id(IdPrefix.TEMPORARY_ACCESS_KEY))
    secret, secret_token = await boundary.create_access_key_secret(access_key_id, account_id)
    text = render_session(TemporaryCredential(kind, account_id, unique_id, secret_token, session))
    try:
        ticket = await boundary.make_ticket(PURPOSE, access_key_id.encode(), text)
    except BoundaryRefused:
        raise SessionTooLarge from None
    return TemporaryCredentials(
        access_key_id, secret, base64.b64encode(ticket).decode("ascii"), session.expires_at, packed
    )


async def open_session_token(
    boundary: TicketReader, access_key_id: AccessKeyId, token: bytes
) -> TemporaryCredential:
    """Whom a session token stands for, if it is this access key's; whether it is over is not judged here.

    Raises: SessionTokenRefused. BoundaryUnavailable passes through.
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise SessionTokenRefused
    try:
        ticket = base64.b64decode(token, validate=True)
        if base64.b64encode(ticket) != token:  # one spelling only
            raise SessionTokenRefused
        return parse_session(await boundary.read_ticket(PURPOSE, access_key_id.encode(), ticket))
    except (ValueError, TicketRefused):
        raise SessionTokenRefused from None


def packed_policy_size(
    policies: tuple[str, ...], policy_arns: tuple[str, ...], tags: Mapping[str, str]
) -> int | None:
    """How much of the room for session policies and tags these take, in percent rounded up; None of none."""
    if not (policies or policy_arns or tags):
        return None
    packed = len(zlib.compress(msgspec.json.encode((policies, policy_arns, tags)), 9))
    return math.ceil(packed * 100 / PACKED_BYTES_MAX)
