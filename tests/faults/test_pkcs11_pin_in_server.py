"""A whole server and its token's PIN: no process gives a PIN that was refused a second time."""

from __future__ import annotations

import os
import signal
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.faulty_hsm import FaultyToken
from tests.support.server import Server
from tests.support.softhsm import PIN, write_token_configuration

from strongroom.boundary.pkcs11.errors import Ckr


def server_on(tmp_path: Path, token: FaultyToken, *flags: str) -> Server:
    configuration = tmp_path / "strongroom.toml"
    if not configuration.exists():
        write_token_configuration(tmp_path, token.token)
    return Server("--config", str(configuration), *flags, data_dir=tmp_path / "data")


def readiness(server: Server) -> int:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize("code", [Ckr.PIN_INCORRECT, Ckr.PIN_LOCKED, Ckr.GENERAL_ERROR])
def test_server_started_again_and_again_gives_a_refused_pin_once(
    tmp_path: Path, faulty: FaultyToken, code: Ckr
) -> None:
    """As a service manager does, or whoever runs the container again."""
    faulty.faults.fail(Login=code)
    with pytest.raises(RuntimeError, match=f"CKR_{code.name}"):
        server_on(tmp_path, faulty).start()
    for _ in range(3):
        with pytest.raises(RuntimeError, match="not tried again as it is"):
            server_on(tmp_path, faulty).start()
    assert faulty.faults.logins == 1
    faulty.faults.fail()
    (tmp_path / "pin").write_bytes(PIN)
    with server_on(tmp_path, faulty) as running:
        assert running.client().create_key()
    assert faulty.faults.logins == 2
    with server_on(tmp_path, faulty) as running:  # what was refused once is forgotten
        assert running.client().create_key()


@pytest.mark.parametrize("spare", ["true", "false"])
@pytest.mark.parametrize("code", [Ckr.PIN_INCORRECT, Ckr.DEVICE_ERROR])
def test_boundary_that_dies_while_the_pin_is_refused_ends_the_server_after_one_try(
    tmp_path: Path, faulty: FaultyToken, code: Ckr, spare: str
) -> None:
    write_token_configuration(tmp_path, faulty.token)
    configuration = tmp_path / "strongroom.toml"
    configuration.write_text(f"spare_boundary = {spare}\n{configuration.read_text()}")
    with server_on(tmp_path, faulty) as server:
        server.client().create_key()
        faulty.faults.fail(Login=code)
        boundary = server.pid_of("strongroom: boundary")
        os.kill(boundary, signal.SIGKILL)
        assert server.process.wait(60) == 255
        server.stop()  # its log is read to the end
        assert b"is not started again" in server.logged
        assert b"Put the right PIN into it" in server.logged
        assert PIN not in bytes(server.logged)
    assert faulty.faults.logins == 2  # of the start, and one more


def test_token_that_refuses_the_pin_of_a_running_server_is_asked_once_and_readyz_says_so(
    tmp_path: Path, faulty: FaultyToken
) -> None:
    with server_on(tmp_path, faulty) as server:
        kms = server.client(retries=0)
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.encrypt(KeyId=key_id, Plaintext=b"text")
        assert readiness(server) == 200
        faulty.faults.fail(EncryptInit=Ckr.DEVICE_ERROR, Login=Ckr.PIN_INCORRECT)
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline:
            with pytest.raises(ClientError) as raised:
                kms.encrypt(KeyId=key_id, Plaintext=b"text")
            assert raised.value.response["Error"]["Code"] == "KMSInternalException"
        assert faulty.faults.logins == 2
        assert readiness(server) == 503
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"
        assert server.logged.count(b"refuses its PIN (C_Login returned CKR_PIN_INCORRECT)") == 1
    with pytest.raises(RuntimeError, match="not tried again as it is"):
        server_on(tmp_path, faulty).start()
    assert faulty.faults.logins == 2


def test_calls_that_fail_with_a_device_error_fail_as_such_and_the_token_serves_again(
    tmp_path: Path, faulty: FaultyToken
) -> None:
    with server_on(tmp_path, faulty) as server:
        kms = server.client(retries=0)
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"text")["CiphertextBlob"]
        boundary = server.pid_of("strongroom: boundary")
        faulty.faults.fail(Decrypt=Ckr.DEVICE_ERROR)
        for _ in range(10):
            with pytest.raises(ClientError) as raised:  # and never that the ciphertext is wrong
                kms.decrypt(CiphertextBlob=blob)
            assert raised.value.response["Error"]["Code"] == "KMSInternalException"
        faulty.faults.fail()
        deadline = time.monotonic() + 30
        while True:
            try:
                assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"text"
                break
            except ClientError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert server.processes()["strongroom: boundary"] == [boundary]
        assert b"C_Decrypt returned CKR_DEVICE_ERROR" in server.logged
