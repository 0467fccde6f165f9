"""A token that fails while key pairs are made beside the loop: nobody's module is ended under his hands."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.faulty_hsm import FaultyToken
from tests.support.running_boundary import (
    KEY_ID,
    MemoryDomainKeyStore,
    RunningBoundary,
    attached_client,
    binding,
)

from strongroom.boundary.client import BoundaryClient
from strongroom.boundary.interface import BoundaryUnavailable, KeyBinding
from strongroom.boundary.pkcs11.errors import Ckr

RSA_KEY: KeyBinding = replace(binding(), key_spec="RSA_4096", key_usage="SIGN_VERIFY")


async def encrypted_soon(client: BoundaryClient, token: bytes) -> bytes:
    deadline = time.monotonic() + 20
    while True:
        try:
            return await client.encrypt(token, KEY_ID, b"text", b"")
        except BoundaryUnavailable:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)


def test_token_lost_while_key_pairs_are_made_is_opened_again_by_the_same_process(
    tmp_path: Path, faulty: FaultyToken
) -> None:
    async def body(running: RunningBoundary) -> None:
        client = attached_client(running, MemoryDomainKeyStore())
        token = (await client.generate_key(binding())).exported_token
        pairs = [asyncio.ensure_future(client.generate_key(RSA_KEY)) for _ in range(2)]
        await asyncio.sleep(0.1)
        faulty.faults.fail(EncryptInit=Ckr.SESSION_HANDLE_INVALID)
        with pytest.raises(BoundaryUnavailable):
            await client.encrypt(token, KEY_ID, b"text", b"")
        faulty.faults.fail()
        assert all(pair.exported_token for pair in await asyncio.gather(*pairs))
        assert await encrypted_soon(client, token)
        client.close()

    with RunningBoundary(tmp_path / "key", token=faulty.token) as running:
        asyncio.run(asyncio.wait_for(body(running), 60))
        assert running.process.poll() is None


def test_key_pair_that_the_token_fails_to_make_is_unavailable_and_not_refused(
    tmp_path: Path, faulty: FaultyToken
) -> None:
    """BoundaryRefused would tell the caller that the server does not have the key spec."""

    async def body(running: RunningBoundary) -> None:
        client = attached_client(running, MemoryDomainKeyStore())
        token = (await client.generate_key(binding())).exported_token
        faulty.faults.fail(OpenSession=Ckr.SESSION_COUNT)
        with pytest.raises(BoundaryUnavailable):
            await client.generate_key(RSA_KEY)
        with pytest.raises(BoundaryUnavailable):
            await client.generate_data_key_pair(token, KEY_ID, "RSA_2048", b"")
        faulty.faults.fail()
        assert (await client.generate_key(RSA_KEY)).exported_token
        client.close()

    with RunningBoundary(tmp_path / "key", token=faulty.token) as running:
        asyncio.run(asyncio.wait_for(body(running), 60))
