"""Tink for Python, unmodified: its AWS KMS integration as an AEAD, and as the key of an envelope."""

from __future__ import annotations

from typing import Any

import boto3
import pytest
import tink
from tests.support.server import REGION, Server
from tink import aead
from tink.integration import awskms


@pytest.fixture
def key_uri(kms: Any) -> str:
    return f"aws-kms://{kms.create_key()['KeyMetadata']['Arn']}"


@pytest.fixture
def remote(server: Server, key_uri: str) -> Any:
    """Tink's AEAD of one key, over a boto3 client of the server."""
    client = boto3.client(
        "kms",
        endpoint_url=server.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    return awskms.new_client(boto3_client=client, key_uri=key_uri).get_aead(key_uri)


@pytest.mark.parametrize("associated_data", [b"", b"tenant 7"])
def test_tink_aead_round_trip(remote: Any, associated_data: bytes) -> None:
    ciphertext = remote.encrypt(b"to be sealed", associated_data)
    assert remote.decrypt(ciphertext, associated_data) == b"to be sealed"


def test_tink_aead_with_other_associated_data_or_an_altered_ciphertext_fails(remote: Any) -> None:
    ciphertext = remote.encrypt(b"to be sealed", b"tenant 7")
    altered = ciphertext[:-1] + bytes((ciphertext[-1] ^ 1,))
    for tried, associated_data in ((ciphertext, b"tenant 8"), (ciphertext, b""), (altered, b"tenant 7")):
        with pytest.raises(tink.TinkError, match="InvalidCiphertextException"):
            remote.decrypt(tried, associated_data)


def test_tink_envelope_round_trip(remote: Any) -> None:
    aead.register()
    envelope = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote)
    plaintext = b"envelope " * 5000
    sealed = envelope.encrypt(plaintext, b"file 1")
    assert envelope.decrypt(sealed, b"file 1") == plaintext
    with pytest.raises(tink.TinkError):
        envelope.decrypt(sealed, b"file 2")
