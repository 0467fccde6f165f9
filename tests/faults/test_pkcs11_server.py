"""A whole server whose keys are in a PKCS#11 token: the API over it, restarts, and a token that goes away."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.domain_key_rotation import wait_for_anchor
from tests.support.server import Server
from tests.support.softhsm import TestToken, write_token_configuration
from tests.support.strength import promised

from strongroom.boundary.pkcs11.numbers import Cka, Cko

CONTEXT = {"app": "demo"}


@pytest.fixture
def token_server(tmp_path: Path, softhsm: TestToken) -> Iterator[Server]:
    configuration = write_token_configuration(tmp_path, softhsm)
    with Server("--config", str(configuration), data_dir=tmp_path / "data") as running:
        yield running


def refused(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**arguments)
    return str(raised.value.response["Error"]["Code"])


def test_keys_in_a_token_work_over_the_api_and_after_a_restart(token_server: Server) -> None:
    kms = token_server.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"text", EncryptionContext=CONTEXT)["CiphertextBlob"]
    data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    signer = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    signing = {"KeyId": signer, "Message": b"message", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(**signing)["Signature"]
    kms.rotate_key_on_demand(KeyId=key_id)
    for spec, usage in (
        ("ML_DSA_44", "SIGN_VERIFY"),
        ("RSA_2048", "ENCRYPT_DECRYPT"),
        ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY"),
    ):
        assert refused(kms.create_key, KeySpec=spec, KeyUsage=usage) == "UnsupportedOperationException"
    token_server.stop()
    token_server.start()
    kms = token_server.client()
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"text"
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
    assert kms.verify(**signing, Signature=signature)["SignatureValid"]
    assert refused(kms.decrypt, CiphertextBlob=blob) == "InvalidCiphertextException"
    damaged = blob[:-1] + bytes([blob[-1] ^ 1])
    for _ in range(20):  # an attacker's ciphertexts do not take the token out of service
        assert (
            refused(kms.decrypt, CiphertextBlob=damaged, EncryptionContext=CONTEXT)
            == "InvalidCiphertextException"
        )
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"text"
    assert b"token failed" not in token_server.logged


def test_token_that_goes_away_fails_calls_and_serves_again_within_two_seconds(
    token_server: Server, softhsm: TestToken
) -> None:
    kms = token_server.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"text")["CiphertextBlob"]
    away = softhsm.directory.with_name("away")
    softhsm.directory.rename(away)
    assert refused(kms.create_key) == "KMSInternalException"
    assert refused(kms.create_key) == "KMSInternalException"
    away.rename(softhsm.directory)
    deadline = time.monotonic() + promised(2.0, among_others=20.0)
    while _fails(kms, blob):
        assert time.monotonic() < deadline, token_server.logged.decode()
        time.sleep(0.1)


def _fails(kms: Any, blob: bytes) -> bool:
    """Whether the token is still away; calls fail as an internal error then, and as nothing else."""
    try:
        kms.create_key()
        return bool(kms.decrypt(CiphertextBlob=blob)["Plaintext"] != b"text")
    except ClientError as error:
        code = error.response["Error"]["Code"]
    assert code == "KMSInternalException"
    return True


def test_retired_domain_key_goes_from_the_token_too_and_keys_live_on(
    tmp_path: Path, softhsm: TestToken
) -> None:
    """By the job runner, in a boundary that may do with files only what its sandbox allows."""
    configuration = write_token_configuration(tmp_path, softhsm)
    environment = {"STRONGROOM_BACKUP_RETENTION_DAYS": "2"}
    with Server(
        "--config", str(configuration), data_dir=tmp_path / "data", environment=environment
    ) as server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"text")["CiphertextBlob"]
        first = domain_keys_of(tmp_path / "data")
        assert in_token(softhsm) == first
        advance(server, 1.1)
        wait_for_anchor(tmp_path / "data", 2, 1)  # one retires,
        advance(server, 2.1)  # and is of age
        deadline = time.monotonic() + 90
        while first & in_token(softhsm):
            assert time.monotonic() < deadline, server.logged.decode()
            time.sleep(0.2)
        assert in_token(softhsm) == domain_keys_of(tmp_path / "data")
        assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"text"
        assert b"did not forget" not in server.logged


def advance(server: Server, days: float) -> None:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/_strongroom/clock", b'{"advance_seconds": %d}' % (days * 86_400))
    assert connection.getresponse().read()
    connection.close()


def domain_keys_of(data_dir: Path) -> set[str]:
    """The ids of those that the store has."""
    with contextlib.closing(sqlite3.connect(f"file:{data_dir / 'strongroom.db'}?mode=ro", uri=True)) as store:
        return {row[0].hex() for row in store.execute("SELECT domain_key_id FROM domain_keys")}


def in_token(softhsm: TestToken) -> set[str]:
    """The ids of those that the token has, whole or in part."""
    token = softhsm.open()
    try:
        keys = token.find_keys({Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True}, 256)
        return {token.read_attribute(key, Cka.LABEL).decode().rsplit(" ", 1)[1] for key in keys}
    finally:
        token.close()


def test_server_with_a_token_is_not_started_without_it_nor_one_without_it_with_it(
    tmp_path: Path, softhsm: TestToken
) -> None:
    """Or the domain keys of a day without it would keep all access keys from opening with it."""
    configuration = write_token_configuration(tmp_path, softhsm)
    settings = ("--config", str(configuration))
    with Server(*settings, data_dir=tmp_path / "in-token") as server:
        server.client().create_key()
    with Server(data_dir=tmp_path / "without") as server:
        server.client().create_key()
    before = [(tmp_path / name / "strongroom.db").read_bytes() for name in ("in-token", "without")]
    with pytest.raises(RuntimeError, match=r"bring the table \[pkcs11\] back\. Nothing was changed"):
        Server(data_dir=tmp_path / "in-token").start()
    with pytest.raises(RuntimeError, match=r"leave the table \[pkcs11\] out.* Nothing was changed"):
        Server(*settings, data_dir=tmp_path / "without").start()
    assert before == [(tmp_path / name / "strongroom.db").read_bytes() for name in ("in-token", "without")]
    for given, name in ((settings, "in-token"), ((), "without")):
        with Server(*given, data_dir=tmp_path / name) as server:
            server.client().create_key()


def test_server_whose_token_refuses_the_pin_does_not_start_and_says_why(
    tmp_path: Path, softhsm: TestToken
) -> None:
    configuration = write_token_configuration(tmp_path, softhsm)
    softhsm.change_pin(b"changed-pin")
    with pytest.raises(RuntimeError, match="refuses the PIN in the PIN file"):
        Server("--config", str(configuration), data_dir=tmp_path / "data").start()
