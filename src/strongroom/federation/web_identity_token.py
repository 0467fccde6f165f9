"""A web identity token: what it says of itself, and whether its issuer has signed it.

PyJWT does the JWS part (RFC 7515); what a token may say is judged here. Source: AssumeRoleWithWebIdentity in
the STS API reference; IAM User Guide, "Create an OpenID Connect (OIDC) identity provider in IAM" and "Pass
session tags in AWS STS" (the claims of aws.amazon.com).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Annotated, Final, TypeAlias

import msgspec

from strongroom.federation.key_sets import ALGORITHMS, KeySet

TOKEN_CHARACTERS_MAX: Final = 20_000
SKEW_SECONDS: Final = 300
"""How long after its end, or before its beginning, a token is taken."""
SUBJECT_CHARACTERS_MAX: Final = 255
AUDIENCES_MAX: Final = 100

_Text: TypeAlias = Annotated[str, msgspec.Meta(max_length=2_048)]
_Instant: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=253_402_300_799)]
_Texts: TypeAlias = _Text | Annotated[list[_Text], msgspec.Meta(max_length=AUDIENCES_MAX)]


class TokenProblem(Enum):
    """Why a token is refused."""

    MALFORMED = auto()
    NO_KEY = auto()
    """Its issuer has no key of that name, or none for that algorithm."""
    SIGNATURE = auto()
    MISSING_CLAIM = auto()
    EXPIRED = auto()
    NOT_YET_VALID = auto()


class TokenRefused(Exception):
    """`detail` is the missing claim, or the instant (epoch seconds) that is past or to come. Secrets: nothing
    else of a token is in it."""

    def __init__(self, problem: TokenProblem, detail: str = "") -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.detail = detail


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str | None = None


class _Tags(msgspec.Struct, frozen=True):
    principal_tags: dict[str, Annotated[list[str], msgspec.Meta(min_length=1, max_length=1)]] = {}
    transitive_tag_keys: list[str] = []


class _Claims(
    msgspec.Struct,
    frozen=True,
    rename={
        "source_identity": "https://aws.amazon.com/source_identity",
        "tags": "https://aws.amazon.com/tags",
    },
):
    iss: _Text | None = None
    sub: _Text | None = None
    aud: _Texts | None = None
    exp: _Instant | None = None
    iat: _Instant | None = None
    nbf: _Instant | None = None
    azp: _Text | None = None
    amr: _Texts | None = None
    email: _Text | None = None
    source_identity: _Text | None = None
    tags: _Tags | None = None


_decode_header = msgspec.json.Decoder(_Header).decode
_decode_claims = msgspec.json.Decoder(_Claims).decode


@dataclass(frozen=True, slots=True)
class ClaimedIdentity:
    """A token that nobody has verified yet."""

    token: str
    issuer: str
    key_id: str
    algorithm: str

    def __repr__(self) -> str:
        return f"ClaimedIdentity(issuer={self.issuer!r})"


@dataclass(frozen=True, slots=True)
class WebIdentity:
    """What a token says that its issuer has signed, and that is in force."""

    issuer: str
    subject: str
    audiences: tuple[str, ...]
    authorized_party: str | None
    authentication_methods: tuple[str, ...]
    email: str | None
    source_identity: str | None
    tags: dict[str, str]
    transitive_tag_keys: tuple[str, ...]

    def for_audiences(self, audiences: tuple[str, ...]) -> WebIdentity:
        """The same, for these audiences only."""
        return replace(self, audiences=audiences)


def read_token(token: str) -> ClaimedIdentity:
    """Who a token says has issued it, to find the keys by. Raises TokenRefused."""
    if len(token) > TOKEN_CHARACTERS_MAX or not token.isascii() or token.count(".") != 2:
        raise TokenRefused(TokenProblem.MALFORMED)
    try:
        # No signature is looked at here; only the issuer leaves, to find the keys that it is verified with.
        header_part, payload_part, _ = token.split(".")
        header = _decode_header(_peek(header_part))
        claims = _decode_claims(_peek(payload_part))
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise TokenRefused(TokenProblem.MALFORMED) from None
    if claims.iss is None:
        raise TokenRefused(TokenProblem.MISSING_CLAIM, "iss")
    if not header.kid:
        raise TokenRefused(TokenProblem.NO_KEY)
    return ClaimedIdentity(token, claims.iss, header.kid, header.alg)


def _peek(part: str) -> bytes:
    """One part of a token, read quickly: PyJWT, which is strict and slow, reads it again when it verifies."""
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)


def verify_token(claimed: ClaimedIdentity, keys: KeySet, now: float) -> WebIdentity:
    """What the token says, if one of its issuer's `keys` has signed it and it is in force at `now`.

    Whom it is for is not judged here. Units: `now` in epoch seconds. Raises: TokenRefused.
    """
    key = keys.get(claimed.key_id)
    if key is None or claimed.algorithm not in key.algorithms:
        raise TokenRefused(TokenProblem.NO_KEY)
    from jwt import PyJWS  # late, as in key_sets.py
    from jwt.exceptions import PyJWTError

    try:
        # INVARIANT W3: neither `none` nor any HMAC is among the algorithms, whatever a token's header says.
        payload = PyJWS(algorithms=list(ALGORITHMS)).decode(
            claimed.token,
            key.public_key,  # type: ignore[arg-type]
            algorithms=list(key.algorithms),
        )
        claims = _decode_claims(payload)
    except (PyJWTError, msgspec.MsgspecError, RecursionError, ValueError, TypeError):
        raise TokenRefused(TokenProblem.SIGNATURE) from None
    if claims.iss != claimed.issuer:  # the keys are those of the issuer that was read first
        raise TokenRefused(TokenProblem.SIGNATURE)
    return _judge(claims, now)


def _judge(claims: _Claims, now: float) -> WebIdentity:
    issuer, subject, audiences = claims.iss, claims.sub, _texts(claims.aud)
    expires_at, issued_at = claims.exp, claims.iat
    for name, value in (("iss", issuer), ("sub", subject), ("exp", expires_at), ("iat", issued_at)):
        if not value:
            raise TokenRefused(TokenProblem.MISSING_CLAIM, name)
    if not audiences and not claims.azp:
        raise TokenRefused(TokenProblem.MISSING_CLAIM, "aud")
    assert issuer is not None  # noqa: S101  (for mypy: all four are there)
    assert subject is not None  # noqa: S101
    assert expires_at is not None  # noqa: S101
    assert issued_at is not None  # noqa: S101
    if len(subject) > SUBJECT_CHARACTERS_MAX:
        raise TokenRefused(TokenProblem.MALFORMED)
    if now > expires_at + SKEW_SECONDS:
        raise TokenRefused(TokenProblem.EXPIRED, str(expires_at))
    begins_at = max(issued_at, claims.nbf or 0)
    if now < begins_at - SKEW_SECONDS:
        raise TokenRefused(TokenProblem.NOT_YET_VALID, str(begins_at))
    tags = claims.tags or _Tags()
    return WebIdentity(
        issuer=issuer,
        subject=subject,
        audiences=audiences,
        authorized_party=claims.azp or None,
        authentication_methods=_texts(claims.amr),
        email=claims.email,
        source_identity=claims.source_identity,
        tags={key: value[0] for key, value in tags.principal_tags.items()},
        transitive_tag_keys=tuple(tags.transitive_tag_keys),
    )


def _texts(given: str | list[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, str) else tuple(given)
