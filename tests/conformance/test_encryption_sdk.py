"""The AWS Encryption SDK for Python, unmodified: envelope encryption with our data keys."""

from __future__ import annotations

from typing import Any

import aws_encryption_sdk
import botocore.session
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.key_providers.kms import StrictAwsKmsMasterKeyProvider
from tests.support.server import Server


def provider(arn: str) -> Any:
    """A strict provider of one key ARN; it finds the server by the environment, as users' programs do."""
    return StrictAwsKmsMasterKeyProvider(key_ids=[arn], botocore_session=botocore.session.Session())


@pytest.mark.parametrize("context", [{}, {"tenant": "blau", "purpose": "test"}])
def test_encryption_sdk_message_round_trip(
    server: Server, kms: Any, monkeypatch: pytest.MonkeyPatch, context: dict[str, str]
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    client = aws_encryption_sdk.EncryptionSDKClient(
        commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    )
    plaintext = b"envelope " * 5000
    message, _ = client.encrypt(source=plaintext, key_provider=provider(arn), encryption_context=context)
    opened, header = client.decrypt(source=message, key_provider=provider(arn))
    assert opened == plaintext
    assert context.items() <= header.encryption_context.items()
