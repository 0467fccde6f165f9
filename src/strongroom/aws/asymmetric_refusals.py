"""What KMS says of asymmetric keys: signatures, public keys, encryption under a public key, data key pairs.

Source tags as in refusals.py.
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def _validation(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def invalid_digest_length(algorithm: str) -> ApiError:
    """MessageType DIGEST with a message that is not as long as the algorithm's digests."""
    return _validation(f"Digest is invalid length for algorithm {algorithm}.")  # [LS] [FL 2930]


def invalid_external_mu_length(algorithm: str) -> ApiError:
    """MessageType EXTERNAL_MU with a message that is not 64 bytes."""
    return _validation(f"External Mu is invalid length for algorithm {algorithm}.")  # [2nd], rule in [M]


def message_type_incompatible_with_algorithm(message_type: str, algorithm: str) -> ApiError:
    """ED25519_SHA_512 is for RAW only, ED25519_PH_SHA_512 for DIGEST only."""
    return _validation(  # [FL 2930]
        f"Message type {message_type} is incompatible with algorithm {algorithm}."
    )


def message_type_incompatible_with_key_spec(message_type: str, key_spec: str) -> ApiError:
    """DIGEST with an ML-DSA key, EXTERNAL_MU with any other."""
    return _validation(  # [FL 3025] for DIGEST
        f"Message type {message_type} is incompatible with key spec {key_spec}."
    )


def invalid_signature() -> ApiError:
    """The signature is not the message's; sent without a message."""
    return ApiError("KMSInvalidSignatureException", None)  # [LS]


def no_public_key() -> ApiError:
    """GetPublicKey of a symmetric or HMAC key; sent without a message."""
    return ApiError("UnsupportedOperationException", None)  # [M] for the code, [nv]


def plaintext_too_large(algorithm: str, key_spec: str, bytes_max: int) -> ApiError:
    """More than the modulus can hold."""
    return _validation(  # [LS]
        f"Algorithm {algorithm} and key spec {key_spec} cannot encrypt data larger than {bytes_max} bytes."
    )


def encryption_context_with_asymmetric_key() -> ApiError:
    """Only symmetric encryption keys authenticate an encryption context."""
    return _validation(  # [FL 3038]
        "EncryptionContext is not supported when encrypting/decrypting with asymmetric CMKs."
    )
