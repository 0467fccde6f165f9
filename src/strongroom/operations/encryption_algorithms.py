"""Which key does which encryption algorithm, and how much a public key can encrypt."""

from __future__ import annotations

from collections.abc import Mapping

from strongroom.aws import asymmetric_refusals, refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import EncryptionAlgorithmSpec, KeySpec
from strongroom.resources.key import Key
from strongroom.resources.key_spec import KEY_SPECS

SYMMETRIC_DEFAULT = EncryptionAlgorithmSpec.SYMMETRIC_DEFAULT
SYMMETRIC_KEY = KeySpec.SYMMETRIC_DEFAULT

_SHA_1, _SHA_256 = EncryptionAlgorithmSpec.RSAES_OAEP_SHA_1, EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256

PLAINTEXT_BYTES_MAX: Mapping[tuple[KeySpec, EncryptionAlgorithmSpec], int] = {
    (KeySpec.RSA_2048, _SHA_1): 214,
    (KeySpec.RSA_2048, _SHA_256): 190,
    (KeySpec.RSA_3072, _SHA_1): 342,
    (KeySpec.RSA_3072, _SHA_256): 318,
    (KeySpec.RSA_4096, _SHA_1): 470,
    (KeySpec.RSA_4096, _SHA_256): 446,
    (KeySpec.SM2, EncryptionAlgorithmSpec.SM2PKE): 1024,
}
"""Source: Encrypt API reference, "The maximum size of the data that you can encrypt"."""


def require_algorithm(key: Key, algorithm: EncryptionAlgorithmSpec | None) -> EncryptionAlgorithmSpec:
    """The algorithm to use: the one asked for, which is SYMMETRIC_DEFAULT when none is.

    An algorithm that the key cannot do is refused with InvalidKeyUsageException.
    """
    wanted = SYMMETRIC_DEFAULT if algorithm is None else algorithm
    if wanted not in KEY_SPECS[key.key_spec].encryption_algorithms:
        raise refusals.algorithm_incompatible(wanted, key.key_spec)
    return wanted


def require_symmetric(key: Key) -> None:
    """Data keys and data key pairs are encrypted under symmetric keys only."""
    if key.key_spec is not SYMMETRIC_KEY:
        require_algorithm(key, SYMMETRIC_DEFAULT)


def require_no_encryption_context(context: Mapping[str, str] | None) -> None:
    """Asymmetric ciphertexts have no room for an encryption context: it is refused, never overlooked."""
    if context:
        raise asymmetric_refusals.encryption_context_with_asymmetric_key()


def require_fits(key: Key, algorithm: EncryptionAlgorithmSpec, plaintext_bytes: int) -> None:
    """A plaintext that is too long for the key and algorithm is refused with AWS's sentence."""
    if plaintext_bytes > PLAINTEXT_BYTES_MAX[key.key_spec, algorithm]:
        raise too_large(key, algorithm)


def too_large(key: Key, algorithm: EncryptionAlgorithmSpec) -> ApiError:
    """The refusal of a plaintext that the key and algorithm cannot encrypt."""
    bytes_max = PLAINTEXT_BYTES_MAX[key.key_spec, algorithm]
    return asymmetric_refusals.plaintext_too_large(algorithm, key.key_spec, bytes_max)
