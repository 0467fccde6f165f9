"""What opens the seal is in no process of the server, no file and no log, however the seal was opened.

One seal with a passphrase, shares and a token, and a server opened with each in turn, whose boundary is then
killed, so that the next has the root key from somewhere. What is looked for is worked out from the published
format. The key file's slot is in test_keys_never_leave.py.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.secrets.memory_scan import Needles
from tests.secrets.places import find_in_backup
from tests.secrets.unwrap_seal import secrets_of_passphrase, secrets_of_shares
from tests.support.seal_commands import run_strongroom, shares_in
from tests.support.sealed_server import SealedServer
from tests.support.softhsm import TestToken, make_softhsm

PASSPHRASE = "Planted passphrase of the seal, 4711"
PIN = b"planted-PIN-of-the-seal-4711"

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)


@dataclass
class Sealed:
    """A seal, and everything that would open it."""

    directory: Path
    token: TestToken
    shares: list[str]
    secrets: dict[str, bytes]

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def files(self) -> dict[str, Path]:
        """Where the operator keeps them."""
        return {"passphrase": self.directory / "passphrase", "pin": self.directory / "pin"}

    def settings(self, way: str) -> dict[str, str]:
        if way == "passphrase file":
            return {"STRONGROOM_SEAL_PASSPHRASE_FILE": str(self.files["passphrase"])}
        if way == "token":
            variables = ",".join(f"{name}={value}" for name, value in self.token.environment.items())
            return {
                "STRONGROOM_SEAL_PKCS11_MODULE": self.token.module,
                "STRONGROOM_SEAL_PKCS11_PIN_FILE": str(self.files["pin"]),
                "STRONGROOM_SEAL_PKCS11_ENVIRONMENT": variables,
            }
        return {}


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Sealed:
    directory = tmp_path_factory.mktemp("sealed")
    token = make_softhsm(directory / "softhsm", pin=PIN)
    made = run_strongroom(
        "init", "--data-dir", directory / "data", "--shares", "2of3",
        "--pkcs11-token", token.label, "--pkcs11-module", token.module,
        secrets={"--passphrase-fd": PASSPHRASE, "--pin-fd": PIN.decode()}, environment=token.environment,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    shares = shares_in(made.stdout)
    record = (directory / "data" / "seal.record").read_bytes()
    secrets = {**secrets_of_passphrase(record, PASSPHRASE), **secrets_of_shares(record, shares), "PIN": PIN}
    scene = Sealed(directory, token, shares, secrets)
    for name, path in scene.files.items():
        path.touch(0o600)
        path.write_bytes(PASSPHRASE.encode() if name == "passphrase" else PIN)
    return scene


@contextlib.contextmanager
def opened(sealed: Sealed, way: str) -> Iterator[SealedServer]:
    """A server that was opened, used, and has lost a boundary since."""
    with SealedServer("--workers", "1", data_dir=sealed.data, environment=sealed.settings(way)) as server:
        if way == "shares at the door":
            server.wait_for("The seal is closed")
            shares = {"--shares-fd": "\n".join(sealed.shares[:2])}
            done = run_strongroom("seal", "unseal", "--data-dir", sealed.data, secrets=shares)
            assert done.returncode == 0, done.stderr
        server.wait_for("Ready.")
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        spare, old = server.wait_for_spare(), server.boundary()
        os.kill(old, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while server.processes().get("strongroom: boundary", [old]) == [old]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        server.client(retries=8).encrypt(KeyId=key_id, Plaintext=b"by the next boundary")
        assert server.boundary() == spare
        yield server


@needs_root
@pytest.mark.parametrize("way", ["passphrase file", "shares at the door", "token"])
def test_what_opens_the_seal_is_in_no_process_file_or_log(sealed: Sealed, way: str) -> None:
    """The root key is where it belongs, and in what waits to take over from it nowhere."""
    needles = Needles(sealed.secrets)
    control = Needles({"path": str(sealed.data).encode()})
    with opened(sealed, way) as server:
        backup = sealed.directory / f"backup {way}"
        done = run_strongroom("backup", "--data-dir", sealed.data, "--to", backup)
        assert done.returncode == 0, done.stderr
        server.wait_for_spare()
        searched = []
        for title, (pid, *_) in server.processes().items():
            found = needles.find_in_process(pid)
            if title == "strongroom: boundary":
                assert {trace.split(":")[0] for trace in found} == {"root key"}
            else:
                assert found == Counter(), title
                if "boundary" not in title and "audit" not in title:
                    assert control.find_in_process(pid), f"the scanner does not see into {title}"
            searched.append(title)
        assert {"strongroom: supervisor", "strongroom: worker 1", "strongroom: jobs", "strongroom: audit",
                "strongroom: boundary", "strongroom: spare boundary"} == set(searched)  # fmt: skip
    assert needles.find_in([bytes(server.logged)]) == Counter()
    assert find_in_backup(needles, backup) == Counter()
    files = needles.find_in_files(sealed.directory)
    assert set(files) == set(sealed.files.values())
