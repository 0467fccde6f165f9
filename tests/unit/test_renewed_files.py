"""Certificates that are replaced while a process runs, in one step and in several."""

from __future__ import annotations

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.certificates import Authority

from strongroom.renewed_files import FILE_BYTES_MAX, RenewedFiles, in_pipes
from strongroom.wire.tls import TlsFiles, build_tls_context

NOT_PEM = (
    "cannot be used: they must be certificates, and a private key without a passphrase, in PEM, that fit"
)
STAY = "What was read before stays in use."


async def _open(path: Path) -> int:
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK)


class Pair:
    """A certificate with its key, in files of their own, and what a process has used of them."""

    def __init__(self, directory: Path) -> None:
        self._authority = Authority(directory)
        self.files = (directory / "tls.crt", directory / "tls.key")
        self.used: list[tuple[bytes, bytes]] = []
        self.renewed = RenewedFiles(self.files, _open, self._use)
        self.put(*self.issue())

    def issue(self) -> tuple[bytes, bytes]:
        certificate, key = self._authority.issue("localhost")
        return certificate.read_bytes(), key.read_bytes()

    def put(self, certificate: bytes | None = None, key: bytes | None = None) -> None:
        for file, content in zip(self.files, (certificate, key), strict=True):
            if content is not None:
                fresh = file.with_suffix(".new")
                fresh.write_bytes(content)
                fresh.replace(file)

    def _use(self, paths: list[Path]) -> None:
        certificate, key = (path.read_bytes() for path in paths)
        with in_pipes([certificate, key]) as again:
            build_tls_context(TlsFiles(*again))
        self.used.append((certificate, key))

    def look(self, times: int = 1) -> None:
        async def run() -> None:
            for _ in range(times):
                await self.renewed.look()

        asyncio.run(run())


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_files_are_used_when_they_are_others_and_only_then(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pair.look(3)
    assert len(pair.used) == 1
    assert caplog.messages == []
    first, second = pair.used[0], pair.issue()
    pair.put(*second)
    pair.look(3)
    assert pair.used == [first, second]
    pair.put(*first)
    pair.look(2)
    assert pair.used == [first, second, first]
    assert caplog.messages == [f"Renewed, and in use from now on: {pair.files[0]}, {pair.files[1]}."] * 2


def test_half_a_renewal_is_not_used_and_no_trouble(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    pair.look()
    certificate, key = pair.issue()
    pair.put(certificate=certificate)
    pair.look()
    assert len(pair.used) == 1
    pair.put(key=key)
    pair.look()
    assert pair.used[1:] == [(certificate, key)]
    assert caplog.messages == []


def test_content_is_judged_and_not_when_it_was_written(pair: Pair) -> None:
    pair.look()
    before = [file.stat() for file in pair.files]
    second = pair.issue()
    pair.put(*second)
    for file, stamps in zip(pair.files, before, strict=True):
        os.utime(file, ns=(stamps.st_atime_ns, stamps.st_mtime_ns))
    pair.look()
    assert pair.used[1:] == [second]


def _garble(pair: Pair) -> str:
    pair.put(certificate=b"no certificate")
    return NOT_PEM


def _take_away(pair: Pair) -> str:
    pair.files[1].unlink()
    return "cannot be read: No such file or directory"


def _mix(pair: Pair) -> str:
    pair.put(key=pair.issue()[1])
    return NOT_PEM


def _blow_up(pair: Pair) -> str:
    pair.put(certificate=bytes(FILE_BYTES_MAX + 1))
    return f"cannot be used: one is larger than {FILE_BYTES_MAX} bytes"


def _empty(pair: Pair) -> str:
    pair.put(certificate=b"", key=b"")
    return NOT_PEM


@pytest.mark.parametrize("spoil", [_garble, _take_away, _mix, _blow_up, _empty])
def test_files_that_cannot_be_used_are_told_once_and_the_old_stay(
    pair: Pair, caplog: pytest.LogCaptureFixture, spoil: Callable[[Pair], str]
) -> None:
    pair.look()
    reason = spoil(pair)
    pair.look(5)
    assert len(pair.used) == 1
    (message,) = caplog.messages
    assert reason in message
    assert message.startswith(f"{pair.files[0]}, {pair.files[1]} ")
    assert message.endswith(STAY)
    assert "PRIVATE" not in caplog.text
    good = pair.issue()
    pair.put(*good)
    pair.look(2)
    assert pair.used[1:] == [good]
    spoil(pair)
    pair.look(2)
    assert len([text for text in caplog.messages if text.endswith(STAY)]) == 2


def test_the_largest_file_fits_into_its_pipe_and_is_read_once() -> None:
    content = os.urandom(FILE_BYTES_MAX)
    before = set(os.listdir("/proc/self/fd"))
    with in_pipes([content, b"", b"third"]) as paths:
        assert [path.read_bytes() for path in paths] == [content, b"", b"third"]
    assert set(os.listdir("/proc/self/fd")) == before


def test_certificates_are_read_by_their_pipes_with_chain_and_authorities(tmp_path: Path) -> None:
    authority, clients = Authority(tmp_path, "server"), Authority(tmp_path, "clients")
    certificate, key = authority.issue("localhost")
    chain = certificate.read_bytes() + authority.ca_file.read_bytes() * 200
    assert len(chain) > 65_536
    with in_pipes([chain, key.read_bytes(), clients.ca_file.read_bytes()]) as paths:
        context = build_tls_context(TlsFiles(*paths))
    assert context.verify_mode is ssl.CERT_REQUIRED
    (authority_known,) = context.get_ca_certs(binary_form=True)
    assert authority_known == ssl.PEM_cert_to_DER_cert(clients.ca_file.read_text())


def test_watch_ends_at_once_when_it_is_stopped(pair: Pair) -> None:
    async def run() -> None:
        stopped = asyncio.Event()
        watching = asyncio.create_task(pair.renewed.watch_until(stopped))
        while not pair.used:
            await asyncio.sleep(0.001)
        stopped.set()
        await asyncio.wait_for(watching, 2)

    asyncio.run(run())
