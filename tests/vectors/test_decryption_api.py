"""Wycheproof's RSAES-OAEP ciphertexts, decrypted by Decrypt."""

from __future__ import annotations

import base64

import pytest
from tests.support.road import Road
from tests.vectors.importing import encoded, imported_key, outcome
from tests.vectors.wycheproof import groups

FILES = [
    ("RSA_2048", "rsa_oaep_2048_sha1_mgf1sha1_test", "RSAES_OAEP_SHA_1"),
    ("RSA_2048", "rsa_oaep_2048_sha256_mgf1sha256_test", "RSAES_OAEP_SHA_256"),
    ("RSA_3072", "rsa_oaep_3072_sha256_mgf1sha256_test", "RSAES_OAEP_SHA_256"),
    ("RSA_4096", "rsa_oaep_4096_sha256_mgf1sha256_test", "RSAES_OAEP_SHA_256"),
]


@pytest.mark.parametrize(("spec", "name", "algorithm"), FILES)
def test_decrypt_of_wycheproof_oaep_agrees(road: Road, spec: str, name: str, algorithm: str) -> None:
    seen = 0
    for group in groups("Cipher", name):
        key_id = imported_key(road, spec, "ENCRYPT_DECRYPT", bytes.fromhex(group["privateKeyPkcs8"]))
        for test in group["tests"]:
            if test["label"] or not test["ct"]:  # KMS has no label; a ciphertext has at least one byte
                continue
            answer = outcome(
                road,
                "Decrypt",
                KeyId=key_id,
                CiphertextBlob=encoded(bytes.fromhex(test["ct"])),
                EncryptionAlgorithm=algorithm,
            )
            seen += 1
            if test["result"] == "valid" and test["msg"]:
                assert isinstance(answer, dict), (test, answer)
                assert base64.b64decode(answer["Plaintext"]).hex() == test["msg"], test
            elif test["result"] == "invalid":
                assert answer == "InvalidCiphertextException", (test, answer)
    assert seen >= 20
