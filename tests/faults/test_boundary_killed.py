"""The boundary process dies with calls under way; a new one takes over."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest
import uvloop
from tests.support.running_boundary import (
    ACCOUNT,
    KEY_ID,
    MemoryDomainKeyStore,
    RunningBoundary,
    all_answered,
    attached_client,
    binding,
    together,
)
from tests.support.strength import promised

from strongroom.boundary.interface import BoundaryUnavailable

AAD = b"\x80"


@pytest.mark.parametrize("stopped_first", [True, False], ids=["requests unread", "requests being served"])
def test_kill_with_calls_under_way_fails_all_of_them_at_once(tmp_path: Path, stopped_first: bool) -> None:
    """Within 50 ms on a quiet machine; the bound here leaves room for a busy one, and is still far below
    the time limit of a call, so it is the end of the channel that fails them."""

    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        token = (await client.generate_key(binding())).exported_token
        if stopped_first:
            boundary.process.send_signal(signal.SIGSTOP)
        calls = [client.encrypt(token, KEY_ID, bytes(1024), AAD) for _ in range(200)]
        await asyncio.sleep(0.02 if stopped_first else 0)
        killed_at = time.monotonic()
        boundary.kill()
        outcomes = await together(calls)
        failed_within_seconds = time.monotonic() - killed_at
        failed = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert {type(outcome) for outcome in failed} == {BoundaryUnavailable}
        assert len(failed) == 200 or not stopped_first
        assert failed_within_seconds < promised(1.0, among_others=3.0)
        with pytest.raises(BoundaryUnavailable):
            await client.encrypt(token, KEY_ID, b"x", AAD)
        assert not await client.is_ready()
        client.close()

    with RunningBoundary(tmp_path / "key") as boundary:
        uvloop.run(asyncio.wait_for(test(boundary), 30))


def test_new_boundary_after_a_kill_opens_everything_the_old_one_made(tmp_path: Path) -> None:
    async def test(first: RunningBoundary) -> None:
        store = MemoryDomainKeyStore()
        client = attached_client(first, store)
        token = (await client.generate_key(binding())).exported_token
        secret_token = await client.wrap_root_secret("AKIAIOSFODNN7EXAMPLE", ACCOUNT)
        blobs = await all_answered(client.encrypt(token, KEY_ID, b"%d" % i, AAD) for i in range(50))
        signing_key = await client.derive_signing_key(
            secret_token, "AKIAIOSFODNN7EXAMPLE", "20150830", "us-east-1", "kms"
        )
        first.kill()
        first.process.wait()
        with RunningBoundary(tmp_path / "key", first.seal_record) as second:
            client.attach(second.new_channel())
            opened = await all_answered(client.decrypt(token, KEY_ID, blob, AAD) for blob in blobs)
            assert opened == [b"%d" % i for i in range(50)]
            assert signing_key == await client.derive_signing_key(
                secret_token, "AKIAIOSFODNN7EXAMPLE", "20150830", "us-east-1", "kms"
            )
            await client.generate_key(binding())
            assert store.inserts == 2  # one for the Region, one for secret access keys; none anew
            client.close()

    with RunningBoundary(tmp_path / "key") as first:
        uvloop.run(asyncio.wait_for(test(first), 30))


def test_kill_while_a_domain_key_is_fetched_fails_the_calls_that_wait_for_it(tmp_path: Path) -> None:
    class SlowStore(MemoryDomainKeyStore):
        async def list_domain_key_tokens(self, region: str) -> list[bytes]:
            asked.set()
            await let_go.wait()
            return []

    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, SlowStore())
        calls = [client.generate_key(binding()) for _ in range(5)]
        await asked.wait()
        boundary.kill()
        boundary.process.wait()
        let_go.set()
        outcomes = await together(calls)
        assert {type(outcome) for outcome in outcomes} == {BoundaryUnavailable}
        client.close()

    asked, let_go = asyncio.Event(), asyncio.Event()
    with RunningBoundary(tmp_path / "key") as boundary:
        uvloop.run(asyncio.wait_for(test(boundary), 30))


def test_hung_boundary_makes_calls_unavailable_after_the_time_limit_and_serves_again_when_it_wakes(
    tmp_path: Path,
) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore(), timeout_seconds=1.0)
        token = (await client.generate_key(binding())).exported_token
        boundary.process.send_signal(signal.SIGSTOP)
        outcomes = await together(client.encrypt(token, KEY_ID, bytes(4096), AAD) for _ in range(500))
        assert {type(outcome) for outcome in outcomes} == {BoundaryUnavailable}
        boundary.process.send_signal(signal.SIGCONT)
        for _ in range(50):  # the late replies come first and belong to nobody
            if await client.is_ready():
                break
        assert await client.encrypt(token, KEY_ID, b"x", AAD)
        client.close()

    with RunningBoundary(tmp_path / "key") as boundary:
        uvloop.run(asyncio.wait_for(test(boundary), 30))


def test_end_of_one_worker_leaves_the_others_served(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        store = MemoryDomainKeyStore()
        gone, stays = attached_client(boundary, store), attached_client(boundary, store)
        token = (await stays.generate_key(binding())).exported_token
        await gone.encrypt(token, KEY_ID, b"x", AAD)
        lost = [gone.encrypt(token, KEY_ID, bytes(4096), AAD) for _ in range(500)]
        await asyncio.sleep(0)
        gone.close()
        assert {type(outcome) for outcome in await together(lost)} == {BoundaryUnavailable}
        assert len(await all_answered(stays.encrypt(token, KEY_ID, b"x", AAD) for _ in range(500))) == 500
        stays.close()

    with RunningBoundary(tmp_path / "key") as boundary:
        uvloop.run(asyncio.wait_for(test(boundary), 30))
        assert boundary.stop() == b""
