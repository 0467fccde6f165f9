"""What a KMS key of each spec can be for, and which algorithms it then offers, as one table.

Source: CreateKey and KeyMetadata in the KMS API reference; Developer Guide, "Key spec reference".
The algorithms stand in the order in which DescribeKey lists them; for SM2, ED25519 and ML_KEM that
order was not seen in an answer of AWS and is the service model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import cast

from strongroom.aws.generated.enums import (
    CustomerMasterKeySpec,
    EncapsulationAlgorithmSpec,
    EncryptionAlgorithmSpec,
    KeyAgreementAlgorithmSpec,
    KeySpec,
    KeyUsageType,
    MacAlgorithmSpec,
    SigningAlgorithmSpec,
)


class KeyType(StrEnum):
    """The three types that an alias cannot move between (UpdateAlias)."""

    SYMMETRIC = "symmetric"
    ASYMMETRIC = "asymmetric"
    HMAC = "HMAC"


@dataclass(frozen=True, slots=True)
class KeySpecRow:
    """What keys of one spec can do. An algorithm list applies only to keys of its usage.

    `encryption_algorithms` goes with ENCRYPT_DECRYPT, `signing_algorithms` with SIGN_VERIFY,
    `mac_algorithms` with GENERATE_VERIFY_MAC, `key_agreement_algorithms` with KEY_AGREEMENT,
    `encapsulation_algorithms` with ENCAPSULATE_DECAPSULATE. Where the list is empty, keys of the
    spec cannot have that usage.
    """

    type: KeyType
    encryption_algorithms: tuple[EncryptionAlgorithmSpec, ...] = ()
    signing_algorithms: tuple[SigningAlgorithmSpec, ...] = ()
    mac_algorithms: tuple[MacAlgorithmSpec, ...] = ()
    key_agreement_algorithms: tuple[KeyAgreementAlgorithmSpec, ...] = ()
    encapsulation_algorithms: tuple[EncapsulationAlgorithmSpec, ...] = ()

    @property
    def usages(self) -> tuple[KeyUsageType, ...]:
        """The usages that CreateKey allows with this spec."""
        return tuple(usage for usage in KeyUsageType if self.algorithms(usage))

    def algorithms(self, usage: KeyUsageType) -> tuple[str, ...]:
        """The algorithms that a key of this spec and `usage` offers; () when it cannot be of that usage."""
        match usage:
            case KeyUsageType.ENCRYPT_DECRYPT:
                return self.encryption_algorithms
            case KeyUsageType.SIGN_VERIFY:
                return self.signing_algorithms
            case KeyUsageType.GENERATE_VERIFY_MAC:
                return self.mac_algorithms
            case KeyUsageType.KEY_AGREEMENT:
                return self.key_agreement_algorithms
            case KeyUsageType.ENCAPSULATE_DECAPSULATE:
                return self.encapsulation_algorithms


_ECDH = (KeyAgreementAlgorithmSpec.ECDH,)
_RSA = KeySpecRow(
    KeyType.ASYMMETRIC,
    encryption_algorithms=(
        EncryptionAlgorithmSpec.RSAES_OAEP_SHA_1,
        EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256,
    ),
    signing_algorithms=(
        SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_256,
        SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_384,
        SigningAlgorithmSpec.RSASSA_PKCS1_V1_5_SHA_512,
        SigningAlgorithmSpec.RSASSA_PSS_SHA_256,
        SigningAlgorithmSpec.RSASSA_PSS_SHA_384,
        SigningAlgorithmSpec.RSASSA_PSS_SHA_512,
    ),
)
_ML_DSA = KeySpecRow(KeyType.ASYMMETRIC, signing_algorithms=(SigningAlgorithmSpec.ML_DSA_SHAKE_256,))
_ML_KEM = KeySpecRow(KeyType.ASYMMETRIC, encapsulation_algorithms=(EncapsulationAlgorithmSpec.ML_KEM,))


def _nist(algorithm: SigningAlgorithmSpec) -> KeySpecRow:
    return KeySpecRow(KeyType.ASYMMETRIC, signing_algorithms=(algorithm,), key_agreement_algorithms=_ECDH)


def _hmac(algorithm: MacAlgorithmSpec) -> KeySpecRow:
    return KeySpecRow(KeyType.HMAC, mac_algorithms=(algorithm,))


# INVARIANT R3: every KeySpec of the service model has a row.
KEY_SPECS: Mapping[KeySpec, KeySpecRow] = MappingProxyType(
    {
        KeySpec.SYMMETRIC_DEFAULT: KeySpecRow(
            KeyType.SYMMETRIC, encryption_algorithms=(EncryptionAlgorithmSpec.SYMMETRIC_DEFAULT,)
        ),
        KeySpec.RSA_2048: _RSA,
        KeySpec.RSA_3072: _RSA,
        KeySpec.RSA_4096: _RSA,
        KeySpec.ECC_NIST_P256: _nist(SigningAlgorithmSpec.ECDSA_SHA_256),
        KeySpec.ECC_NIST_P384: _nist(SigningAlgorithmSpec.ECDSA_SHA_384),
        KeySpec.ECC_NIST_P521: _nist(SigningAlgorithmSpec.ECDSA_SHA_512),
        KeySpec.ECC_SECG_P256K1: KeySpecRow(
            KeyType.ASYMMETRIC, signing_algorithms=(SigningAlgorithmSpec.ECDSA_SHA_256,)
        ),
        KeySpec.ECC_NIST_EDWARDS25519: KeySpecRow(
            KeyType.ASYMMETRIC,
            signing_algorithms=(
                SigningAlgorithmSpec.ED25519_SHA_512,
                SigningAlgorithmSpec.ED25519_PH_SHA_512,
            ),
        ),
        KeySpec.SM2: KeySpecRow(
            KeyType.ASYMMETRIC,
            encryption_algorithms=(EncryptionAlgorithmSpec.SM2PKE,),
            signing_algorithms=(SigningAlgorithmSpec.SM2DSA,),
            key_agreement_algorithms=_ECDH,
        ),
        KeySpec.HMAC_224: _hmac(MacAlgorithmSpec.HMAC_SHA_224),
        KeySpec.HMAC_256: _hmac(MacAlgorithmSpec.HMAC_SHA_256),
        KeySpec.HMAC_384: _hmac(MacAlgorithmSpec.HMAC_SHA_384),
        KeySpec.HMAC_512: _hmac(MacAlgorithmSpec.HMAC_SHA_512),
        KeySpec.ML_DSA_44: _ML_DSA,
        KeySpec.ML_DSA_65: _ML_DSA,
        KeySpec.ML_DSA_87: _ML_DSA,
        KeySpec.ML_KEM_512: _ML_KEM,
        KeySpec.ML_KEM_768: _ML_KEM,
        KeySpec.ML_KEM_1024: _ML_KEM,
    }
)


def customer_master_key_spec(key_spec: KeySpec) -> CustomerMasterKeySpec:
    """The deprecated member of an answer, which has the same value as KeySpec.

    Source: KeyMetadata in the API reference, "The KeySpec and CustomerMasterKeySpec fields have the same
    value", though the model's enumeration was not extended for Ed25519, ML-DSA and ML-KEM: in answers the
    value is a KeySpec.
    """
    return cast(CustomerMasterKeySpec, key_spec)


def is_usage_compatible(usage: KeyUsageType, key_spec: KeySpec) -> bool:
    """Whether CreateKey makes keys of `key_spec` for `usage`."""
    return bool(KEY_SPECS[key_spec].algorithms(usage))
