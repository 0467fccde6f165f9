"""Real servers whose seal needs somebody: sealed, opened, and opened still when processes are killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.seal_commands import PASSPHRASE, make_seal, run_strongroom
from tests.support.sealed_server import SECONDS_MAX, SealedServer
from tests.support.server import (
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    STRONGROOM,
    Server,
    strict_environment,
)
from tests.support.softhsm import TestToken

from strongroom.processes.sealing import RETRY_SECONDS


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def shares(data: Path) -> list[str]:
    return list(make_seal(data, "--shares", "2of3", secrets={"--passphrase-fd": PASSPHRASE}))


@pytest.fixture
def server(data: Path, shares: list[str]) -> Iterator[SealedServer]:
    with SealedServer(data_dir=data) as running:
        yield running


def _get(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, body, headers or {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def _unseal(data: Path, passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    return run_strongroom("seal", "unseal", "--data-dir", data, secrets={"--passphrase-fd": passphrase})


def _status(data: Path) -> str:
    return run_strongroom("status", "--data-dir", data).stdout


def _decrypts(kms: Any, blob: bytes) -> bool:
    """False while there is no boundary; any other failure is one."""
    try:
        return bool(kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept")
    except ClientError as error:
        if error.response["Error"]["Code"] != "KMSInternalException":
            raise
        return False


def _wait_until_decrypts(kms: Any, blob: bytes) -> float:
    begun = time.monotonic()
    while not _decrypts(kms, blob):
        assert time.monotonic() - begun < SECONDS_MAX
    return time.monotonic() - begun


def test_sealed_server_answers_health_and_nothing_else_until_it_is_unsealed(
    server: SealedServer, data: Path, shares: list[str]
) -> None:
    assert "strongroom seal unseal --data-dir" in server.wait_for("The seal is closed")
    server.wait_for_front()
    assert _get(f"{server.url}/healthz") == (200, "ok\n")
    status, sentence = _get(f"{server.url}/readyz")
    assert status == 503
    assert "strongroom seal unseal" in sentence
    with pytest.raises(ClientError) as kms_refused:
        server.client().list_keys()
    assert kms_refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert kms_refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    with pytest.raises(ClientError) as sts_refused:
        server.client("sts").get_caller_identity()
    assert sts_refused.value.response["Error"]["Code"] == "ServiceUnavailable"
    assert _get(f"{server.url}/_strongroom/reset", b"{}")[0] >= 400
    assert "running and sealed" in run_strongroom("seal", "status", "--data-dir", data).stdout
    assert (data / "seal.sock").stat().st_mode & 0o777 == 0o600

    before = (data / "seal.record").read_bytes()
    wrong = _unseal(data, PASSPHRASE + "?")
    assert (wrong.returncode, "does not open" in wrong.stderr) == (255, True)
    too_few = run_strongroom("seal", "unseal", "--data-dir", data, secrets={"--shares-fd": shares[0]})
    assert "1 of the 2 shares" in too_few.stderr
    assert _get(f"{server.url}/readyz")[0] == 503
    assert (data / "seal.record").read_bytes() == before

    opened = run_strongroom(
        "seal", "unseal", "--data-dir", data, secrets={"--shares-fd": f"{shares[2]}\n{shares[0]}"}
    )
    assert opened.returncode == 0, opened.stderr
    server.wait_for("Ready.")
    assert not (data / "seal.sock").exists()
    kms = server.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    assert _decrypts(kms, blob)
    assert "running, seal open" in run_strongroom("seal", "status", "--data-dir", data).stdout
    assert server.stop() == 0


def test_unsealed_server_survives_its_boundary_and_its_spare_being_killed(
    server: SealedServer, data: Path
) -> None:
    """Nobody has to come again: the spare has the root key; where both are gone, somebody has to."""
    server.wait_for("The seal is closed")
    assert _unseal(data).returncode == 0
    server.wait_for("Ready.")
    kms = server.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
    killed = server.wait_for_spare()
    os.kill(killed, signal.SIGKILL)
    for _ in range(2):
        spare, old = server.wait_for_spare(other_than=killed), server.boundary()
        time.sleep(0.5)  # the root key is left to it
        os.kill(old, signal.SIGKILL)
        _wait_until_decrypts(kms, blob)
        assert server.boundary() == spare

    pids = server.wait_for_spare(), server.boundary()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)  # so that neither can help the other
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + SECONDS_MAX
    while not (data / "seal.sock").exists():
        assert time.monotonic() < deadline, server.processes()
        time.sleep(0.05)
    assert _get(f"{server.url}/healthz")[0] == 200
    assert _get(f"{server.url}/readyz")[0] == 503
    assert not _decrypts(kms, blob)
    assert _unseal(data).returncode == 0
    _wait_until_decrypts(kms, blob)


def test_server_opens_its_seal_with_a_passphrase_file_and_after_kills_too(data: Path, tmp_path: Path) -> None:
    make_seal(data, secrets={"--passphrase-fd": PASSPHRASE})
    file = tmp_path / "passphrase"
    file.write_text(PASSPHRASE + "\n")
    file.chmod(0o600)
    with Server(data_dir=data, environment={"STRONGROOM_SEAL_PASSPHRASE_FILE": str(file)}) as server:
        kms = server.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"kept")["CiphertextBlob"]
        for title in ("strongroom: spare boundary", "strongroom: boundary"):
            for pid in server.processes().get(title, []):
                os.kill(pid, signal.SIGKILL)
        _wait_until_decrypts(kms, blob)
        deadline = time.monotonic() + 10
        while "strongroom: seal" in server.processes() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert "strongroom: seal" not in server.processes()
    assert PASSPHRASE.encode() not in server.logged


def test_server_with_a_wrong_passphrase_file_says_so_and_can_be_unsealed(data: Path, tmp_path: Path) -> None:
    make_seal(data, secrets={"--passphrase-fd": PASSPHRASE})
    file = tmp_path / "passphrase"
    file.write_text("some other passphrase")
    file.chmod(0o600)
    with SealedServer(data_dir=data, environment={"STRONGROOM_SEAL_PASSPHRASE_FILE": str(file)}) as server:
        said = server.wait_for("To open the seal")
        assert "The passphrase does not open its slot" in said
        assert "some other" not in said
        assert _unseal(data).returncode == 0
        server.wait_for("Ready.")


def test_server_without_a_seal_for_its_passphrase_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="make one with strongroom init"):
        Server(data_dir=data, environment={"STRONGROOM_SEAL_PASSPHRASE_FILE": str(tmp_path / "x")}).start()


def test_slot_added_while_the_server_runs_stays_when_the_boundary_is_replaced(
    data: Path, tmp_path: Path
) -> None:
    with Server(data_dir=data) as server:
        added = run_strongroom(
            "seal", "add-slot", "--data-dir", data, "--key-file", data / "seal.key",
            secrets={"--new-passphrase-fd": PASSPHRASE},
        )  # fmt: skip
        assert added.returncode == 0, added.stderr
        record = (data / "seal.record").read_bytes()
        os.kill(server.pid_of("strongroom: boundary"), signal.SIGKILL)
        server.client(retries=8).create_key()  # no spare in development: that takes a moment
        assert (data / "seal.record").read_bytes() == record


def test_stranger_at_the_door_of_a_sealed_server_cannot_open_it(server: SealedServer, data: Path) -> None:
    """Wrong keys, nothing at all, and a connection that says nothing hold nobody up."""
    import socket

    server.wait_for("The seal is closed")
    deadline = time.monotonic() + 10
    while not (data / "seal.sock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    silent = socket.socket(socket.AF_UNIX)
    directory = os.open(data, os.O_RDONLY)
    try:
        silent.connect(f"/proc/self/fd/{directory}/seal.sock")
        for brought in (b"K" + bytes(33), b"A" + bytes(33), b"", b"K", b"S", b"Z" * 400):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(15)
                connection.connect(f"/proc/self/fd/{directory}/seal.sock")
                connection.sendall(brought)
                connection.shutdown(socket.SHUT_WR)
                try:
                    answer = connection.recv(400)
                except ConnectionResetError:
                    answer = b""
                assert answer[:1] in (b"N", b"")
        assert _unseal(data).returncode == 0
        server.wait_for("Ready.")
    finally:
        silent.close()
        os.close(directory)


def test_shares_of_several_people_open_the_seal_one_at_a_time(
    server: SealedServer, data: Path, shares: list[str]
) -> None:
    def give(share: str) -> subprocess.CompletedProcess[str]:
        return run_strongroom("seal", "unseal", "--data-dir", data, secrets={"--share-fd": share})

    server.wait_for("The seal is closed")
    server.wait_for_front()
    first = give(shares[0])
    assert (first.returncode, "1 of 2 shares given" in first.stdout) == (0, True)
    assert "forgotten in 60 minutes" in first.stdout
    assert "1 of 2 shares given" in run_strongroom("seal", "status", "--data-dir", data).stdout
    for refused in (give(shares[0]), give("not a share"), give(f"{shares[0]}\n{shares[1]}")):
        assert refused.returncode == 255
        assert shares[0] not in refused.stderr + refused.stdout
    forgotten = run_strongroom("seal", "unseal", "--data-dir", data, "--forget-shares")
    assert (forgotten.returncode, "are forgotten" in forgotten.stdout) == (0, True)
    assert "1 of 2 shares given" in give(shares[1]).stdout
    assert _get(f"{server.url}/readyz")[0] == 503
    assert "The seal is open" in give(shares[2]).stdout
    server.wait_for("Ready.")
    assert "opened with slot: 2, shamir" in _status(data)
    assert not any(share.encode() in server.logged for share in shares)
    late = give(shares[0])
    assert (late.returncode, "No sealed server waits" in late.stderr) == (255, True)


def test_passphrase_that_takes_long_to_type_opens_the_seal(server: SealedServer, data: Path) -> None:
    """The boundary waits two seconds for who brings a root key, and for nobody who types."""
    server.wait_for("The seal is closed")
    server.wait_for_front()
    reading, writing = os.pipe()
    command = [str(STRONGROOM), "seal", "unseal", "--data-dir", str(data), "--passphrase-fd", str(reading)]
    unsealing = subprocess.Popen(command, pass_fds=[reading], start_new_session=True)
    os.close(reading)
    time.sleep(3.5)
    os.write(writing, PASSPHRASE.encode())
    os.close(writing)
    assert unsealing.wait(30) == 0
    server.wait_for("Ready.")


def test_stop_while_sealed_ends_in_order(server: SealedServer) -> None:
    server.wait_for("The seal is closed")
    server.wait_for_front()
    assert server.stop() == 0
    assert not server.processes()


def test_server_opens_its_seal_with_a_key_of_another_strongroom(data: Path, tmp_path: Path) -> None:
    """A real second server over loopback, with the encryption context; gone, it is awaited."""
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[default]\naws_access_key_id = {ROOT_ACCESS_KEY_ID}\n"
        f"aws_secret_access_key = {ROOT_SECRET_ACCESS_KEY}\n"
    )
    credentials.chmod(0o600)
    with Server("--auth", "strict", data_dir=tmp_path / "other", environment=strict_environment()) as other:
        kms = other.client(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)
        key = kms.create_key()["KeyMetadata"]["Arn"]
        flags = ["--kms-endpoint", other.url, "--kms-credentials-file", str(credentials)]
        make_seal(data, "--kms-key", key, *flags, secrets={"--passphrase-fd": PASSPHRASE})
        verified = run_strongroom("seal", "verify", "--data-dir", data, *flags)
        assert "KMS key arn:aws:kms:" in verified.stdout
        assert "1 of 2 slots opened, 1 not tried." in verified.stdout
        stranger = tmp_path / "stranger"
        stranger.write_text(credentials.read_text().replace(ROOT_SECRET_ACCESS_KEY, "x" * 40))
        stranger.chmod(0o600)
        refused = run_strongroom("seal", "verify", "--data-dir", data, *flags[:3], str(stranger))
        assert "refused Decrypt with InvalidSignatureException" in refused.stdout
        environment = {
            "STRONGROOM_SEAL_KMS_ENDPOINT": other.url,
            "STRONGROOM_SEAL_KMS_CREDENTIALS_FILE": str(credentials),
        }
        with Server(data_dir=data, environment=environment) as server:
            server.client().create_key()
        kms.disable_key(KeyId=key)
        with SealedServer(data_dir=data, environment=environment) as sealed:
            said = sealed.wait_for("To open the seal")
            assert "refused Decrypt with DisabledException" in said
            kms.enable_key(KeyId=key)
            sealed.wait_for("Ready.")  # it has tried again


def test_server_opens_its_seal_with_a_token_on_softhsm(
    data: Path, tmp_path: Path, softhsm: TestToken
) -> None:
    pin_file = tmp_path / "pin"
    pin_file.write_bytes(softhsm.pin)
    pin_file.chmod(0o600)
    made = run_strongroom(
        "init", "--data-dir", data, "--pkcs11-token", softhsm.label, "--pkcs11-module", softhsm.module,
        secrets={"--pin-fd": softhsm.pin.decode(), "--passphrase-fd": PASSPHRASE},
        environment=softhsm.environment,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    environment = {
        "STRONGROOM_SEAL_PKCS11_MODULE": softhsm.module,
        "STRONGROOM_SEAL_PKCS11_PIN_FILE": str(pin_file),
        "STRONGROOM_SEAL_PKCS11_ENVIRONMENT": ",".join(f"{k}={v}" for k, v in softhsm.environment.items()),
    }
    with Server(data_dir=data, environment=environment) as server:
        server.client().create_key()


def test_server_whose_token_refuses_the_pin_tries_it_once_and_can_be_unsealed(
    data: Path, tmp_path: Path, softhsm: TestToken
) -> None:
    """A token locks itself after a few wrong PINs: a changed PIN must not cost it."""
    made = run_strongroom(
        "init", "--data-dir", data, "--pkcs11-token", softhsm.label, "--pkcs11-module", softhsm.module,
        secrets={"--pin-fd": softhsm.pin.decode(), "--passphrase-fd": PASSPHRASE},
        environment=softhsm.environment,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    pin_file = tmp_path / "pin"
    pin_file.write_bytes(b"0000-another-pin")
    pin_file.chmod(0o600)
    environment = {
        "STRONGROOM_SEAL_PKCS11_MODULE": softhsm.module,
        "STRONGROOM_SEAL_PKCS11_PIN_FILE": str(pin_file),
        "STRONGROOM_SEAL_PKCS11_ENVIRONMENT": ",".join(f"{k}={v}" for k, v in softhsm.environment.items()),
    }
    with SealedServer(data_dir=data, environment=environment) as server:
        assert "The token refuses the PIN" in server.wait_for("To open the seal")
        pin_file.write_bytes(softhsm.pin)  # what is tried again would open the seal now
        deadline = time.monotonic() + RETRY_SECONDS + 1
        while time.monotonic() < deadline:
            assert "strongroom: seal" not in server.processes()
            time.sleep(0.05)
        assert _unseal(data).returncode == 0
        server.wait_for("Ready.")
