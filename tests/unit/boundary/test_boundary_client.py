"""The client and a real boundary: domain keys come by themselves, refusals have their types."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.support.running_boundary import (
    ACCOUNT,
    KEY_ID,
    REGION,
    ROOT_SECRET,
    MemoryDomainKeyStore,
    RunningBoundary,
    all_answered,
    attached_client,
    binding,
)

from strongroom.boundary.client import BoundaryClient
from strongroom.boundary.interface import (
    Boundary,
    BoundaryRefused,
    BoundaryUnavailable,
    TokenRefused,
)
from strongroom.reply import drive

AAD = b"\x80"
Test = Callable[[RunningBoundary], Coroutine[Any, Any, None]]


def run_with_boundary(tmp_path: Path, test: Test, root_secret: bytes | None = ROOT_SECRET) -> None:
    with RunningBoundary(tmp_path / "key", root_secret=root_secret) as boundary:
        uvloop.run(asyncio.wait_for(test(boundary), 30))


def test_first_key_of_a_region_creates_its_domain_key_once_for_all_calls(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        store = MemoryDomainKeyStore()
        client = attached_client(boundary, store)
        keys = await all_answered(client.generate_key(binding()) for _ in range(50))
        assert len({key.material_id for key in keys}) == 50
        assert store.inserts == 1
        assert len(store.tokens[REGION]) == 1
        client.close()

    run_with_boundary(tmp_path, test)


def test_workers_that_race_for_a_regions_first_domain_key_end_up_with_one(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        store = MemoryDomainKeyStore()
        clients = [attached_client(boundary, store) for _ in range(8)]
        keys = await all_answered(client.generate_key(binding()) for client in clients)
        assert len(store.tokens[REGION]) == 1
        domain_key_id, _ = store.tokens[REGION][0]
        assert {key.exported_token[2:18] for key in keys} == {domain_key_id}
        for client in clients:
            client.close()

    run_with_boundary(tmp_path, test)


def test_token_of_an_older_domain_key_is_opened_after_a_restart_without_activating_it(tmp_path: Path) -> None:
    async def before(boundary: RunningBoundary) -> bytes:
        client = attached_client(boundary, store)
        key = await client.generate_key(binding())
        client.close()
        store.tokens["retired"] = store.tokens.pop(REGION)
        return key.exported_token

    async def after(boundary: RunningBoundary, token: bytes) -> None:
        client = attached_client(boundary, store)
        await client.encrypt(token, KEY_ID, b"x", AAD)  # loads the older one
        key = await client.generate_key(binding())  # must make a new one, for none is active
        assert key.exported_token[2:18] != token[2:18]
        assert store.inserts == 2
        client.close()

    store = MemoryDomainKeyStore()
    with RunningBoundary(tmp_path / "key") as first:
        token = uvloop.run(before(first))
        record = first.seal_record
    with RunningBoundary(tmp_path / "key", record) as second:
        uvloop.run(after(second, token))


def test_calls_that_miss_one_domain_key_fetch_it_once(tmp_path: Path) -> None:
    store = MemoryDomainKeyStore()

    async def before(boundary: RunningBoundary) -> bytes:
        client = attached_client(boundary, store)
        token = (await client.generate_key(binding())).exported_token
        client.close()
        return token

    async def after(boundary: RunningBoundary, token: bytes) -> None:
        client = attached_client(boundary, store)
        blobs = await all_answered(client.encrypt(token, KEY_ID, b"x", AAD) for _ in range(100))
        assert len(set(blobs)) == 100
        assert store.reads == 1
        client.close()

    with RunningBoundary(tmp_path / "key") as first:
        token = uvloop.run(before(first))
        record = first.seal_record
    with RunningBoundary(tmp_path / "key", record) as second:
        uvloop.run(after(second, token))


def test_re_encrypt_that_misses_two_domain_keys_loads_both(tmp_path: Path) -> None:
    store = MemoryDomainKeyStore()

    async def before(boundary: RunningBoundary) -> tuple[bytes, bytes, bytes]:
        client = attached_client(boundary, store)
        source = (await client.generate_key(binding())).exported_token
        target = (await client.generate_key(binding(region="us-east-1"))).exported_token
        blob = await client.encrypt(source, KEY_ID, b"x", AAD)
        client.close()
        return source, target, blob

    async def after(boundary: RunningBoundary, source: bytes, target: bytes, blob: bytes) -> None:
        client = attached_client(boundary, store)
        moved = await client.re_encrypt(source, KEY_ID, blob, AAD, target, KEY_ID, b"\x81\xa1a\xa1b")
        assert await client.decrypt(target, KEY_ID, moved, b"\x81\xa1a\xa1b") == b"x"
        client.close()

    with RunningBoundary(tmp_path / "key") as first:
        tokens = uvloop.run(before(first))
        record = first.seal_record
    with RunningBoundary(tmp_path / "key", record) as second:
        uvloop.run(after(second, *tokens))


def test_token_whose_domain_key_nobody_has_is_refused(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        token = (await client.generate_key(binding())).exported_token
        changed = token[:2] + bytes(16) + token[18:]
        with pytest.raises(TokenRefused):
            await client.encrypt(changed, KEY_ID, b"x", AAD)
        client.close()

    run_with_boundary(tmp_path, test)


class FailingStore(MemoryDomainKeyStore):
    """A store whose database does not answer."""

    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        raise OSError("disk gone")


class HangingStore(MemoryDomainKeyStore):
    """A store that never answers."""

    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        await asyncio.sleep(3600)
        return ()


class LyingStore(MemoryDomainKeyStore):
    """A store that gives the domain keys of another Region."""

    async def list_domain_key_tokens(self, region: str) -> Sequence[bytes]:
        return [row[1] for rows in self.tokens.values() for row in rows]


@pytest.mark.parametrize("store", [FailingStore(), HangingStore()], ids=["failing", "hanging"])
def test_store_that_gives_no_domain_key_makes_calls_unavailable_not_refused(
    tmp_path: Path, store: MemoryDomainKeyStore
) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, store, timeout_seconds=0.7)
        for _ in range(2):  # the second call must not wait for the ruin of the first
            with pytest.raises(BoundaryUnavailable, match="domain key"):
                await client.generate_key(binding())
        assert await client.generate_random(8)
        client.close()

    run_with_boundary(tmp_path, test)


def test_store_that_gives_another_regions_domain_key_makes_calls_unavailable(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        store = LyingStore()
        client = attached_client(boundary, store)
        await client.generate_key(binding(region="us-east-1"))
        with pytest.raises(BoundaryUnavailable, match="could not be loaded"):
            await client.generate_key(binding())
        client.close()

    run_with_boundary(tmp_path, test)


def test_store_that_gives_a_damaged_domain_key_refuses_the_token(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        store = MemoryDomainKeyStore()
        client = attached_client(boundary, store)
        await client.generate_key(binding())
        domain_key_id, token = store.tokens[REGION][0]
        store.tokens["us-east-1"] = [(domain_key_id, token[:-1] + bytes([token[-1] ^ 1]))]
        with pytest.raises(TokenRefused):
            await client.generate_key(binding(region="us-east-1"))
        client.close()

    run_with_boundary(tmp_path, test)


def test_a_thousand_calls_in_one_turn_are_all_answered(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        token = (await client.generate_key(binding())).exported_token
        texts = [b"%d" % number for number in range(1000)]
        blobs = await all_answered(client.encrypt(token, KEY_ID, text, AAD) for text in texts)
        opened = await all_answered(client.decrypt(token, KEY_ID, blob, AAD) for blob in blobs)
        assert opened == texts
        client.close()

    run_with_boundary(tmp_path, test)


def test_calls_work_under_coroutines_driven_by_hand(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        done: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async def request() -> bytes:
            token = (await client.generate_key(binding())).exported_token
            blob = await client.encrypt(token, KEY_ID, b"by hand", AAD)
            return await client.decrypt(token, KEY_ID, blob, AAD)

        def finish(result: bytes | None, error: BaseException | None) -> None:
            if error is not None:
                done.set_exception(error)
            else:
                done.set_result(result or b"")

        drive(request(), finish)
        assert await done == b"by hand"
        client.close()

    run_with_boundary(tmp_path, test)


def test_root_secret_signs_without_ever_leaving(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        token = await client.wrap_root_secret("AKIAIOSFODNN7EXAMPLE", ACCOUNT)
        assert ROOT_SECRET not in token
        derived = await client.derive_signing_key(
            token, "AKIAIOSFODNN7EXAMPLE", "20150830", "us-east-1", "kms"
        )
        key = b"AWS4" + ROOT_SECRET
        for part in (b"20150830", b"us-east-1", b"kms", b"aws4_request"):
            key = hmac.new(key, part, hashlib.sha256).digest()
        assert derived == key
        with pytest.raises(TokenRefused):
            await client.derive_signing_key(token, "AKIAOTHER", "20150830", "us-east-1", "kms")
        secret, other_token = await client.create_access_key_secret("AKIAI44QH8DHBEXAMPLE", ACCOUNT)
        assert len(secret) == 40
        assert await client.derive_signing_key(
            other_token, "AKIAI44QH8DHBEXAMPLE", "20150830", "us-east-1", "kms"
        )
        client.close()

    run_with_boundary(tmp_path, test)


def test_wrap_root_secret_without_one_is_refused(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        with pytest.raises(BoundaryRefused):
            await client.wrap_root_secret("AKIAIOSFODNN7EXAMPLE", ACCOUNT)
        client.close()

    run_with_boundary(tmp_path, test, root_secret=None)


def test_request_too_long_for_a_frame_is_refused_and_the_channel_goes_on(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        for aad in (bytes(65536), bytes(65500)):
            with pytest.raises(BoundaryRefused, match="too long"):
                await client.encrypt(bytes(200), KEY_ID, b"x", aad)
        for count in (-1, 65536):
            with pytest.raises(BoundaryRefused, match="range"):
                await client.generate_random(count)
        assert len(await client.generate_random(1)) == 1
        client.close()

    run_with_boundary(tmp_path, test)


def test_status_names_protections_that_the_host_did_not_allow(tmp_path: Path) -> None:
    async def test(boundary: RunningBoundary) -> None:
        client = attached_client(boundary, MemoryDomainKeyStore())
        status = await client.status()
        assert status.facts["module"] == "software"
        protections = [name for name in status.facts if name.startswith("protection: ")]
        held = [name for name in protections if status.facts[name] == "held"]
        assert len(protections) - len(held) == len(status.missing_protections)
        assert await client.is_ready()
        client.close()
        assert not await client.is_ready()

    run_with_boundary(tmp_path, test)


def test_client_satisfies_the_interface(tmp_path: Path) -> None:
    """mypy checks the signatures; this checks that the names are there."""
    loop = asyncio.new_event_loop()
    boundary: Boundary = BoundaryClient(loop, MemoryDomainKeyStore())
    for name in (name for name in vars(Boundary) if not name.startswith("_")):
        assert callable(getattr(boundary, name))
    loop.close()
