"""securesystemslib's AWSSigner, unmodified (what python-tuf signs with): signed here, verified offline."""

from __future__ import annotations

from typing import Any

import pytest
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import AWSSigner  # type: ignore[attr-defined]  # exported without saying so
from tests.support.server import REGION, Server

PAYLOAD = b'{"_type": "root", "version": 1}'


@pytest.mark.parametrize(
    ("spec", "scheme"),
    [
        ("ECC_NIST_P256", None),
        ("ECC_NIST_P384", "ecdsa-sha2-nistp384"),
        ("RSA_2048", None),
        ("RSA_2048", "rsassa-pss-sha512"),
        ("RSA_2048", "rsa-pkcs1v15-sha256"),
    ],
)
def test_securesystemslib_signature_of_a_digest_verifies_offline(
    server: Server, kms: Any, monkeypatch: pytest.MonkeyPatch, spec: str, scheme: str | None
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    key_id = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    uri, public_key = AWSSigner.import_(key_id, scheme)
    signature = AWSSigner.from_priv_key_uri(uri, public_key).sign(PAYLOAD)
    public_key.verify_signature(signature, PAYLOAD)
    with pytest.raises(UnverifiedSignatureError):
        public_key.verify_signature(signature, PAYLOAD + b" ")
