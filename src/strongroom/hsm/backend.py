"""CloudHSM key stores behind KeyStoreBackend: each cluster is a PKCS#11 token with a process of its own."""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from strongroom.aws.generated.enums import ConnectionErrorCodeType
from strongroom.boundary.interface import Boundary, BoundaryError, BoundaryUnavailable
from strongroom.boundary.messages import render_number
from strongroom.hsm.client import (
    CALL_SECONDS_MAX,
    LOGIN_SECONDS_MAX,
    ClusterAnswered,
    ClusterClient,
    ClusterClients,
)
from strongroom.hsm.frames import CREDENTIALS_REFUSED, Opcode, Status
from strongroom.operations.key_store_backend import (
    CiphertextNotOpened,
    ClusterInvalidConfiguration,
    ClusterKeyNotFound,
    ClusterNotActive,
    ClusterNotFound,
    ClusterNotRelated,
    ClusterUnreachable,
    ClusterUnusable,
    ConnectionFailed,
    IncorrectTrustAnchor,
    KeyStoreError,
    LoginRefused,
    OnBehalf,
)
from strongroom.resources.custom_key_store import CustomKeyStore

_Code: TypeAlias = ConnectionErrorCodeType

RETRY_PAUSES_SECONDS: Final = (0.05, 0.1, 0.2, 0.4, 0.8)
"""A process that died is back within this; a call that timed out is not tried again."""
RETRY_SECONDS_MAX: Final = 3.0
LOGIN_PAUSE_SECONDS: Final = 0.1
USE_SECONDS_MAX: Final = 8.0
"""For one use of a key, with a login and a second try; SDKs wait for a minute."""
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
CERTIFICATE_BYTES_MAX: Final = 1 << 16
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----", re.ASCII)

# Developer Guide, "Troubleshooting a custom key store", How to fix a connection failure.
_CONNECTION_CODES: Final = {
    Status.PIN_REFUSED: _Code.INVALID_CREDENTIALS,
    Status.PIN_LOCKED: _Code.USER_LOCKED_OUT,
    Status.USER_UNKNOWN: _Code.USER_NOT_FOUND,
    Status.USER_LOGGED_IN: _Code.USER_LOGGED_IN,
    Status.TOKEN_NOT_FOUND: _Code.INSUFFICIENT_CLOUDHSM_HSMS,
    Status.MODULE_UNUSABLE: _Code.NETWORK_ERRORS,
}
"""Every other status is INTERNAL_ERROR."""
_MAY_PASS: Final = (
    Status.TOKEN_NOT_FOUND,
    Status.MODULE_UNUSABLE,
    Status.LOGIN_UNCLEAR,
    Status.TRANSPORT_KEY_UNKNOWN,
    Status.FAILED,
)
"""A token that is away, or a call that failed: the same request may succeed later, and nobody needs to do
anything."""


@dataclass(frozen=True, slots=True)
class ClusterPlace:
    """Whose cluster it is, and its certificate (DER)."""

    account_id: str
    region: str
    trust_anchor: bytes


def load_trust_anchor(file: Path) -> bytes:
    """The certificate of a file in PEM, as DER. Raises OSError, ValueError."""
    with file.open("rb") as stream:
        return parse_certificate(stream.read(CERTIFICATE_BYTES_MAX + 1).decode("ascii"))


def parse_certificate(text: str) -> bytes:
    """The first certificate of a PEM, as DER: how its lines are broken does not matter. Raises ValueError."""
    found = _PEM.search(text[: CERTIFICATE_BYTES_MAX + 1])
    if found is None:
        raise ValueError("no certificate in PEM")
    try:
        return base64.b64decode("".join(found[1].split()), validate=True)
    except binascii.Error:
        raise ValueError("no certificate in PEM") from None


