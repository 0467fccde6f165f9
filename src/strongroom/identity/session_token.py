"""What a session token holds: who the bearer of temporary credentials is, until when, within which bounds.

Pure: bytes to facts and back. The boundary seals them as a ticket (temporary_credentials.py); the form for
readers is docs/formats/session-token.md.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from strongroom.identity.principal import PrincipalType, Session
from strongroom.resources.iam import UniqueId
from strongroom.resources.identifiers import ACCOUNT_ID, AccountId

VERSION: Final = b"\x01"
TEXT_BYTES_MAX: Final = 65_536
"""Of the JSON, when it is not compressed: a token that says more is refused before it is unpacked further."""

_UNIQUE_ID = {
    PrincipalType.IAM_USER: re.compile(r"AIDA[A-Z0-9]{1,124}", re.ASCII),
    PrincipalType.ASSUMED_ROLE: re.compile(r"AROA[A-Z0-9]{1,124}", re.ASCII),
}
_Instant = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]  # the year 9999 is the last


class SessionTooLarge(ValueError):
    """Session policies and tags do not fit a session token (PackedPolicyTooLargeException)."""


@dataclass(frozen=True, slots=True)
class TemporaryCredential:
    """Whom temporary credentials stand for.

    Invariant: `kind` is ROOT, IAM_USER or ASSUMED_ROLE; a session name is there for a role, and only then.
    """

    kind: PrincipalType
    account_id: AccountId
    unique_id: UniqueId
    """As AuthenticatedPrincipal has it: the account id of a root."""
    secret_token: bytes = field(repr=False)
    """The secret access key, which only the boundary opens."""
    session: Session


class _Document(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The JSON. Instants are whole seconds since 1970."""

    kind: Literal["Root", "IAMUser", "AssumedRole"]
    account: str
    id: str
    secret: bytes
    issued: _Instant
    expires: _Instant
    name: str | None = None
    policies: tuple[str, ...] = ()
    policy_arns: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    transitive_tags: tuple[str, ...] = ()
    source_identity: str | None = None
    provider: str | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Document).decode


def render_session(credential: TemporaryCredential) -> bytes:
    """The text of a session's ticket. Raises SessionTooLarge; ValueError for what cannot be a session."""
    _require_sound(credential)
    session = credential.session
    document = _Document(
        kind=credential.kind.value,  # type: ignore[arg-type]  # _require_sound has looked
        account=credential.account_id,
        id=credential.unique_id,
        secret=credential.secret_token,
        issued=int(session.issued_at.timestamp()),
        expires=int(session.expires_at.timestamp()),
        name=session.session_name,
        policies=session.policies,
        policy_arns=session.policy_arns,
        tags=dict(session.tags),
        transitive_tags=session.transitive_tag_keys,
        source_identity=session.source_identity,
        provider=session.federated_provider,
    )
    text = _encode(document)
    if len(text) > TEXT_BYTES_MAX:
        raise SessionTooLarge
    return VERSION + zlib.compress(text, 9)


def parse_session(data: bytes) -> TemporaryCredential:
    """Take the text of a session's ticket apart. Raises ValueError for anything that is none."""
    if not data.startswith(VERSION):
        raise ValueError("a session token of another version")
    try:
        document = _decode(_unpack(data[len(VERSION) :]))
    except (msgspec.MsgspecError, zlib.error):
        raise ValueError("not a session token") from None
    credential = TemporaryCredential(
        kind=PrincipalType(document.kind),
        account_id=AccountId(document.account),
        unique_id=document.id,
        secret_token=document.secret,
        session=Session(
            issued_at=datetime.fromtimestamp(document.issued, UTC),
            expires_at=datetime.fromtimestamp(document.expires, UTC),
            policies=document.policies,
            policy_arns=document.policy_arns,
            tags=document.tags,
            transitive_tag_keys=document.transitive_tags,
            source_identity=document.source_identity,
            federated_provider=document.provider,
            session_name=document.name,
        ),
    )
    _require_sound(credential)
    return credential


def _unpack(data: bytes) -> bytes:
    """The one zlib stream that `data` is, of no more than TEXT_BYTES_MAX bytes."""
    stream = zlib.decompressobj()
    text = stream.decompress(data, TEXT_BYTES_MAX)
    if not stream.eof or stream.unused_data:
        raise ValueError("not a session token")
    return text


def _require_sound(credential: TemporaryCredential) -> None:
    """Raises ValueError."""
    kind, session = credential.kind, credential.session
    if kind is PrincipalType.ROOT:
        is_named = credential.unique_id == credential.account_id
    else:
        is_named = kind in _UNIQUE_ID and _UNIQUE_ID[kind].fullmatch(credential.unique_id) is not None
    if (
        not is_named
        or ACCOUNT_ID.fullmatch(credential.account_id) is None
        or not credential.secret_token
        or (kind is PrincipalType.ASSUMED_ROLE) != bool(session.session_name)
        or session.expires_at <= session.issued_at
    ):
        raise ValueError("not a session")
