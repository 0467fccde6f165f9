"""External key stores behind KeyStoreBackend: each request signed, sent, and its answer taken apart."""

from __future__ import annotations

import ssl
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeAlias

from strongroom.aws.generated.enums import ConnectionErrorCodeType, XksProxyConnectivityType
from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.boundary.interface import Boundary, BoundaryError
from strongroom.clock import Clock
from strongroom.external_key_store import messages
from strongroom.external_key_store.https_client import Endpoint, HttpsClient
from strongroom.external_key_store.signing import authorization_of
from strongroom.operations.key_store_backend import (
    ConnectionFailed,
    EndpointServiceNotFound,
    ExternalKeyInvalidConfiguration,
    KeyStoreError,
    OnBehalf,
    ProxyFailed,
)
from strongroom.resources.custom_key_store import CustomKeyStore

SIGNING_KEYS_MAX: Final = 256
_Code: TypeAlias = ConnectionErrorCodeType

# Developer Guide, "Connection error codes for external key stores".
_CONNECTION_CODES: Final = {
    ProxyFailure.AUTHENTICATION: _Code.XKS_PROXY_ACCESS_DENIED,
    ProxyFailure.ACCESS_DENIED: _Code.XKS_PROXY_ACCESS_DENIED,
    ProxyFailure.URI_PATH: _Code.XKS_PROXY_INVALID_CONFIGURATION,
    ProxyFailure.UNREACHABLE: _Code.XKS_PROXY_NOT_REACHABLE,
    ProxyFailure.TLS: _Code.XKS_PROXY_INVALID_TLS_CONFIGURATION,
    ProxyFailure.TIMED_OUT: _Code.XKS_PROXY_TIMED_OUT,
    ProxyFailure.DEPENDENCY_TIMEOUT: _Code.XKS_PROXY_TIMED_OUT,
    ProxyFailure.THROTTLED: _Code.XKS_PROXY_NOT_REACHABLE,
}
"""Every other failure is XKS_PROXY_INVALID_RESPONSE."""