class HsmKeyStores:
    """A KeyStoreBackend. Concurrency: one event loop.

    Secrets: the password goes from the boundary to the cluster's process sealed; it is never read here.
    """

    def __init__(
        self, boundary: Boundary, clients: ClusterClients, places: Mapping[str, ClusterPlace]
    ) -> None:
        self._boundary = boundary
        self._clients = clients
        self._places = places

    def _place_of(self, store: CustomKeyStore) -> ClusterPlace | None:
        place = self._places.get(store.cloud_hsm_cluster_id or "")
        if place is None or (place.account_id, place.region) != (store.account_id, store.region):
            return None
        return place

    def _client_of(self, store: CustomKeyStore) -> ClusterClient:
        client = None if self._place_of(store) is None else self._clients.find(store.cloud_hsm_cluster_id)
        if client is None:  # taken out of the settings
            raise ClusterUnusable
        return client

    # --- the store

    async def check_configuration(
        self, store: CustomKeyStore, before: CustomKeyStore | None, on_behalf: OnBehalf
    ) -> None:
        """Whether the cluster is the caller's, there, fit, and the one of the trust anchor certificate."""
        place = self._place_of(store)
        if place is None:
            raise ClusterNotFound
        if before is not None and before.cloud_hsm_cluster_id != store.cloud_hsm_cluster_id:
            former = self._place_of(before)
            if former is not None and former.trust_anchor != place.trust_anchor:
                raise ClusterNotRelated
        try:
            anchor = parse_certificate(store.trust_anchor_certificate or "")
        except ValueError:
            raise IncorrectTrustAnchor from None
        if anchor != place.trust_anchor:
            raise ClusterNotRelated if before is not None else IncorrectTrustAnchor
        await self._check(store)

    async def check_connection(self, store: CustomKeyStore) -> None:
        """Whether the cluster is there; one that is no more in the settings fails while it is connected."""
        if self._place_of(store) is not None:
            await self._check(store)

    async def _check(self, store: CustomKeyStore) -> None:
        try:
            await self._ask_patiently(self._client_of(store), Opcode.CHECK)
        except ClusterAnswered as answered:
            if answered.status is Status.TOKEN_UNSOUND:
                raise ClusterInvalidConfiguration from None
            raise ClusterNotActive from None
        except BoundaryError:
            raise ClusterNotActive from None

    async def connect(self, store: CustomKeyStore) -> None:
        """Log in anew with the password that the store has: once, whatever comes of it."""
        if self._place_of(store) is None:
            raise ConnectionFailed(_Code.CLUSTER_NOT_FOUND)
        try:
            await self._log_in(store, Opcode.CONNECT, LOGIN_SECONDS_MAX)
        except ClusterAnswered as answered:
            raise ConnectionFailed(_CONNECTION_CODES.get(answered.status, _Code.INTERNAL_ERROR)) from None
        except BoundaryUnavailable:
            raise ConnectionFailed(_Code.NETWORK_ERRORS) from None

    async def keep_connected(self, store: CustomKeyStore) -> None:
        """Log in where the login is gone, and see that the token answers. Raises KeyStoreError."""
        try:
            await self._log_in(store, Opcode.RESUME, CALL_SECONDS_MAX)
            await self._client_of(store).ask(Opcode.CHECK)
        except ClusterAnswered as answered:
            raise _as_error(answered.status) from None
        except BoundaryError:
            raise ClusterUnreachable from None

    async def disconnect(self, store: CustomKeyStore) -> None:
        try:
            await self._client_of(store).ask(Opcode.DISCONNECT)
        except BoundaryError:
            raise ClusterUnreachable from None

    # --- keys

    async def create_key(
        self, store: CustomKeyStore, key_id: str, xks_key_id: str | None, on_behalf: OnBehalf
    ) -> None:
        """An AES-256 key in the token whose label and id are the KMS key's, and which never leaves."""
        await self._use(store, Opcode.CREATE_KEY, key_id.encode())

    async def delete_key(self, store: CustomKeyStore, key_id: str, xks_key_id: str | None) -> None:
        await self._use(store, Opcode.DELETE_KEY, key_id.encode())

    async def generate_random(self, store: CustomKeyStore, number_of_bytes: int) -> bytes:
        random = await self._use(store, Opcode.RANDOM, render_number(number_of_bytes))
        if len(random) != number_of_bytes:
            raise ClusterUnusable
        return random

    async def wrap(
        self, store: CustomKeyStore, xks_key_id: str, plaintext: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        """`xks_key_id` is the KMS key's own id. Raises KeyStoreError."""
        return _render_wrapped(await self._use(store, Opcode.WRAP, xks_key_id.encode(), plaintext, aad))

    async def unwrap(
        self, store: CustomKeyStore, xks_key_id: str, wrapped: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        """Raises CiphertextNotOpened, KeyStoreError."""
        return await self._use(store, Opcode.UNWRAP, xks_key_id.encode(), _parse_wrapped(wrapped), aad)

    async def _use(self, store: CustomKeyStore, opcode: Opcode, *fields: bytes) -> bytes:
        """Ask; where the login is gone (the process or the token was started anew), log in and ask again."""
        client = self._client_of(store)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + USE_SECONDS_MAX
        try:
            try:
                return await self._ask_patiently(client, opcode, *fields)
            except ClusterAnswered as answered:
                if answered.status is not Status.NOT_CONNECTED:
                    raise
            await self._log_in(store, Opcode.RESUME, min(CALL_SECONDS_MAX, ends_at - loop.time()))
            return await client.ask(opcode, *fields, seconds_max=max(0.1, ends_at - loop.time()))
        except ClusterAnswered as answered:
            raise _as_error(answered.status) from None
        except BoundaryError:
            raise ClusterUnreachable from None

    async def _log_in(self, store: CustomKeyStore, opcode: Opcode, seconds_max: float) -> None:
        """Have the boundary seal the password for the cluster's process, and that log in.

        The password is given to a process once: where that ends meanwhile, nobody knows whether its token
        counted it (INVARIANT H2). Raises ClusterAnswered, BoundaryUnavailable.
        """
        client = self._client_of(store)
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + RETRY_SECONDS_MAX
        failure: BoundaryError = BoundaryUnavailable("the cluster's process is not there")
        while loop.time() < ends_at:
            sealed = None
            try:
                sealed = await self._seal_password(store)
            except BoundaryUnavailable as error:
                failure = error
            except BoundaryError:
                failure = ClusterAnswered(Status.FAILED)
            if sealed is not None and client.is_there:
                store_id = store.custom_key_store_id.encode()
                try:
                    await client.ask(opcode, store_id, sealed, seconds_max=seconds_max)
                except ClusterAnswered as answered:
                    if answered.status is not Status.TRANSPORT_KEY_UNKNOWN:
                        raise
                    failure = answered
                else:
                    return
            await asyncio.sleep(LOGIN_PAUSE_SECONDS)
        raise failure

    async def _seal_password(self, store: CustomKeyStore) -> bytes:
        return await self._boundary.seal_store_secret(
            store.key_store_password_token or b"",
            store.account_id,
            store.region,
            store.custom_key_store_id,
            store.cloud_hsm_cluster_id or "",
        )

    async def _ask_patiently(self, client: ClusterClient, opcode: Opcode, *fields: bytes) -> bytes:
        """Ask again while the process is being started again. Raises ClusterAnswered, BoundaryUnavailable."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for pause_seconds in RETRY_PAUSES_SECONDS:
            try:
                return await client.ask(opcode, *fields)
            except BoundaryUnavailable:
                if loop.time() - began > RETRY_SECONDS_MAX:
                    raise
            await asyncio.sleep(pause_seconds)
        return await client.ask(opcode, *fields)


def _render_wrapped(sealed: bytes) -> bytes:
    """IV, ciphertext and tag in the order of docs/formats/ciphertext.md, version 2, without metadata."""
    iv, ciphertext, tag = sealed[:IV_BYTES], sealed[IV_BYTES:-TAG_BYTES], sealed[-TAG_BYTES:]
    return bytes([IV_BYTES]) + iv + b"\0" + tag + ciphertext


def _parse_wrapped(wrapped: bytes) -> bytes:
    """Raises CiphertextNotOpened."""
    start = IV_BYTES + 2
    if len(wrapped) < start + TAG_BYTES or wrapped[0] != IV_BYTES or wrapped[start - 1] != 0:
        raise CiphertextNotOpened
    return wrapped[1 : start - 1] + wrapped[start + TAG_BYTES :] + wrapped[start : start + TAG_BYTES]


def _as_error(status: Status) -> KeyStoreError:
    if status is Status.CIPHERTEXT_REFUSED:
        return CiphertextNotOpened()
    if status is Status.KEY_NOT_FOUND:
        return ClusterKeyNotFound()
    if status is Status.TOKEN_UNSOUND:
        return ClusterInvalidConfiguration()
    if status in CREDENTIALS_REFUSED:
        return LoginRefused(_CONNECTION_CODES[status])
    if status in _MAY_PASS:
        return ClusterUnreachable()
    return ClusterUnusable()
