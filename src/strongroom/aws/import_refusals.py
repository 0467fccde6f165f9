"""Every sentence that refuses a caller who imports key material, with where it is known from.

The source tags are those of refusals.py.
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def _validation(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def _unsupported(message: str) -> ApiError:
    return ApiError("UnsupportedOperationException", message)


# ---------------------------------------------------------------- GetParametersForImport


def spec_cannot_be_imported(key_spec: str) -> ApiError:
    """Key material of the spec cannot be imported: ML-DSA keys, and what the guide does not name."""
    return _unsupported(f"Importing key material is not supported for the key spec {key_spec}.")  # [nv] [DG]


def pkcs1_v1_5_not_supported() -> ApiError:
    """RSAES_PKCS1_V1_5, which AWS takes no more."""
    return _unsupported(  # [M]: the sentence of WrappingAlgorithm; that it is the error's is [nv]
        "As of October 10, 2023, KMS does not support the RSAES_PKCS1_V1_5 wrapping algorithm."
    )


def wrapping_not_supported(wrapping_algorithm: str, wrapping_key_spec: str, key_spec: str) -> ApiError:
    """A wrapping algorithm that does not go with the KMS key: the guide's table says which do."""
    return _unsupported(  # [nv] [DG]
        f"The wrapping algorithm {wrapping_algorithm} with the wrapping key spec {wrapping_key_spec} "
        f"is not supported for key material of the key spec {key_spec}."
    )


# ---------------------------------------------------------------- ImportKeyMaterial


def valid_to_required() -> ApiError:
    """Key material that expires, without saying when."""
    return _validation("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")  # [LS]


def valid_to_not_allowed() -> ApiError:
    """Key material that does not expire, and a date."""
    return _validation(  # [nv], rule in [M]
        "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"
    )


def valid_to_out_of_range() -> ApiError:
    """ValidTo in the past, or more than 365 days ahead."""
    return _validation(  # [nv], rule in [M]
        "The validTo date must be in the future and at most 365 days from now"
    )


def symmetric_only(member: str) -> ApiError:
    """ImportType, KeyMaterialDescription or KeyMaterialId for a key that has one material for ever."""
    return _validation(
        f"{member} can be specified only for symmetric encryption KMS keys."
    )  # [nv], rule in [M]


def material_id_with_new_material() -> ApiError:
    """KeyMaterialId where new key material is imported."""
    return _validation(  # [nv], rule in [M]
        "KeyMaterialId cannot be specified when ImportType is NEW_KEY_MATERIAL."
    )


def invalid_import_token() -> ApiError:
    """The import token is damaged, of another KMS key, or no import token."""
    return ApiError(  # [M]
        "InvalidImportTokenException",
        "The request was rejected because the provided import token is invalid or is associated with a "
        "different KMS key.",
    )


def expired_import_token() -> ApiError:
    """The import token's 24 hours are over."""
    return ApiError(  # [M]
        "ExpiredImportTokenException",
        "The request was rejected because the specified import token is expired. Use "
        "GetParametersForImport to get a new import token and public key, use the new public key to "
        "encrypt the key material, and then try the request again.",
    )


def incorrect_key_material() -> ApiError:
    """Key material that unwrapped, and is not of the key's spec or not the material it must be."""
    return ApiError(  # [M]
        "IncorrectKeyMaterialException",
        "The request was rejected because the key material in the request is, expired, invalid, or does not "
        "meet expectations.",
    )


def another_material_pending(key_id: str, material_id: str, pending_material_id: str) -> ApiError:
    """New key material, while another waits for its rotation."""
    return ApiError(  # [LS]
        "KMSInvalidStateException",
        f"New key material (id: {material_id}) cannot be imported into KMS key {key_id}, because another "
        f"key material (id: {pending_material_id}) is pending rotation.",
    )


def new_material_on_replica(key_arn: str) -> ApiError:
    """New key material goes to the primary key of a multi-Region key first."""
    return _unsupported(f"New key material cannot be imported into the replica key {key_arn}.")  # [nv] [M]


# ---------------------------------------------------------------- DeleteImportedKeyMaterial


def material_not_found(material_id: str, key_arn: str) -> ApiError:
    """The KMS key has no key material of that id."""
    return ApiError(  # [nv]; code in [M]
        "NotFoundException", f"Key material {material_id} is not associated with {key_arn}."
    )
