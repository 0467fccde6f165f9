"""Who is calling: the authenticators of production (strict) and of development (open).

Both refuse with an ApiError. What could not be told (BoundaryUnavailable, StoreUnavailable) passes
through: the pipeline answers KMSInternalException, status 500, never a refusal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from strongroom.aws import signature_refusals as refusals
from strongroom.clock import Clock
from strongroom.identity import sigv4
from strongroom.identity.access_key_uses import AccessKeyUses
from strongroom.identity.callers import (
    ISSUED_ACCESS_KEY_ID,
    Caller,
    Callers,
    caller_of_access_key,
    caller_of_session,
    describe,
    is_temporary,
)
from strongroom.identity.credentials import (
    AccessKeys,
    CredentialScope,
    SigningKeys,
    parse_credential,
    require_access_key_id,
    require_scope,
)
from strongroom.identity.forwarding import ACTING_FOR, ACTING_FOR_SESSION, SIGNED_BY_SERVICES
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedRequest, PrincipalType
from strongroom.identity.signature_form import PresentedSignature, require_signature
from strongroom.identity.temporary_credentials import SessionTokenRefused, open_session_token
from strongroom.resources.identifiers import CUSTOMER_ACCOUNT_ID, AccountId
from strongroom.store.iam_interface import AccessKey, AccessKeyUse

CACHE_ENTRIES_MAX = 4096
CACHED_PREFIX_BYTES_MAX = 1024
MINUTE_CHARACTERS = len("YYYYMMDDTHHMM")

K = TypeVar("K")
V = TypeVar("V")


@dataclass(slots=True)
class _VerifiedScope:
    """A credential scope under which a signature was verified, with its signing key."""

    access_key: AccessKey | None
    """None for temporary credentials, which no store knows."""
    token: bytes | None = field(repr=False)
    """The session token as it was sent; None for a long-term access key."""
    signing_key: sigv4.SigningKey
    signed_scope: bytes
    date: bytes
    caller: Caller
    last_timestamp: bytes = b""
    last_epoch_seconds: int = 0
    noted_minute: bytes = b""


class StrictAuthenticator:
    """Verifies AWS Signature Version 4, in its header and its presigned form, as AWS KMS does.

    A caller's first request of a day costs one call of the boundary (the worker never sees a secret
    access key), with temporary credentials two; later ones are answered from memory. The memory is
    bounded and only what carried a good signature gets in. The access key, or the session's end, and the
    user or role are asked for every time.

    Shape: the first of `accepted_services` is the one that refusals name.
    Raises: ApiError. BoundaryUnavailable and StoreUnavailable pass through.
    Concurrency: one event loop. Skew is judged by `clock`, which must be the host's; the end of sessions by
    `service_clock`, which is the same unless another is given. `uses` are told of long-term access keys.
    """

    def __init__(
        self,
        store: AccessKeys,
        boundary: SigningKeys,
        clock: Clock,
        skew_seconds: int = 300,
        accepted_services: Sequence[str] = ("kms", "sts", "iam"),
        *,
        service_clock: Clock | None = None,
        uses: AccessKeyUses | None = None,
    ) -> None:
        self._store = store
        self._boundary = boundary
        self._clock = clock
        self._service_clock = service_clock or clock
        self._skew_seconds = skew_seconds
        self._services = tuple(accepted_services)
        self._uses = uses or AccessKeyUses()
        self._callers = Callers(store, boundary, self._service_clock)
        self._scopes: dict[tuple[CredentialScope, bytes | None], _VerifiedScope] = {}
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
                known_key = scope.access_key
                if known_key is not None:
                    access_key = await self._store.find_access_key(known_key.access_key_id)
                    # INVARIANT I3: a key that was changed, deactivated or deleted stops at once.
                    if access_key is not known_key and access_key != known_key:
                        del self._prefixes[prefix]
                        return await self._authenticate_whole(request)
                if self._is_proven(scope, signed_headers, headers, signature, request.body):
                    return await self._admit(scope, scope.last_timestamp, signed_headers, headers)
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
            or headers.get(b"x-amz-security-token") != scope.token
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
            raise refusals.header_not_signed("X-Amz-Target")
        if b"x-amz-security-token" in headers and not signed_headers.covers_token:
            raise refusals.header_not_signed("X-Amz-Security-Token")
        if presented.algorithm != sigv4.ALGORITHM:
            raise refusals.unsupported_algorithm(presented.algorithm)
        claimed = parse_credential(presented.credential)
        require_scope(claimed, self._services, signed_at)
        scope = await self._require_scope_of(claimed, presented.session_token)
        try:
            canonical = signed_headers.canonical_request(
                sigv4.canonical_target(request.method, request.target), headers, request.body
            )
        except (KeyError, ValueError):
            raise refusals.signature_does_not_match() from None
        timestamp = presented.amz_date or sigv4.render_timestamp(signed_at)
        if not scope.signing_key.is_signature(presented.signature, timestamp, scope.signed_scope, canonical):
            raise refusals.signature_does_not_match()
        if presented.session_token is not None and scope.token is None:  # one of a long-term access key
            raise refusals.unrecognized_session_token()
        authenticated = await self._admit(scope, timestamp, signed_headers, headers)
        # INVARIANT I5: only what carried a good signature is remembered, and a bounded number of it.
        _put(self._scopes, (claimed, scope.token), scope)
        self._remember_prefix(headers.get(b"authorization", b""), presented.signature, scope, signed_headers)
        return authenticated

    async def _admit(
        self,
        scope: _VerifiedScope,
        timestamp: bytes,
        signed_headers: sigv4.SignedHeaders,
        headers: Mapping[bytes, bytes],
    ) -> AuthenticatedRequest:
        """Who it is that has signed, now that the signature was found good. The same on both ways.

        Raises: ApiError.
        """
        caller = scope.caller
        if caller.kind is PrincipalType.AWS_SERVICE:
            # INVARIANT I7: only a service acts for another, and only in headers that it signed.
            for name in SIGNED_BY_SERVICES:
                if name in headers and name not in signed_headers.names:
                    raise refusals.header_not_signed(name.decode("ascii").title())
            caller = await self._callers.represent(caller, headers)
        elif ACTING_FOR in headers or ACTING_FOR_SESSION in headers:
            raise refusals.forwarding_by_no_service()
        authenticated = await self._callers.settle(caller)
        if timestamp[:MINUTE_CHARACTERS] != scope.noted_minute and scope.access_key is not None:
            scope.noted_minute = timestamp[:MINUTE_CHARACTERS]
            self._uses.note(
                AccessKeyUse(
                    scope.access_key.access_key_id,
                    self._service_clock.now(),
                    authenticated.region,
                    authenticated.service,
                )
            )
        return authenticated

    def _require_current(self, presented: PresentedSignature, signed_at: int) -> None:
        now = int(self._clock.epoch_seconds())
        window_seconds = presented.require_expires_seconds() or self._skew_seconds
        if now - signed_at > window_seconds:
            raise refusals.signature_expired(signed_at, now, window_seconds)
        if signed_at - now > self._skew_seconds:
            raise refusals.signature_not_yet_current(signed_at, now, self._skew_seconds)

    async def _require_scope_of(self, claimed: CredentialScope, token: bytes | None) -> _VerifiedScope:
        """The scope of a credential that is in force, known from before or made anew.

        A new one is not verified yet: it is remembered only after its first good signature.
        Raises: ApiError (UnrecognizedClient).
        """
        access_key_id = require_access_key_id(claimed)
        if is_temporary(access_key_id):
            if token is None:
                raise refusals.unrecognized_access_key()
            return self._scopes.get((claimed, token)) or await self._open_scope(claimed, token)
        access_key = await self._store.find_access_key(access_key_id)
        if access_key is None or not access_key.active:
            self._scopes.pop((claimed, None), None)
            raise refusals.unrecognized_access_key()
        scope = self._scopes.get((claimed, None))
        if scope is None or scope.access_key != access_key:
            caller = caller_of_access_key(access_key, claimed.called_region, claimed.service)
            return await self._derive_scope(claimed, caller, access_key.secret_token, access_key, None)
        scope.access_key = access_key
        return scope

    async def _open_scope(self, claimed: CredentialScope, token: bytes) -> _VerifiedScope:
        """Raises: ApiError for a token that is not this access key's."""
        access_key_id = claimed.access_key_id
        try:
            credential = await open_session_token(self._boundary, access_key_id, token)
        except SessionTokenRefused:
            raise refusals.unrecognized_session_token() from None
        caller = caller_of_session(credential, access_key_id, claimed.called_region, claimed.service)
        return await self._derive_scope(claimed, caller, credential.secret_token, None, token)

    async def _derive_scope(
        self,
        claimed: CredentialScope,
        caller: Caller,
        secret_token: bytes,
        access_key: AccessKey | None,
        token: bytes | None,
    ) -> _VerifiedScope:
        signing_key = await self._boundary.derive_signing_key(
            secret_token, claimed.access_key_id, claimed.date, claimed.region, claimed.service
        )
        return _VerifiedScope(
            access_key=access_key,
            token=token,
            signing_key=sigv4.SigningKey(signing_key),
            signed_scope=claimed.signed_bytes(),
            date=claimed.date.encode(),
            caller=caller,
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
    nothing. An access key id of 12 digits names the account; any other stands for `account_id`, but a
    credential that this server itself has given out stands for whom it was given to, so that policies can
    be tried: an access key that the store knows, and temporary credentials whose session token opens.

    Raises: ApiError, as the strict one does for what is missing or malformed.
    """

    def __init__(self, account_id: AccountId, callers: Callers | None = None) -> None:
        """Without `callers` no credential was given out."""
        self._account_id = account_id
        self._callers = callers
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
        if self._callers is not None and ISSUED_ACCESS_KEY_ID.fullmatch(access_key_id) is not None:
            issued = await self._find_issued(self._callers, claimed, presented.session_token, headers)
            if issued is not None:
                return issued
            short = False  # it may yet be given out
        account_id = self._account_id
        if CUSTOMER_ACCOUNT_ID.fullmatch(access_key_id) is not None:
            account_id = AccountId(access_key_id)
        caller = Caller(
            PrincipalType.ROOT, account_id, account_id, access_key_id, claimed.called_region, claimed.service
        )
        authenticated = describe(caller)
        if short and prefix and len(prefix) <= CACHED_PREFIX_BYTES_MAX:
            _put(self._prefixes, prefix, authenticated)
        return authenticated

    async def _find_issued(
        self,
        callers: Callers,
        claimed: CredentialScope,
        token: bytes | None,
        headers: Mapping[bytes, bytes],
    ) -> AuthenticatedRequest | None:
        """Whom a credential of this server stands for; None for any other."""
        caller = await callers.find_issued(
            claimed.access_key_id, token, claimed.called_region, claimed.service
        )
        if caller is None:
            return None
        if caller.kind is PrincipalType.AWS_SERVICE:
            caller = await callers.represent(caller, headers)
        elif ACTING_FOR in headers or ACTING_FOR_SESSION in headers:
            raise refusals.forwarding_by_no_service()
        return await callers.settle(caller)


def _put(cache: dict[K, V], key: K, value: V) -> None:
    """Remember; the entry that came first makes room."""
    if key not in cache and len(cache) >= CACHE_ENTRIES_MAX:
        del cache[next(iter(cache))]
    cache[key] = value
