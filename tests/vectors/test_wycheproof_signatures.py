"""Wycheproof's signatures under public keys, by the code that the boundary's keys verify with."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from tests.vectors.wycheproof import exists, groups

from strongroom.boundary.interface import SignatureRefused
from strongroom.boundary.software.signature_verification import verify_signature

ECDSA = [
    ("ECC_NIST_P256", "ecdsa_secp256r1_sha256_test", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ecdsa_secp384r1_sha384_test", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ecdsa_secp521r1_sha512_test", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ecdsa_secp256k1_sha256_test", "ECDSA_SHA_256"),
]
PKCS1 = [
    (f"RSA_{bits}", f"rsa_signature_{bits}_sha{digest}_test", f"RSASSA_PKCS1_V1_5_SHA_{digest}")
    for bits in (2048, 3072, 4096)
    for digest in (256, 384, 512)
]
PSS = [
    (f"RSA_{bits}", f"rsa_pss_{bits}_sha{digest}_mgf1_{digest // 8}_test", f"RSASSA_PSS_SHA_{digest}")
    for bits in (2048, 3072, 4096)
    for digest in (256, 384, 512)
]
OTHERS = [("ECC_NIST_EDWARDS25519", "ed25519_test", "ED25519_SHA_512")] + [
    (f"ML_DSA_{level}", f"mldsa_{level}_verify_test", "ML_DSA_SHAKE_256") for level in (44, 65, 87)
]
FILES = [row for row in (*ECDSA, *PKCS1, *PSS, *OTHERS) if exists("Signature", row[1])]


def public_key_of(group: dict[str, Any]) -> bytes:
    return bytes.fromhex(group.get("publicKeyDer") or group["publicKeyAsn"])


def is_accepted(spec: str, algorithm: str, public_key: bytes, test: dict[str, Any]) -> bool:
    try:
        verify_signature(
            spec, public_key, bytes.fromhex(test["msg"]), "RAW", algorithm, bytes.fromhex(test["sig"])
        )
    except (SignatureRefused, ValueError):  # ValueError: not a public key of the spec
        return False
    return True


@pytest.mark.parametrize(("spec", "name", "algorithm"), FILES)
def test_every_wycheproof_signature_is_judged_as_it_should_be(spec: str, name: str, algorithm: str) -> None:
    seen: Counter[str] = Counter()
    for group in groups("Signature", name):
        public_key = public_key_of(group)
        for test in group["tests"]:
            if test.get("ctx") or len(test["msg"]) > 8192:  # KMS signs without a context, 4,096 bytes at most
                continue
            accepted = is_accepted(spec, algorithm, public_key, test)
            if test["result"] != "acceptable":
                assert accepted is (test["result"] == "valid"), test
            seen[test["result"]] += 1
    assert seen["valid"] >= 1
    assert seen["invalid"] + seen["acceptable"] >= 1


def test_files_above_cover_every_kind_of_signature() -> None:
    assert {spec for spec, _, _ in FILES} == {
        "RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521",
        "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87",
    }  # fmt: skip
    assert len(FILES) >= 20
