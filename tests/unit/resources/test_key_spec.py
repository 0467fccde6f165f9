"""The key spec table against the service model and AWS's key spec reference."""

from __future__ import annotations

from itertools import chain

import pytest

from strongroom.aws.generated.enums import (
    EncapsulationAlgorithmSpec,
    EncryptionAlgorithmSpec,
    KeyAgreementAlgorithmSpec,
    KeySpec,
    KeyUsageType,
    MacAlgorithmSpec,
    SigningAlgorithmSpec,
)
from strongroom.resources.key_spec import KEY_SPECS, KeyType, is_usage_compatible

ENCRYPT, SIGN = KeyUsageType.ENCRYPT_DECRYPT, KeyUsageType.SIGN_VERIFY
MAC, AGREE = KeyUsageType.GENERATE_VERIFY_MAC, KeyUsageType.KEY_AGREEMENT
ENCAPSULATE = KeyUsageType.ENCAPSULATE_DECAPSULATE

# Source: KMS API reference, CreateKey, KeySpec and KeyUsage.
USAGES = {
    KeySpec.SYMMETRIC_DEFAULT: {ENCRYPT},
    KeySpec.RSA_2048: {ENCRYPT, SIGN},
    KeySpec.RSA_3072: {ENCRYPT, SIGN},
    KeySpec.RSA_4096: {ENCRYPT, SIGN},
    KeySpec.ECC_NIST_P256: {SIGN, AGREE},
    KeySpec.ECC_NIST_P384: {SIGN, AGREE},
    KeySpec.ECC_NIST_P521: {SIGN, AGREE},
    KeySpec.ECC_SECG_P256K1: {SIGN},
    KeySpec.ECC_NIST_EDWARDS25519: {SIGN},
    KeySpec.SM2: {ENCRYPT, SIGN, AGREE},
    KeySpec.HMAC_224: {MAC},
    KeySpec.HMAC_256: {MAC},
    KeySpec.HMAC_384: {MAC},
    KeySpec.HMAC_512: {MAC},
    KeySpec.ML_DSA_44: {SIGN},
    KeySpec.ML_DSA_65: {SIGN},
    KeySpec.ML_DSA_87: {SIGN},
    KeySpec.ML_KEM_512: {ENCAPSULATE},
    KeySpec.ML_KEM_768: {ENCAPSULATE},
    KeySpec.ML_KEM_1024: {ENCAPSULATE},
}


def test_key_specs_every_spec_of_the_model_has_a_row() -> None:
    """INVARIANT R3."""
    assert set(KEY_SPECS) == set(KeySpec) == set(USAGES)
    assert len(KEY_SPECS) == 20


@pytest.mark.parametrize("spec", KeySpec)
def test_key_specs_usages_are_those_of_create_key(spec: KeySpec) -> None:
    assert set(KEY_SPECS[spec].usages) == USAGES[spec]
    for usage in KeyUsageType:
        assert is_usage_compatible(usage, spec) is (usage in USAGES[spec])
        assert bool(KEY_SPECS[spec].algorithms(usage)) is (usage in USAGES[spec])


def test_key_specs_every_algorithm_of_the_model_is_offered_by_some_spec() -> None:
    rows = list(KEY_SPECS.values())
    offered = [set(chain.from_iterable(row.algorithms(usage) for row in rows)) for usage in KeyUsageType]
    assert offered == [
        set(SigningAlgorithmSpec),
        set(EncryptionAlgorithmSpec),
        set(MacAlgorithmSpec),
        set(KeyAgreementAlgorithmSpec),
        set(EncapsulationAlgorithmSpec),
    ]


@pytest.mark.parametrize(
    ("spec", "usage", "algorithms"),
    [
        (KeySpec.SYMMETRIC_DEFAULT, ENCRYPT, ["SYMMETRIC_DEFAULT"]),
        (KeySpec.RSA_2048, ENCRYPT, ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]),
        (
            KeySpec.RSA_4096,
            SIGN,
            [
                "RSASSA_PKCS1_V1_5_SHA_256",
                "RSASSA_PKCS1_V1_5_SHA_384",
                "RSASSA_PKCS1_V1_5_SHA_512",
                "RSASSA_PSS_SHA_256",
                "RSASSA_PSS_SHA_384",
                "RSASSA_PSS_SHA_512",
            ],
        ),
        (KeySpec.ECC_NIST_P384, SIGN, ["ECDSA_SHA_384"]),
        (KeySpec.ECC_SECG_P256K1, SIGN, ["ECDSA_SHA_256"]),
        (KeySpec.ECC_NIST_P521, AGREE, ["ECDH"]),
        (KeySpec.HMAC_224, MAC, ["HMAC_SHA_224"]),
        (KeySpec.ML_DSA_65, SIGN, ["ML_DSA_SHAKE_256"]),
        (KeySpec.HMAC_224, SIGN, []),
    ],
    ids=str,
)
def test_key_specs_algorithms_stand_in_the_order_of_describe_key(
    spec: KeySpec, usage: KeyUsageType, algorithms: list[str]
) -> None:
    assert list(KEY_SPECS[spec].algorithms(usage)) == algorithms


@pytest.mark.parametrize("spec", KeySpec)
def test_key_specs_type_follows_the_name(spec: KeySpec) -> None:
    """Source: UpdateAlias: both symmetric or both asymmetric or both HMAC."""
    expected = KeyType.ASYMMETRIC
    if spec is KeySpec.SYMMETRIC_DEFAULT:
        expected = KeyType.SYMMETRIC
    elif spec.startswith("HMAC_"):
        expected = KeyType.HMAC
    assert KEY_SPECS[spec].type is expected
