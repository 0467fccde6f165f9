"""One request to the proxy, from its signature to its answer:

authenticate -> quota -> path -> read -> find the key -> key policy -> usage and state -> boundary -> record
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from strongroom.audit.interface import AuditTrail, AuditUnavailable
from strongroom.authorization.foreign_principals import ForeignAuthority, parse_foreign_principal
from strongroom.boundary.external_key_format import Sealed, material_prefix, split_sealed
from strongroom.boundary.interface import (
    BoundaryBusy,
    BoundaryError,
    BoundaryRefused,
    BoundaryUnavailable,
    CiphertextRefused,
    KeySpecNotOffered,
)
from strongroom.identity.http_request import HttpRequest
from strongroom.operations.context import Rooms
from strongroom.operations.foreign_requests import ACTIONS, ForeignConditions, ForeignRequest
from strongroom.operations.usage_notes import TRACKED_OPERATIONS
from strongroom.pipeline import Answer
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import Region
from strongroom.resources.proxied_key import ProxiedKey
from strongroom.store.interface import StoreUnavailable
from strongroom.xks_proxy import messages
from strongroom.xks_proxy.authentication import Authenticator, Signer
from strongroom.xks_proxy.health import DeepHealth
from strongroom.xks_proxy.messages import ErrorName, ProxyRefused, RequestMetadata
from strongroom.xks_proxy.offered_keys import DECRYPT, ENCRYPT, OfferedKey, OfferedKeys
from strongroom.xks_proxy.quota import CredentialQuota
from strongroom.xks_proxy.records import Visit, render_record

logger = logging.getLogger("strongroom.xks_proxy")

JSON: Final = b"application/json"
_OF_A_KEY = re.compile(r"/keys/(?P<id>[A-Za-z0-9._-]{1,128})/(?P<what>metadata|encrypt|decrypt)", re.ASCII)
_INTERNAL = "The request failed inside the proxy. It can be retried."


class ProxyService:
    """Answers every POST; nothing of it is ever raised to the front. Concurrency: one event loop.

    INVARIANT K1: no answer leaves before its record was accepted.
    """

    def __init__(
        self,
        rooms: Rooms,
        audit: AuditTrail,
        request_ids: RequestIds,
        *,
        offers: Mapping[str, ProxiedKey],
        uri_path: str,
        region: Region,
        authenticator: Authenticator,
        health: DeepHealth,
        quota: CredentialQuota,
    ) -> None:
        self._rooms = rooms
        self._audit = audit
        self._ids = request_ids
        self._uri_path = uri_path
        self._region = region
        self._authenticator = authenticator
        self._health = health
        self._quota = quota
        self._keys = OfferedKeys(rooms.store, rooms.clock, offers)
        self._authority = ForeignAuthority()
        self._of_a_key: Mapping[str, tuple[str, Callable[[Visit], Awaitable[bytes]]]] = {
            "metadata": ("GetKeyMetadata", self._get_key_metadata),
            "encrypt": ("Encrypt", self._encrypt),
            "decrypt": ("Decrypt", self._decrypt),
        }

    async def __call__(self, http: HttpRequest) -> Answer:
        """The answer to a POST, whatever its path."""
        visit = Visit(http, self._ids.next())
        body = b""
        refused: ProxyRefused | None = None
        try:
            body = await self._answer(visit)
        except Exception as error:
            refused = _as_refusal(error)
        event_id, at = self._ids.next(), self._rooms.clock.epoch_seconds()
        record = render_record(visit, refused, event_time=at, event_id=event_id, region=self._region)
        try:
            if self._audit.durable:
                await self._audit.durably(record)
            else:
                self._audit.soon(record)
        except AuditUnavailable:  # INVARIANT K1
            refused = ProxyRefused(ErrorName.INTERNAL, _INTERNAL)
        if refused is not None:
            content = messages.render_error(refused.name, refused.sentence)
            return Answer(refused.status, JSON, content, visit.request_id)
        tracked = TRACKED_OPERATIONS.get(visit.operation)
        if visit.key is not None and tracked is not None:
            self._rooms.usage_notes.note(visit.key, tracked, at, event_id, visit.request_id)
        return Answer(200, JSON, body, visit.request_id)

    async def _answer(self, visit: Visit) -> bytes:
        visit.signer = await self._authenticator.authenticate(visit.http)
        self._quota.require_room(visit.signer.access_key_id)  # whoever signs nothing uses up nobody's
        target = visit.http.target.decode("latin-1")
        path = target.removeprefix(self._uri_path)
        if not target.startswith(f"{self._uri_path}/"):
            raise _no_path()
        if path == "/health":
            return await self._get_health_status(visit)
        found = _OF_A_KEY.fullmatch(path)
        if found is None:
            raise _no_path()
        visit.external_key_id = found["id"]
        visit.operation, answer = self._of_a_key[found["what"]]
        return await answer(visit)

    async def _get_health_status(self, visit: Visit) -> bytes:
        visit.operation = "GetHealthStatus"
        visit.metadata = messages.parse_health_request(visit.http.body)
        await self._health.require_well()
        return messages.render_health()

    async def _get_key_metadata(self, visit: Visit) -> bytes:
        visit.metadata = messages.parse_metadata_request(visit.http.body)
        offered = await self._require_allowed(visit, visit.metadata)
        return messages.render_metadata(offered.key_spec, offered.usages, enabled=offered.is_enabled)

    async def _encrypt(self, visit: Visit) -> bytes:
        request = messages.parse_encrypt_request(visit.http.body)
        visit.metadata = request.request_metadata
        offered = await self._require_allowed(visit, visit.metadata)
        # What cannot be decrypted again cannot be verified either (Appendix C).
        offered.require_use(*((ENCRYPT, DECRYPT) if request.wants_integrity_value else (ENCRYPT,)))
        visit.material_id, token = offered.current_material()
        key_id, boundary = offered.key.key_id, self._rooms.boundary
        sealed = split_sealed(await boundary.xks_encrypt(token, key_id, request.plaintext, request.aad))
        if not request.wants_integrity_value:
            return messages.render_encrypted(sealed, None)
        # INVARIANT K2: computed before the ciphertext is tried, so that no bit can flip unseen in between.
        value = messages.integrity_value_of(request.aad, sealed)
        opened = await boundary.xks_decrypt(token, key_id, _joined(sealed), request.aad)
        if not hmac.compare_digest(opened, request.plaintext):
            raise ProxyRefused(ErrorName.INTERNAL, _INTERNAL)
        return messages.render_encrypted(sealed, value)

    async def _decrypt(self, visit: Visit) -> bytes:
        request = messages.parse_decrypt_request(visit.http.body)
        visit.metadata = request.request_metadata
        offered = await self._require_allowed(visit, visit.metadata)
        offered.require_use(DECRYPT)
        messages.require_own_lengths(request.sealed)
        try:
            visit.material_id, token = offered.material_named(material_prefix(request.sealed.metadata))
        except ValueError:
            raise messages.ciphertext_refused() from None
        try:
            plaintext = await self._rooms.boundary.xks_decrypt(
                token, offered.key.key_id, _joined(request.sealed), request.aad
            )
        except CiphertextRefused:
            raise messages.ciphertext_refused() from None
        return messages.render_decrypted(plaintext)

    async def _require_allowed(self, visit: Visit, metadata: RequestMetadata) -> OfferedKey:
        """INVARIANT K3: the key policy allows the principal that KMS names. Raises ProxyRefused."""
        assert visit.external_key_id is not None  # noqa: S101
        offered = await self._keys.require_key(visit.external_key_id)
        key = visit.key = offered.key
        signer: Signer | None = visit.signer
        assert signer is not None  # noqa: S101
        try:
            caller = parse_foreign_principal(metadata.aws_principal_arn or "")
        except ValueError:
            raise _denied() from None
        request = ForeignRequest(
            signer.region,
            self._rooms.clock.now(),
            metadata.kms_key_arn,
            metadata.kms_via_service,
            metadata.aws_source_vpc,
            metadata.aws_source_vpce,
        )
        values = ForeignConditions(request, caller, key)
        action = ACTIONS[visit.operation]
        visit.decision = await self._authority.decide(key.policy, caller, action, key.arn, values)
        if not visit.decision.allowed:
            visit.condition_values = self._authority.told_values(key.policy, caller, values)
            raise _denied()
        return offered


def _joined(sealed: Sealed) -> bytes:
    return sealed.metadata + sealed.iv + sealed.tag + sealed.ciphertext


def _no_path() -> ProxyRefused:
    return ProxyRefused(ErrorName.INVALID_URI_PATH, "Nothing is served at this path.")


def _denied() -> ProxyRefused:
    return ProxyRefused(
        ErrorName.ACCESS_DENIED,
        "The policy of the external key does not allow this principal the requested operation.",
    )


def _as_refusal(error: Exception) -> ProxyRefused:
    """No text of an exception leaves: it may quote the request."""
    if isinstance(error, ProxyRefused):
        return error
    if isinstance(error, BoundaryBusy):
        return ProxyRefused(ErrorName.THROTTLING, "Too much is under way. Try again later.")
    if isinstance(error, BoundaryUnavailable):
        return ProxyRefused(ErrorName.DEPENDENCY_TIMEOUT, "The external key manager did not answer in time.")
    if isinstance(error, KeySpecNotOffered | BoundaryRefused):
        return ProxyRefused(ErrorName.UNSUPPORTED_OPERATION, "The external key manager does not do that.")
    if not isinstance(error, BoundaryError | StoreUnavailable):
        logger.error("a request to the XKS proxy failed with an unexpected %s", type(error).__name__)
    return ProxyRefused(ErrorName.INTERNAL, _INTERNAL)
