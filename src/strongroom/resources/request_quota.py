"""AWS's request quotas as one table: how many requests of each kind an account may make in a second.

Source: AWS KMS Developer Guide, "Request quotas" (requests-per-second.html) as of 2026. Each kind of
request has a quota of its own in each account and Region; cryptographic operations share one by the kind
of key. Cryptographic operations with keys in a custom key store count against that store's quota as well.
Not in the table: Encapsulate, Decapsulate and data key pairs of ML_KEM (the guide has no row of theirs).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from strongroom.aws.generated.enums import DataKeyPairSpec
from strongroom.resources.identifiers import Region

SYMMETRIC = "symmetric"
RSA = "rsa"
ECC = "ecc"
"""Elliptic curves and SM2, DeriveSharedSecret too."""
ML_DSA = "ml_dsa"
ML_KEM = "ml_kem"
CUSTOM_KEY_STORE = "custom_key_store"
"""Cryptographic operations with the keys of one custom key store: calculated separately for each store."""
DATA_KEY_PAIR = "GenerateDataKeyPair/"
"""Followed by the KeyPairSpec: GenerateDataKeyPair and GenerateDataKeyPairWithoutPlaintext share it."""

_SYMMETRIC_HIGHEST = frozenset({"us-east-1", "us-west-2", "eu-west-1"})
_SYMMETRIC_HIGHER = frozenset(
    {"us-east-2", "ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "eu-central-1", "eu-west-2"}
)
_CHINA = "cn-"
_RSA_DATA_KEY_PAIRS_IN_CHINA = {
    DATA_KEY_PAIR + "RSA_2048": 1.0,
    DATA_KEY_PAIR + "RSA_3072": 0.5,
    DATA_KEY_PAIR + "RSA_4096": 0.1,
}

_BY_RATE: Mapping[float, tuple[str, ...]] = {
    1: ("GetParametersForImport",),
    5: (
        "CancelKeyDeletion",
        "ConnectCustomKeyStore",
        "CreateAlias",
        "CreateCustomKeyStore",
        "CreateKey",
        "DeleteCustomKeyStore",
        "DescribeCustomKeyStores",
        "DisableKey",
        "DisableKeyRotation",
        "DisconnectCustomKeyStore",
        "EnableKey",
        "GetKeyLastUsage",
        "ReplicateKey",
        "RotateKeyOnDemand",
        "UntagResource",
        "UpdateAlias",
        "UpdateCustomKeyStore",
        "UpdateKeyDescription",
        "UpdatePrimaryRegion",
    ),
    10: ("TagResource",),
    15: (
        "DeleteAlias",
        "DeleteImportedKeyMaterial",
        "EnableKeyRotation",
        "ImportKeyMaterial",
        "PutKeyPolicy",
        "ScheduleKeyDeletion",
    ),
    50: ("CreateGrant", "RetireGrant", "RevokeGrant"),
    100: ("ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListRetirableGrants"),
    500: ("ListAliases", "ListKeys"),
    1000: ("GetKeyPolicy", "GetKeyRotationStatus"),
    2000: ("DescribeKey", "GetPublicKey", "ListResourceTags"),
}

AWS_RATES: Mapping[str, float] = MappingProxyType(
    {
        SYMMETRIC: 10_000.0,
        RSA: 1_000.0,
        ECC: 1_000.0,
        ML_DSA: 1_000.0,
        CUSTOM_KEY_STORE: 1_800.0,
        DATA_KEY_PAIR + "ECC_NIST_P256": 100.0,
        DATA_KEY_PAIR + "ECC_NIST_P384": 100.0,
        DATA_KEY_PAIR + "ECC_NIST_P521": 100.0,
        DATA_KEY_PAIR + "ECC_SECG_P256K1": 100.0,
        DATA_KEY_PAIR + "ECC_NIST_EDWARDS25519": 100.0,
        DATA_KEY_PAIR + "RSA_2048": 20.0,
        DATA_KEY_PAIR + "RSA_3072": 4.0,
        DATA_KEY_PAIR + "RSA_4096": 1.0,
        DATA_KEY_PAIR + "SM2": 25.0,
        **{operation: float(rate) for rate, operations in _BY_RATE.items() for operation in operations},
    }
)
"""Requests per second by group, where the Region makes no difference."""

GROUPS = frozenset({*AWS_RATES, ML_KEM, *(DATA_KEY_PAIR + spec for spec in DataKeyPairSpec)})
"""Every group that a quota can be set for."""


def aws_rate(group: str, region: Region) -> float | None:
    """AWS's default quota in that Region, in requests per second; None where AWS states none."""
    if group == SYMMETRIC:
        if region in _SYMMETRIC_HIGHEST:
            return 100_000.0
        if region in _SYMMETRIC_HIGHER:
            return 20_000.0
    if region.startswith(_CHINA) and group in _RSA_DATA_KEY_PAIRS_IN_CHINA:
        return _RSA_DATA_KEY_PAIRS_IN_CHINA[group]
    return AWS_RATES.get(group)
