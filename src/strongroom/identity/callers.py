"""From a credential to who bears it now: the account's root, a user, a role's session, or a service.

A user or role is looked up by its unique id for every request, so that one that was deleted stops at once,
and one that was renamed or moved is called by its present name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from strongroom.aws import signature_refusals as refusals
from strongroom.clock import Clock
from strongroom.identity.credentials import AccessKeys, SigningKeys
from strongroom.identity.forwarding import (
    SIGNED_BY_SERVICES,
    Represented,
    Source,
    parse_represented,
    parse_source,
)
from strongroom.identity.principal import (
    AuthenticatedPrincipal,
    AuthenticatedRequest,
    Forwarding,
    PrincipalType,
    Session,
)
from strongroom.identity.session_token import TemporaryCredential
from strongroom.identity.temporary_credentials import SessionTokenRefused, open_session_token
from strongroom.resources.iam import EntityKind, Identity, IdPrefix, IntegratedService, iam_arn
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region, partition_of
from strongroom.store.iam_interface import AccessKey

ISSUED_ACCESS_KEY_ID: Final = re.compile(r"(?:AKIA|ASIA)[A-Z2-7]{16}", re.ASCII)
"""What this server makes; the development server asks the store about no others."""
REPRESENTED_MAX: Final = 1024

_KINDS = {PrincipalType.IAM_USER: EntityKind.USER, PrincipalType.ASSUMED_ROLE: EntityKind.ROLE}


@dataclass(slots=True)
class Caller:
    """Whom a credential stands for in one Region and service; remembers who that was last."""

    kind: PrincipalType
    account_id: AccountId
    unique_id: str
    """As AuthenticatedPrincipal has it; of a service its name (`s3`)."""
    access_key_id: AccessKeyId
    region: Region
    service: str
    session: Session | None = None
    expires_at: float | None = None
    """Epoch seconds of the service's clock."""
    forwarding: Forwarding | None = None
    source: Source | None = None
    own_account_id: AccountId | None = None
    """Of a service, once it was looked up."""
    identity: Identity | None = None
    request: AuthenticatedRequest | None = None


def caller_of_access_key(access_key: AccessKey, region: Region, service: str) -> Caller:
    """The bearer of a long-term credential."""
    kind = PrincipalType(access_key.principal_type)
    return Caller(
        kind, access_key.account_id, access_key.principal_id, access_key.access_key_id, region, service
    )


def caller_of_session(
    credential: TemporaryCredential, access_key_id: AccessKeyId, region: Region, service: str
) -> Caller:
    """The bearer of temporary credentials."""
    return Caller(
        credential.kind,
        credential.account_id,
        credential.unique_id,
        access_key_id,
        region,
        service,
        session=credential.session,
        expires_at=credential.session.expires_at.timestamp(),
    )