def build_tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the system's certificate authorities, or those of `ca_file` (PEM) alone.

    Raises: OSError, ssl.SSLError (one of it).
    """
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def show_certificate(context: ssl.SSLContext, certificate_file: Path, key_file: Path) -> None:
    """Have proxies that ask for a client's certificate shown this one (PEM).

    Raises: OSError, ssl.SSLError (one of it).
    """
    # A key with a passphrase would have OpenSSL ask for it at the terminal.
    context.load_cert_chain(certificate_file, key_file, password=lambda: "")


class ExternalKeyStores:
    """A KeyStoreBackend. Concurrency: one event loop.

    Secrets: the proxy's secret access key stays in the boundary; kept here are signing keys of one day.
    """

    def __init__(self, boundary: Boundary, clock: Clock, client: HttpsClient, port: int = 443) -> None:
        """`clock` is the host's: proxies judge the time of a signature."""
        self._boundary = boundary
        self._clock = clock
        self._client = client
        self._port = port
        self._signing_keys: OrderedDict[bytes, tuple[str, bytes]] = OrderedDict()

    def close(self) -> None:
        """Give the connections up."""
        self._client.close()

    async def check_configuration(
        self, store: CustomKeyStore, before: CustomKeyStore | None, on_behalf: OnBehalf
    ) -> None:
        """Whether the proxy is there, takes the credential and says that it is well."""
        if store.xks_proxy_connectivity is XksProxyConnectivityType.VPC_ENDPOINT_SERVICE:
            raise EndpointServiceNotFound  # there is no VPC here
        await self.ask_health(store, on_behalf)

    async def check_connection(self, store: CustomKeyStore) -> None:
        """Nothing: ConnectCustomKeyStore answers before the proxy is asked."""

    async def connect(self, store: CustomKeyStore) -> None:
        on_behalf = OnBehalf("ConnectCustomKeyStore", str(uuid.uuid4()), "")
        try:
            await self.check_configuration(store, None, on_behalf)
        except ProxyFailed as failed:
            code = _CONNECTION_CODES.get(failed.failure, _Code.XKS_PROXY_INVALID_RESPONSE)
            raise ConnectionFailed(code) from None
        except EndpointServiceNotFound:
            raise ConnectionFailed(_Code.XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND) from None

    async def disconnect(self, store: CustomKeyStore) -> None:
        self._client.forget(self._endpoint(store))

    async def create_key(
        self, store: CustomKeyStore, key_id: str, xks_key_id: str | None, on_behalf: OnBehalf
    ) -> None:
        """See that the external key is there and fit: AES_256, enabled, for ENCRYPT and DECRYPT."""
        path = self._key_path(store, xks_key_id, "metadata")
        answer = await self._ask(store, path, messages.render_metadata_request(on_behalf))
        metadata = messages.parse_metadata(*answer)
        if metadata.key_spec != "AES_256":
            raise ExternalKeyInvalidConfiguration
        if not {"ENCRYPT", "DECRYPT"} <= set(metadata.key_usage):
            raise ProxyFailed(ProxyFailure.KEY_USAGE)
        if metadata.key_status != "ENABLED":
            raise ProxyFailed(ProxyFailure.KEY_NOT_ENABLED)

    async def delete_key(self, store: CustomKeyStore, key_id: str, xks_key_id: str | None) -> None:
        """Nothing was made."""

    async def generate_random(self, store: CustomKeyStore, number_of_bytes: int) -> bytes:
        """A proxy gives none."""
        raise KeyStoreError

    async def wrap(
        self, store: CustomKeyStore, xks_key_id: str, plaintext: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        path = self._key_path(store, xks_key_id, "encrypt")
        body = messages.render_encrypt_request(on_behalf, plaintext, aad)
        return messages.parse_encrypted(*await self._ask(store, path, body), plaintext, aad)

    async def unwrap(
        self, store: CustomKeyStore, xks_key_id: str, wrapped: bytes, aad: bytes, on_behalf: OnBehalf
    ) -> bytes:
        path = self._key_path(store, xks_key_id, "decrypt")
        body, length = messages.render_decrypt_request(on_behalf, wrapped, aad)
        return messages.parse_decrypted(*await self._ask(store, path, body), length)

    async def ask_health(self, store: CustomKeyStore, on_behalf: OnBehalf) -> Sequence[str]:
        """The healthStatus of each external key manager behind the proxy. Raises ProxyFailed."""
        body = messages.render_health_request(on_behalf)
        answer = await self._ask(store, f"{store.xks_proxy_uri_path}/health", body)
        return [machine.health_status for machine in messages.parse_health(*answer).ekm_fleet_details]

    def _endpoint(self, store: CustomKeyStore) -> Endpoint:
        host = (store.xks_proxy_uri_endpoint or "").removeprefix("https://").lower()
        return Endpoint(host, self._port)

    def _key_path(self, store: CustomKeyStore, xks_key_id: str | None, what: str) -> str:
        if xks_key_id is None or xks_key_id in (".", ".."):  # some server on the way would walk up
            raise ProxyFailed(ProxyFailure.KEY_NOT_FOUND)
        return f"{store.xks_proxy_uri_path}/keys/{xks_key_id}/{what}"

    async def _ask(self, store: CustomKeyStore, path: str, body: bytes) -> tuple[int, bytes]:
        endpoint = self._endpoint(store)
        timestamp = datetime.fromtimestamp(self._clock.epoch_seconds(), UTC).strftime("%Y%m%dT%H%M%SZ")
        authorization = authorization_of(
            signing_key=await self._signing_key(store, timestamp[:8]),
            access_key_id=store.xks_proxy_access_key_id or "",
            region=store.region,
            host=endpoint.authority,
            path=path,
            timestamp=timestamp,
            body=body,
        )
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {endpoint.authority}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nX-Amz-Date: {timestamp}\r\nAuthorization: {authorization}\r\n"
            "\r\n"
        )
        return await self._client.post(endpoint, head.encode("ascii"), body)

    async def _signing_key(self, store: CustomKeyStore, date: str) -> bytes:
        token = store.xks_proxy_secret_token or b""
        known = self._signing_keys.get(token)
        if known is not None and known[0] == date:
            return known[1]
        try:
            key = await self._boundary.derive_store_signing_key(
                token, store.account_id, store.region, store.custom_key_store_id, date
            )
        except BoundaryError:
            raise KeyStoreError from None
        self._signing_keys[token] = (date, key)
        if len(self._signing_keys) > SIGNING_KEYS_MAX:
            self._signing_keys.popitem(last=False)
        return key
