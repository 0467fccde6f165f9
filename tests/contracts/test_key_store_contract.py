"""What every KeyStoreBackend for external key stores does: the double as well as the real one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from tests.support.key_store_double import KeyStoreDouble
from tests.support.road import Road
from tests.support.xks_proxy import ACCESS_KEY_ID, HOST, PATH, SECRET, XksProxy

from strongroom.aws.generated.enums import (
    ConnectionStateType,
    CustomKeyStoreType,
    XksProxyConnectivityType,
)
from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.clock import HostClock
from strongroom.external_key_store.backend import ExternalKeyStores, build_tls_context
from strongroom.external_key_store.https_client import HttpsClient
from strongroom.operations.key_store_backend import KeyStoreBackend, OnBehalf, ProxyFailed
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.resources.identifiers import AccountId, Region

ON_BEHALF = OnBehalf("Encrypt", "request-1", "arn:aws:iam::111122223333:user/a", "arn:aws:kms:key")
STORE = CustomKeyStore(
    account_id=AccountId("111122223333"),
    region=Region("eu-central-1"),
    custom_key_store_id="cks-0123456789abcdef0",
    name="store",
    type=CustomKeyStoreType.EXTERNAL_KEY_STORE,
    connection_state=ConnectionStateType.CONNECTED,
    connection_error_code=None,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
    version=1,
    xks_proxy_connectivity=XksProxyConnectivityType.PUBLIC_ENDPOINT,
    xks_proxy_uri_endpoint=f"https://{HOST}",
    xks_proxy_uri_path=PATH,
    xks_proxy_access_key_id=ACCESS_KEY_ID,
    xks_proxy_secret_token=b"token",
)
Run = Callable[[Callable[[KeyStoreBackend, CustomKeyStore], Awaitable[None]]], None]


@pytest.fixture(params=["double", "real"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Run]:
    """Runs an async test with a backend and a store that it serves."""
    if request.param == "double":
        yield lambda test: asyncio.run(_awaited(test(KeyStoreDouble(), STORE)))
        return
    with XksProxy(tmp_path) as proxy, Road(tmp_path) as road:
        client = HttpsClient(
            partial(build_tls_context, proxy.ca_file), timeout_seconds=5, private_addresses=True
        )
        real = ExternalKeyStores(road.boundary, HostClock(), client, proxy.port)

        async def wrapped() -> CustomKeyStore:
            place = (STORE.account_id, STORE.region, STORE.custom_key_store_id)
            token = await road.boundary.wrap_store_secret(*place, SECRET.encode())
            return replace(STORE, xks_proxy_secret_token=token)

        store = road.wait(wrapped())
        yield lambda test: road.wait(test(real, store))
        real.close()


async def _awaited(awaitable: Awaitable[None]) -> None:
    await awaitable


def test_backend_takes_every_call_twice(run: Run) -> None:
    async def test(backend: KeyStoreBackend, store: CustomKeyStore) -> None:
        for _ in range(2):
            await backend.check_configuration(store, None, ON_BEHALF)
            await backend.check_connection(store)
            await backend.connect(store)
            await backend.create_key(store, "key-id", "key-1", ON_BEHALF)
        await backend.delete_key(store, "key-id", "key-1")
        for _ in range(2):
            await backend.disconnect(store)

    run(test)


def test_wrapped_bytes_unwrap_under_their_key_and_context_only(run: Run) -> None:
    async def test(backend: KeyStoreBackend, store: CustomKeyStore) -> None:
        for length in (16, 97, 4300):  # a shorter one may be its own ciphertext by chance, which is refused
            plaintext = secrets.token_bytes(length)
            wrapped = [await backend.wrap(store, "key-1", plaintext, b"aad", ON_BEHALF) for _ in range(2)]
            assert wrapped[0] != wrapped[1]
            assert plaintext not in wrapped[0]
            for each in wrapped:
                assert await backend.unwrap(store, "key-1", each, b"aad", ON_BEHALF) == plaintext
            for key, aad in (("key-2", b"aad"), ("key-1", b"AAD"), ("key-1", b"")):
                with pytest.raises(ProxyFailed) as caught:
                    await backend.unwrap(store, key, wrapped[0], aad, ON_BEHALF)
                assert caught.value.failure is ProxyFailure.CIPHERTEXT_REFUSED

    run(test)


def test_unwrap_of_altered_bytes_is_refused(run: Run) -> None:
    async def test(backend: KeyStoreBackend, store: CustomKeyStore) -> None:
        wrapped = await backend.wrap(store, "key-1", b"x" * 97, b"aad", ON_BEHALF)
        flipped = [
            wrapped[:at] + bytes([wrapped[at] ^ 1 << bit]) + wrapped[at + 1 :]
            for at in range(len(wrapped))
            for bit in (0, 7)
        ]
        cut = [wrapped[:length] for length in (0, 1, 12, 13, 14, 30, len(wrapped) - 1)]
        for altered in (*flipped, *cut, wrapped + b"\0", bytes(200)):
            with pytest.raises(ProxyFailed) as caught:
                await backend.unwrap(store, "key-1", altered, b"aad", ON_BEHALF)
            assert caught.value.failure is ProxyFailure.CIPHERTEXT_REFUSED

    run(test)