class Callers:
    """Says who a caller is now.

    Raises: ApiError. BoundaryUnavailable and StoreUnavailable pass through. `clock` is the service's: a
    session's end is judged by it.
    """

    def __init__(self, store: AccessKeys, boundary: SigningKeys, clock: Clock) -> None:
        self._store = store
        self._boundary = boundary
        self._clock = clock
        self._represented: dict[tuple[object, ...], Caller] = {}

    async def settle(self, caller: Caller) -> AuthenticatedRequest:
        """The caller as it is now; the same object for as long as nothing has changed.

        Raises: ApiError (ExpiredToken; for a user or role that is gone UnrecognizedClient, or AccessDenied
        where a service calls for it).
        """
        if caller.expires_at is not None and self._clock.epoch_seconds() >= caller.expires_at:
            raise refusals.expired_session_token()
        kind = _KINDS.get(caller.kind)
        if kind is not None:
            # INVARIANT I6: by its unique id, as it is now.
            identity = await self._store.find_identity(caller.account_id, caller.unique_id)
            if identity is None or identity.kind is not kind:
                gone = refusals.unrecognized_access_key
                raise (gone if caller.forwarding is None else refusals.forwarded_caller_unknown)()
            if identity is not caller.identity:
                known = caller.identity
                if known is None or (known.name, known.path) != (identity.name, identity.path):
                    caller.request = None
                caller.identity = identity
        if caller.request is None:
            if caller.kind is PrincipalType.AWS_SERVICE and caller.own_account_id is None:
                caller.own_account_id = await self._find_own_account(caller.unique_id)
            caller.request = describe(caller)
        return caller.request

    async def _find_own_account(self, service: str) -> AccountId:
        """The account of a service's own keys, which it has from its registration on."""
        registered = await self._store.find_entity(IntegratedService, AccountId(""), service)
        return AccountId("" if registered is None else registered.own_account_id)

    async def represent(self, service: Caller, headers: Mapping[bytes, bytes]) -> Caller:
        """The caller for whom an integrated service calls: itself, or whom its headers name.

        Shape: `headers` as they were signed. Raises: ApiError (IncompleteSignature for malformed headers,
        AccessDenied where nobody is there of that name).
        """
        told = tuple(map(headers.get, SIGNED_BY_SERVICES))
        if told.count(None) == len(told):
            return service
        memory = (service.access_key_id, service.region, service.service, *told)
        caller = self._represented.get(memory)
        if caller is None:
            caller = await self._find_represented(service, parse_represented(headers), parse_source(headers))
            if len(self._represented) >= REPRESENTED_MAX:
                del self._represented[next(iter(self._represented))]
            self._represented[memory] = caller
        return caller

    async def _find_represented(self, service: Caller, named: Represented | None, source: Source) -> Caller:
        if named is None:  # only a service that calls as itself has aws:SourceArn, as on AWS
            return replace(service, source=source, request=None)
        caller = Caller(
            named.kind,
            named.account_id,
            named.unique_id,
            service.access_key_id,
            service.region,
            service.service,
            forwarding=Forwarding(service.unique_id, service.region),
        )
        if named.kind is PrincipalType.ROOT and await self._store.find_account(named.account_id) is None:
            raise refusals.forwarded_caller_unknown()
        if named.session_access_key_id is None or named.session_token is None:
            return caller
        try:
            credential = await open_session_token(
                self._boundary, named.session_access_key_id, named.session_token
            )
        except SessionTokenRefused:
            raise refusals.forwarded_caller_unknown() from None
        told = (credential.kind, credential.account_id, credential.unique_id, credential.session.session_name)
        if told != (named.kind, named.account_id, named.unique_id, named.session_name):
            raise refusals.forwarded_caller_unknown()
        caller.session = credential.session
        caller.expires_at = credential.session.expires_at.timestamp()
        return caller

    async def find_issued(
        self, access_key_id: AccessKeyId, token: bytes | None, region: Region, service: str
    ) -> Caller | None:
        """The bearer of a credential of this server, or None for any other: without any proof.

        Raises: ApiError (UnrecognizedClient) for an access key that is not active.
        """
        if ISSUED_ACCESS_KEY_ID.fullmatch(access_key_id) is None:
            return None
        if is_temporary(access_key_id):
            if token is None:
                return None
            try:
                credential = await open_session_token(self._boundary, access_key_id, token)
            except SessionTokenRefused:
                return None
            return caller_of_session(credential, access_key_id, region, service)
        access_key = await self._store.find_access_key(access_key_id)
        if access_key is None:
            return None
        if not access_key.active:
            raise refusals.unrecognized_access_key()
        return caller_of_access_key(access_key, region, service)


def is_temporary(access_key_id: AccessKeyId) -> bool:
    """Whether it is a session's: those need a session token."""
    return access_key_id.startswith(IdPrefix.TEMPORARY_ACCESS_KEY)


def root_arn(account_id: AccountId, region: Region) -> str:
    """The ARN of an account's root, in the partition of the Region."""
    return f"arn:{partition_of(region)}:iam::{account_id}:root"


def describe(caller: Caller) -> AuthenticatedRequest:
    """A caller in AWS's words; its ARN is spelled in the partition of the Region that is called."""
    account_id, unique_id, principal_id, role_arn = caller.account_id, caller.unique_id, caller.unique_id, ""
    identity, session = caller.identity, caller.session
    partition = partition_of(caller.region)
    if caller.kind is PrincipalType.AWS_SERVICE:
        arn = principal_id = f"{caller.unique_id}.amazonaws.com"
        account_id, unique_id = AccountId(""), ""  # of no account, so that no account's trust reaches it
    elif identity is None:
        arn = root_arn(caller.account_id, caller.region)
    else:
        arn = iam_arn(caller.account_id, identity.kind, identity.path, identity.name, partition)
        if session is not None and caller.kind is PrincipalType.ASSUMED_ROLE:
            role_arn = arn
            session_name = session.session_name
            principal_id = f"{unique_id}:{session_name}"
            arn = f"arn:{partition}:sts::{caller.account_id}:assumed-role/{identity.name}/{session_name}"
    source = caller.source
    principal = AuthenticatedPrincipal(
        type=caller.kind,
        account_id=account_id,
        arn=arn,
        principal_id=principal_id,
        access_key_id=caller.access_key_id,
        unique_id=unique_id,
        session=session,
        forwarding=caller.forwarding,
        role_arn=role_arn,
        source_arn=None if source is None else source.arn,
        source_account=None if source is None else source.account_id,
        own_account_id=caller.own_account_id or AccountId(""),
    )
    return AuthenticatedRequest(principal, caller.region, caller.service)
