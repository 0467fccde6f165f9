"""The client of proxies: what it keeps between requests, and what a name costs that is not found."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.support.certificates import Authority
from tests.support.xks_proxy import XksProxy

from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.external_key_store.backend import build_tls_context
from strongroom.external_key_store.https_client import Endpoint, HttpsClient
from strongroom.operations.key_store_backend import ProxyFailed

HEAD = b"POST / HTTP/1.1\r\nHost: a\r\nAuthorization: none\r\nX-Amz-Date: none\r\nContent-Length: 2\r\n\r\n"


def test_answer_that_nobody_asked_for_is_not_the_answer_to_the_next_request(tmp_path: Path) -> None:
    with XksProxy(tmp_path) as proxy:
        client = HttpsClient(
            partial(build_tls_context, proxy.ca_file), timeout_seconds=5, private_addresses=True
        )
        endpoint = Endpoint("localhost", proxy.port)

        async def ask_twice() -> list[tuple[int, bytes]]:
            proxy.mode = "says more later"
            first = await client.post(endpoint, HEAD, b"{}")
            proxy.mode = "honest"
            await asyncio.sleep(0.3)
            second = await client.post(endpoint, HEAD, b"{}")
            client.close()
            return [first, second]

        first, second = asyncio.run(ask_twice())
        assert first == second  # neither is signed
        assert b"AuthenticationFailed" in second[1]


@pytest.mark.parametrize("is_under_way", [True, False], ids=["under way", "idle"])
def test_no_request_goes_by_a_connection_of_an_authority_that_was_taken_away(
    tmp_path: Path, is_under_way: bool
) -> None:
    trusted, other = Authority(tmp_path, "trusted"), Authority(tmp_path, "other")

    async def run() -> None:
        asked, may_answer = asyncio.Event(), asyncio.Event()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while await reader.readuntil(b"{}"):
                    asked.set()
                    await may_answer.wait()
                    writer.write(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                    )
            writer.transport.abort()

        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*trusted.issue("localhost"))
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as server:
            endpoint = Endpoint("localhost", server.sockets[0].getsockname()[1])
            client = HttpsClient(
                partial(build_tls_context, trusted.ca_file), timeout_seconds=5, private_addresses=True
            )
            first = asyncio.ensure_future(client.post(endpoint, HEAD, b"{}"))
            await asked.wait()
            if not is_under_way:
                may_answer.set()
                assert (await first)[0] == 200
                assert (await client.post(endpoint, HEAD, b"{}"))[0] == 200
            client.renew_tls(build_tls_context(other.ca_file))
            may_answer.set()
            assert (await first)[0] == 200
            with pytest.raises(ProxyFailed) as caught:
                await client.post(endpoint, HEAD, b"{}")
            assert caught.value.failure is ProxyFailure.TLS
            client.close()

    asyncio.run(run())


class HangingNames:
    """A resolver that answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer = asyncio.Event()

    async def __call__(self, host: str, port: int, *, private_allowed: bool) -> Sequence[str]:
        self.asked += 1
        await self.answer.wait()
        raise OSError


def test_name_that_is_being_looked_up_is_not_looked_up_once_more() -> None:
    """A look-up that hangs keeps a thread long after its request has ended."""

    async def asking() -> tuple[set[ProxyFailure], list[int]]:
        names = HangingNames()
        client = HttpsClient(
            partial(build_tls_context, None), timeout_seconds=0.05, private_addresses=True, resolve=names
        )
        failures, asked = set(), []

        async def ask() -> None:
            with pytest.raises(ProxyFailed) as caught:
                await client.post(Endpoint("proxy.example.com", 443), HEAD, b"{}")
            failures.add(caught.value.failure)

        for _ in range(3):
            await asyncio.gather(*(ask() for _ in range(10)))
            asked.append(names.asked)
        names.answer.set()
        await asyncio.sleep(0.01)
        await ask()
        return failures, [*asked, names.asked]

    failures, asked = asyncio.run(asking())
    assert failures == {ProxyFailure.TIMED_OUT, ProxyFailure.UNREACHABLE}
    assert asked == [1, 1, 1, 2]
