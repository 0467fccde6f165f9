"""Who is calling: the authenticators of production (strict) and of development (open).

Both refuse with an ApiError. What could not be told (BoundaryUnavailable, StoreUnavailable) passes
through: the pipeline answers KMSInternalException, status 500, never a refusal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from strongroom.aws import signature_refusals as refusals
from strongroom.clock import Clock
from strongroom.identity import sigv4
from strongroom.identity.credentials import (
    AccessKeys,
    CredentialScope,
    SigningKeys,
    parse_credential,
    require_access_key_id,
    require_scope,
)
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest, PrincipalType
from strongroom.identity.signature_form import PresentedSignature, require_signature
from strongroom.resources.identifiers import ACCOUNT_ID, AccountId, Region, partition_of
from strongroom.store.iam_interface import AccessKey

CACHE_ENTRIES_MAX = 4096
CACHED_PREFIX_BYTES_MAX = 1024

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class _VerifiedScope:
    """A credential scope under which a signature was verified, with its signing key."""

    access_key: AccessKey
    signing_key: sigv4.SigningKey
    signed_scope: bytes
    date: bytes
    request: AuthenticatedRequest
    last_timestamp: bytes = b""
    last_epoch_seconds: int = 0


class StrictAuthenticator:
    """Verifies AWS Signature Version 4, in its header and its presigned form, as AWS KMS does.

    A caller's first request of a day costs one call of the boundary (the worker never sees a secret
    access key); later ones are answered from memory. The memory is bounded and only what carried a
    good signature gets in. The access key is asked of the store every time.

    Shape: the first of `accepted_services` is the one that refusals name.
    Raises: ApiError. BoundaryUnavailable and StoreUnavailable pass through.
    Concurrency: one event loop. Skew is judged by `clock`, which must be the host's.
    """

    def __init__(
        self,
        store: AccessKeys,
        boundary: SigningKeys,
        clock: Clock,
        skew_seconds: int = 300,
        accepted_services: Sequence[str] = ("kms", "sts", "iam"),
    ) -> None:
        self._store = store
        self._boundary = boundary
        self._clock = clock
        self._skew_seconds = skew_seconds
        self._services = tuple(accepted_services)
        self._scopes: dict[CredentialScope, _VerifiedScope] = {}
        # by everything in Authorization that precedes the signature's value
        self._prefixes: dict[bytes, tuple[_VerifiedScope, sigv4.SignedHeaders]] = {}

    async def authenticate(self, request: HttpRequest) -> AuthenticatedRequest:
        """Verify the request's signature and say who signed it."""
        headers = request.fields
        # INVARIANT I2: the short way can only accept; whatever it cannot prove goes the whole way.
        if request.target == b"/" and request.method == "POST" and len(headers) == len(request.headers):
            prefix, _, signature = headers.get(b"authorization", b"").rpartition(b"Signature=")
            known = self._prefixes.get(prefix)
            if known is not None:
                scope, signed_headers = known
                access_key = await self._store.find_access_key(scope.access_key.access_key_id)
                # INVARIANT I3: a key that was changed, deactivated or deleted stops at once.
                if access_key is not scope.access_key and access_key != scope.access_key:
                    self._prefixes.pop(prefix, None)
                elif self._is_proven(scope, signed_headers, headers, signature, request.body):
                    return scope.request
        return await self._authenticate_whole(request)

    def _is_proven(
        self,
        scope: _VerifiedScope,
        signed_headers: sigv4.SignedHeaders,
        headers: dict[bytes, bytes],
        signature: bytes,
        body: bytes,
    ) -> bool:
        """Whether a repeat caller's request is good, judged with the parts known from before."""
        timestamp = headers.get(b"x-amz-date", b"")
        if timestamp != scope.last_timestamp:
            if timestamp[:8] != scope.date:
                return False
            try:
                scope.last_epoch_seconds = sigv4.parse_timestamp(timestamp)
            except ValueError:
                return False
            scope.last_timestamp = timestamp
        age_seconds = int(self._clock.epoch_seconds()) - scope.last_epoch_seconds
        if (
            not -self._skew_seconds <= age_seconds <= self._skew_seconds
            or b"x-amz-security-token" in headers
            or (b"x-amz-target" in headers and not signed_headers.covers_target)
        ):
            return False
        try:
            canonical = signed_headers.canonical_request(sigv4.POST_ROOT, headers, body)
        except (KeyError, ValueError):
            return False
        return scope.signing_key.is_signature(signature, timestamp, scope.signed_scope, canonical)

    async def _authenticate_whole(self, request: HttpRequest) -> AuthenticatedRequest:
        """Every check, in the order AWS makes them (recorded from DynamoDB's front end)."""
        headers = sigv4.merge_headers(request.headers)
        presented = require_signature(request.target, headers)
        signed_at = presented.require_timestamp()
        self._require_current(presented, signed_at)
        signed_headers = sigv4.SignedHeaders(presented.signed_headers)
        if b"host" not in signed_headers.names:
            raise refusals.host_not_signed()
        # INVARIANT I4: X-Amz-Target names the operation. Unsigned, whoever sees a request could make
        # a DescribeKey into a ScheduleKeyDeletion.
        if b"x-amz-target" in headers and not signed_headers.covers_target:
            raise refusals.target_not_signed()
        if presented.algorithm != sigv4.ALGORITHM:
            raise refusals.unsupported_algorithm(presented.algorithm)
        claimed = parse_credential(presented.credential)
        require_scope(claimed, self._services, signed_at)
        access_key = await self._store.find_access_key(require_access_key_id(claimed))
        if access_key is None or not access_key.active:
            self._scopes.pop(claimed, None)
            raise refusals.unrecognized_access_key()
        scope = self._scopes.get(claimed)
        if scope is None or scope.access_key != access_key:
            scope = await self._derive_scope(claimed, access_key)
        try:
            canonical = signed_headers.canonical_request(
                sigv4.canonical_target(request.method, request.target), headers, request.body
            )
        except (KeyError, ValueError):
            raise refusals.signature_does_not_match() from None
        timestamp = presented.amz_date or sigv4.render_timestamp(signed_at)
        if not scope.signing_key.is_signature(presented.signature, timestamp, scope.signed_scope, canonical):
            raise refusals.signature_does_not_match()
        if presented.has_session_token:  # there are no temporary credentials yet, so no token is right
            raise refusals.unrecognized_session_token()
        scope.access_key = access_key
        # INVARIANT I5: only what carried a good signature is remembered, and a bounded number of it.
        _put(self._scopes, claimed, scope)
        self._remember_prefix(headers.get(b"authorization", b""), presented.signature, scope, signed_headers)
        return scope.request

    def _require_current(self, presented: PresentedSignature, signed_at: int) -> None:
        now = int(self._clock.epoch_seconds())
        window_seconds = presented.require_expires_seconds() or self._skew_seconds
        if now - signed_at > window_seconds:
            raise refusals.signature_expired(signed_at, now, window_seconds)
        if signed_at - now > self._skew_seconds:
            raise refusals.signature_not_yet_current(signed_at, now, self._skew_seconds)

    async def _derive_scope(self, claimed: CredentialScope, access_key: AccessKey) -> _VerifiedScope:
        """A scope that is not verified yet: it is remembered only after its first good signature."""
        signing_key = await self._boundary.derive_signing_key(
            access_key.secret_token, claimed.access_key_id, claimed.date, claimed.region, claimed.service
        )
        kind = PrincipalType(access_key.principal_type)
        arn = access_key.principal_arn
        if kind is PrincipalType.ROOT:  # spelled in the partition of the Region that is called
            arn = root_arn(access_key.account_id, claimed.region)
        principal = AuthenticatedPrincipal(
            type=kind,
            account_id=access_key.account_id,
            arn=arn,
            principal_id=access_key.principal_id,
            access_key_id=access_key.access_key_id,
        )
        return _VerifiedScope(
            access_key=access_key,
            signing_key=sigv4.SigningKey(signing_key),
            signed_scope=claimed.signed_bytes(),
            date=claimed.date.encode(),
            request=AuthenticatedRequest(principal, claimed.region, claimed.service),
        )

    def _remember_prefix(
        self,
        authorization: bytes,
        signature: bytes,
        scope: _VerifiedScope,
        signed_headers: sigv4.SignedHeaders,
    ) -> None:
        """Remember the header form, if the signature comes last in it and what precedes is short."""
        prefix, _, last = authorization.rpartition(b"Signature=")
        if last == signature and prefix.endswith((b",", b" ")) and len(prefix) <= CACHED_PREFIX_BYTES_MAX:
            _put(self._prefixes, prefix, (scope, signed_headers))


