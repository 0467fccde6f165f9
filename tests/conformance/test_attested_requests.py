"""Attested requests to a whole server: boto3 outside, a root of attestation documents in its settings."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.attestation import Enclave, new_enclave
from tests.support.enveloped_data import parse_enveloped_data
from tests.support.server import Server


@pytest.fixture(scope="module")
def enclave() -> Enclave:
    return new_enclave()


def recipient(enclave: Enclave) -> dict[str, Any]:
    document = enclave.document(datetime.now(UTC), tagged=True)
    return {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}


def test_attested_requests_get_what_only_the_enclave_opens(tmp_path: Path, enclave: Enclave) -> None:
    root, data = tmp_path / "root.pem", tmp_path / "data"
    root.write_bytes(enclave.root.pem)
    environment = {"STRONGROOM_ATTESTATION_ROOTS": f"TEST={root}"}
    with Server(data_dir=data, environment=environment) as server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key_id, Plaintext=b"for the enclave")["CiphertextBlob"]
        answer = kms.decrypt(CiphertextBlob=blob, Recipient=recipient(enclave))
        assert "Plaintext" not in answer
        sealed = parse_enveloped_data(answer["CiphertextForRecipient"])
        assert sealed.open(enclave.rsa_key) == b"for the enclave"
        answer = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256", Recipient=recipient(enclave))
        assert "Plaintext" not in answer
        data_key = parse_enveloped_data(answer["CiphertextForRecipient"]).open(enclave.rsa_key)
        assert data_key == kms.decrypt(CiphertextBlob=answer["CiphertextBlob"])["Plaintext"]
        with pytest.raises(ClientError, match=r"\(ValidationException\)"):
            kms.decrypt(CiphertextBlob=blob, Recipient=recipient(new_enclave()))
    trail = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    assert json.dumps({"attestationRoot": "TEST"})[1:-1].replace(" ", "").encode() in trail


def test_recipient_without_a_configured_root_is_refused(kms: Any, enclave: Enclave) -> None:
    with pytest.raises(ClientError, match="trusts no root of attestation documents"):
        kms.generate_random(NumberOfBytes=32, Recipient=recipient(enclave))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "Cannot read the attestation root"),
        (b"no certificate", "must be one certificate in PEM"),
    ],
)
def test_root_that_cannot_be_used_refuses_to_start(
    tmp_path: Path, content: bytes | None, sentence: str
) -> None:
    root = tmp_path / "root.pem"
    if content is not None:
        root.write_bytes(content)
    server = Server(environment={"STRONGROOM_ATTESTATION_ROOTS": f"TEST={root}"})
    with pytest.raises(RuntimeError, match=sentence), server:
        pass
