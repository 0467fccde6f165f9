"""Importing key material with boto3, as the Developer Guide shows it, until it expires."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator

import pytest
from botocore.exceptions import ClientError
from tests.conformance.raw_calls import control
from tests.support.key_imports import wrap
from tests.support.server import Server

ALGORITHM = "RSAES_OAEP_SHA_256"


@pytest.fixture(scope="module")
def moving() -> Iterator[Server]:
    """A development server with two workers, whose time is this file's to change."""
    with Server("--workers", "2") as running:
        yield running


def test_imported_material_from_its_import_to_its_end_and_back(moving: Server) -> None:
    kms = moving.client()
    material = os.urandom(32)
    key_id = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]

    def import_again(valid_to: datetime.datetime) -> str:
        parameters = kms.get_parameters_for_import(
            KeyId=key_id, WrappingAlgorithm=ALGORITHM, WrappingKeySpec="RSA_4096"
        )
        answer = kms.import_key_material(
            KeyId=key_id,
            ImportToken=parameters["ImportToken"],
            EncryptedKeyMaterial=wrap(parameters["PublicKey"], ALGORITHM, material),
            ExpirationModel="KEY_MATERIAL_EXPIRES",
            ValidTo=valid_to,
        )
        return str(answer["KeyMaterialId"])

    valid_to = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(hours=1)
    imported = import_again(valid_to)
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert metadata["ValidTo"] == valid_to
    assert (metadata["KeyState"], metadata["CurrentKeyMaterialId"]) == ("Enabled", imported)
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    assert control(moving, "clock", advance_seconds=3601).status == 200
    for _ in range(10):  # on both workers
        with pytest.raises(ClientError, match="is pending import"):
            moving.client().decrypt(CiphertextBlob=blob)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingImport"
    assert import_again(valid_to + datetime.timedelta(days=2)) == imported
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert kms.delete_imported_key_material(KeyId=key_id)["KeyMaterialId"] == imported
    with pytest.raises(kms.exceptions.KMSInvalidStateException):
        kms.decrypt(CiphertextBlob=blob)
