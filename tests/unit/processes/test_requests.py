"""What confined clients ask of the supervisor, through a real control socket and in an event loop."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from strongroom.config import Settings, load_settings
from strongroom.processes.channel import ControlChannel
from strongroom.processes.child import Child
from strongroom.processes.control import control_pair, receive_packet, send_packet
from strongroom.processes.data_directory import ANCHOR_BYTES_MAX, DataDirectory, open_data_directory
from strongroom.processes.requests import Requests
from strongroom.proxy_settings import ProxySettings
from strongroom.resources.identifiers import Region

ISSUER = "https://oidc.example.com/"


def _never(_: object) -> int:
    raise AssertionError("nobody starts a process here")


class Office:
    """A supervisor's end that answers one client."""

    def __init__(self, directory: DataDirectory, settings: Settings, name: str) -> None:
        self.client = Child(name, _never, pid=os.getpid(), protections={"no new privileges": "held"})
        self.ours, self.theirs = control_pair()
        self._requests = Requests(settings, directory, ("domain-keys.anchor",), self._send)

    def _send(self, child: Child, letter: bytes, payload: bytes, files: Sequence[int]) -> None:
        assert child is self.client
        send_packet(self.ours, letter, payload, files)

    def answer(self) -> None:
        """Whatever has been asked."""
        packet = receive_packet(self.ours)
        assert packet is not None
        self._requests.answer(self.client, packet, [self.client])

    def ask(self, question: Callable[[ControlChannel], Awaitable[Any]]) -> Any:
        """What the client hears. Raises OSError."""

        async def run() -> Any:
            channel = ControlChannel(self.theirs, lambda _, stream: stream.close())
            channel.start()
            asyncio.get_running_loop().add_reader(self.ours.fileno(), self.answer)
            try:
                return await asyncio.wait_for(question(channel), 10)
            finally:
                asyncio.get_running_loop().remove_reader(self.ours.fileno())
                channel.close()

        return asyncio.run(run())

    def close(self) -> None:
        self.ours.close()
        self.theirs.close()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[DataDirectory]:
    opened = open_data_directory(tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def offices(directory: DataDirectory, tmp_path: Path) -> Iterator[Callable[[str], Office]]:
    settings = load_settings("dev", flags={"data_directory": str(directory.path)}, environment={}, file=None)
    settings = replace(settings, oidc_issuers=((ISSUER, tmp_path / "jwks.json"),))
    made: list[Office] = []

    def make(name: str) -> Office:
        made.append(Office(directory, settings, name))
        return made[-1]

    yield make
    for office in made:
        office.close()


def _read(fd: int) -> bytes:
    with open(fd, "rb") as stream:
        return stream.read()


def test_key_set_is_opened_for_a_worker_as_it_is_now(
    offices: Callable[[str], Office], tmp_path: Path
) -> None:
    office, file = offices("worker 1"), tmp_path / "jwks.json"
    for content in (b"first", b"second"):
        (tmp_path / "fresh").write_bytes(content)
        (tmp_path / "fresh").replace(file)
        assert _read(office.ask(lambda channel: channel.open_file(file))) == content
    file.unlink()
    with pytest.raises(FileNotFoundError):
        office.ask(lambda channel: channel.open_file(file))


@pytest.mark.parametrize(
    "name", ["seal.key", "seal.record", "domain-keys.anchor", "../data/seal.key", "../jwks.json", ""]
)
def test_no_other_file_is_opened_for_a_worker(
    offices: Callable[[str], Office], directory: DataDirectory, tmp_path: Path, name: str
) -> None:
    """INVARIANT P8."""
    for file in ("seal.key", "seal.record", "domain-keys.anchor"):
        (directory.path / file).write_bytes(b"secret")
    (tmp_path / "jwks.json").write_bytes(b"keys")
    path = f"{directory.path}/{name}"
    with pytest.raises(PermissionError):
        offices("worker 1").ask(lambda channel: channel._ask(b"F", path.encode()))


@pytest.mark.parametrize("name", ["worker 2", "jobs", "xks proxy"])
def test_certificates_are_opened_for_who_uses_them_and_for_nobody_else(
    directory: DataDirectory, tmp_path: Path, name: str
) -> None:
    """INVARIANT P8: whoever takes a worker over does not learn the proxy's private key, nor the other way."""
    used_by = {
        "server.key": ["worker 2"],
        "server.crt": ["worker 2"],
        "client.key": ["worker 2", "jobs"],
        "client-authorities.pem": ["worker 2", "jobs"],
        "proxy.key": ["xks proxy"],
        "proxy-clients.pem": ["xks proxy"],
    }
    paths = {file: tmp_path / file for file in (*used_by, "client.crt", "proxy.crt")}
    for file, path in paths.items():
        path.write_text(file)
    settings = load_settings("dev", flags={"data_directory": str(directory.path)}, environment={}, file=None)
    settings = replace(
        settings,
        tls_certificate_file=paths["server.crt"],
        tls_key_file=paths["server.key"],
        xks_ca_file=paths["client-authorities.pem"],
        xks_client_certificate_file=paths["client.crt"],
        xks_client_key_file=paths["client.key"],
        xks_proxy=ProxySettings(
            tls_certificate_file=paths["proxy.crt"],
            tls_key_file=paths["proxy.key"],
            client_ca_file=paths["proxy-clients.pem"],
            keys={},
            region=Region("eu-central-1"),
        ),
    )
    office = Office(directory, settings, name)
    for file, users in used_by.items():

        def open_it(channel: ControlChannel, path: Path = paths[file]) -> Awaitable[int]:
            return channel.open_file(path)

        if name in users:
            assert _read(office.ask(open_it)) == file.encode()
        else:
            with pytest.raises(PermissionError):
                office.ask(open_it)
    office.close()


def test_what_is_no_file_is_not_opened(offices: Callable[[str], Office], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jwks.json")
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        offices("worker 1").ask(lambda channel: channel.open_file(tmp_path / "jwks.json"))


def test_seal_record_is_opened_for_the_job_runner(
    offices: Callable[[str], Office], directory: DataDirectory
) -> None:
    directory.save_seal_record(b"record")
    path = directory.path / "seal.record"
    assert _read(offices("jobs").ask(lambda channel: channel.open_file(path))) == b"record"


def test_anchor_is_kept_for_the_job_runner_and_for_nobody_else(
    offices: Callable[[str], Office], directory: DataDirectory
) -> None:
    """INVARIANT P8."""
    path = directory.path / "domain-keys.anchor"
    longest = b"x" * ANCHOR_BYTES_MAX
    for content in (longest, b"anchor"):
        offices("jobs").ask(partial(ControlChannel.replace_file, path=path, content=content))
        assert path.read_bytes() == content
    assert (directory.path / "domain-keys.anchor").stat().st_mode & 0o777 == 0o600
    for name in ("worker 1", "xks proxy"):
        office = offices(name)
        with pytest.raises(PermissionError):
            office.ask(lambda channel: channel.replace_file(path, b"another"))
        with pytest.raises(PermissionError):
            office.ask(lambda channel: channel.describe_processes())
    assert path.read_bytes() == b"anchor"
    for other in (directory.path / "seal.record", directory.path / ".." / "data" / "domain-keys.anchor"):
        with pytest.raises(PermissionError):
            offices("jobs").ask(partial(ControlChannel.replace_file, path=other, content=b"x"))


def test_process_table_tells_what_each_gave_up(offices: Callable[[str], Office]) -> None:
    lines = json.loads(offices("jobs").ask(lambda channel: channel.describe_processes()))
    assert [line["name"] for line in lines] == ["supervisor", "jobs"]
    assert lines[1]["protections"] == {"no new privileges": "held"}
    assert lines[1]["process_id"] == os.getpid()
    assert lines[1]["resident_kilobytes"] > 1000


def test_answer_that_nobody_waits_for_any_more_is_closed_and_the_next_is_the_next(
    offices: Callable[[str], Office], tmp_path: Path
) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(b"keys")
    office = offices("jobs")

    async def leave_and_ask(channel: ControlChannel) -> tuple[bytes, int]:
        before = len(os.listdir("/proc/self/fd"))
        left = asyncio.ensure_future(channel.open_file(file))
        await asyncio.sleep(0)
        left.cancel()
        table = await channel.describe_processes()
        return table, len(os.listdir("/proc/self/fd")) - before

    table, more = office.ask(leave_and_ask)
    assert json.loads(table)[0]["name"] == "supervisor"
    assert more == 0
