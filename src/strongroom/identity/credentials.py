"""The credential of a signature: who it names, and for which day, Region and service it is good."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from strongroom.aws import signature_refusals as refusals
from strongroom.identity import sigv4
from strongroom.resources.iam import Identity, IntegratedService
from strongroom.resources.identifiers import GLOBAL_REGIONS, REGION, AccessKeyId, AccountId, Region
from strongroom.store.iam_interface import AccessKey, Account

REGION_LENGTH_MAX = 32

_GLOBAL_SERVICES = ("iam", "sts")
_SERVICE = re.compile(r"[a-z0-9-]{1,32}", re.ASCII)
_ACCESS_KEY_ID = re.compile(r"[!-~]{1,128}", re.ASCII)


class AccessKeys(Protocol):
    """What this room asks of the store. Each may raise StoreUnavailable."""

    async def find_access_key(self, access_key_id: AccessKeyId) -> AccessKey | None:
        """The access key, active or not."""
        ...

    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        """The user or role as it is now: the same object until something of its account changes."""
        ...

    async def find_account(self, account_id: AccountId) -> Account | None:
        """The account, if there is one."""
        ...

    async def find_entity(
        self, kind: type[IntegratedService], account_id: AccountId, name: str
    ) -> IntegratedService | None:
        """The service of that name, if it is registered."""
        ...


class SigningKeys(Protocol):
    """What this room asks of the boundary. Each may raise BoundaryUnavailable."""

    def derive_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str, service: str
    ) -> Awaitable[bytes]:
        """The signing key of one day, Region and service."""
        ...

    def read_ticket(self, purpose: str, context: bytes, ticket: bytes) -> Awaitable[bytes]:
        """The text of a session token's ticket. Raises TicketRefused."""
        ...


@dataclass(frozen=True, slots=True)
class CredentialScope:
    """`<access key id>/<date>/<region>/<service>/aws4_request`, taken apart."""

    access_key_id: AccessKeyId
    date: str
    region: Region
    service: str
    terminator: str

    @property
    def called_region(self) -> Region:
        """Where the call is, which the scope may name by what SDKs call a service without Regions."""
        return GLOBAL_REGIONS.get(self.region, self.region)

    def signed_bytes(self) -> bytes:
        """The scope as it stands in the string to sign: all but the access key id."""
        return f"{self.date}/{self.region}/{self.service}/{self.terminator}".encode("latin-1")


def parse_credential(credential: str) -> CredentialScope:
    """Take a Credential apart; trailing slashes do not count, as at AWS.

    Raises: ApiError (IncompleteSignature).
    """
    parts = credential.rstrip("/").split("/")
    if len(parts) != 5:
        raise refusals.malformed_credential(credential)
    access_key_id, date, region, service, terminator = parts
    return CredentialScope(AccessKeyId(access_key_id), date, Region(region), service, terminator)


def require_scope(scope: CredentialScope, services: Sequence[str] | None, signed_at: int | None) -> None:
    """Check Region, service, terminator and day, and name all that is wrong at once.

    Shape: the first of `services` is the one that a refusal names; None takes any service name, and
    `signed_at` (epoch seconds) None any day. Raises: ApiError (InvalidSignature).
    """
    sentences = []
    is_global = scope.service in _GLOBAL_SERVICES and scope.region in GLOBAL_REGIONS
    if not is_global and (len(scope.region) > REGION_LENGTH_MAX or REGION.fullmatch(scope.region) is None):
        sentences.append(refusals.region_sentence())
    if services is None:
        if _SERVICE.fullmatch(scope.service) is None:
            sentences.append(refusals.service_sentence("kms"))
    elif scope.service not in services:
        sentences.append(refusals.service_sentence(services[0]))
    if scope.terminator != sigv4.TERMINATOR:
        sentences.append(refusals.terminator_sentence(scope.terminator))
    if signed_at is not None and scope.date.encode("latin-1") != sigv4.render_timestamp(signed_at)[:8]:
        sentences.append(refusals.scope_date_sentence(scope.date, signed_at))
    if sentences:
        raise refusals.wrong_scope(sentences)


def require_access_key_id(scope: CredentialScope) -> AccessKeyId:
    """The access key id, if it could be one: 1 to 128 printable ASCII characters.

    Raises: ApiError (UnrecognizedClient), before anything is asked of the store.
    """
    if _ACCESS_KEY_ID.fullmatch(scope.access_key_id) is None:
        raise refusals.unrecognized_access_key()
    return scope.access_key_id