class OpenAuthenticator:
    """Takes any credentials as the root of an account, for development: nothing is verified.

    The form must be there, because Region and service are read from it; signature and date count for
    nothing. An access key id of 12 digits names the account; any other stands for `account_id`.

    Raises: ApiError, as the strict one does for what is missing or malformed.
    """

    def __init__(self, account_id: AccountId) -> None:
        self._account_id = account_id
        self._prefixes: dict[bytes, AuthenticatedRequest] = {}

    async def authenticate(self, request: HttpRequest) -> AuthenticatedRequest:
        """Say whom the request's credential names."""
        received = dict(request.headers)
        prefix, _, signature = received.get(b"authorization", b"").rpartition(b"Signature=")
        # only where the prefix says all there is to say may it stand for the request
        short = request.target == b"/" and len(received) == len(request.headers) and signature.isalnum()
        known = self._prefixes.get(prefix) if short else None
        if known is not None:
            return known
        headers = sigv4.merge_headers(request.headers)
        presented = require_signature(request.target, headers, date_required=False)
        if presented.algorithm != sigv4.ALGORITHM:
            raise refusals.unsupported_algorithm(presented.algorithm)
        claimed = parse_credential(presented.credential)
        require_scope(claimed, None, None)
        access_key_id = require_access_key_id(claimed)
        account_id = AccountId(access_key_id) if ACCOUNT_ID.fullmatch(access_key_id) else self._account_id
        principal = AuthenticatedPrincipal(
            type=PrincipalType.ROOT,
            account_id=account_id,
            arn=root_arn(account_id, claimed.region),
            principal_id=account_id,
            access_key_id=access_key_id,
        )
        authenticated = AuthenticatedRequest(principal, claimed.region, claimed.service)
        if short and prefix and len(prefix) <= CACHED_PREFIX_BYTES_MAX:
            _put(self._prefixes, prefix, authenticated)
        return authenticated


def root_arn(account_id: AccountId, region: Region) -> str:
    """The ARN of an account's root, in the partition of the Region."""
    return f"arn:{partition_of(region)}:iam::{account_id}:root"


def _put(cache: dict[K, V], key: K, value: V) -> None:
    """Remember; the entry that came first makes room."""
    if key not in cache and len(cache) >= CACHE_ENTRIES_MAX:
        del cache[next(iter(cache))]
    cache[key] = value
