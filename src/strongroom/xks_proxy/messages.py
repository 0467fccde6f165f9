"""The External Key Store Proxy API, the server's side: requests read, answers and errors rendered.

Source: External Key Store Proxy API Specification 1.0.3.
"""

from __future__ import annotations

import base64
import binascii
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from strongroom import __version__
from strongroom.boundary.external_key_format import (
    AAD_BYTES_MAX,
    PLAINTEXT_BYTES_MAX,
    TAG_BYTES,
    Sealed,
    lengths_of,
)
from strongroom.resources.json_members import require_distinct_members

ALGORITHM: Final = "AES_GCM"
INTEGRITY_ALGORITHM: Final = "SHA_256"
T = TypeVar("T", bound=msgspec.Struct)


class ErrorName(StrEnum):
    """The errors of the API ("Error codes")."""

    VALIDATION = "ValidationException"
    INVALID_STATE = "InvalidStateException"
    INVALID_CIPHERTEXT = "InvalidCiphertextException"
    INVALID_KEY_USAGE = "InvalidKeyUsageException"
    AUTHENTICATION_FAILED = "AuthenticationFailedException"
    ACCESS_DENIED = "AccessDeniedException"
    KEY_NOT_FOUND = "KeyNotFoundException"
    INVALID_URI_PATH = "InvalidUriPathException"
    THROTTLING = "ThrottlingException"
    INTERNAL = "InternalException"
    UNSUPPORTED_OPERATION = "UnsupportedOperationException"
    DEPENDENCY_TIMEOUT = "DependencyTimeoutException"


STATUSES: Final = {
    ErrorName.VALIDATION: 400,
    ErrorName.INVALID_STATE: 400,
    ErrorName.INVALID_CIPHERTEXT: 400,
    ErrorName.INVALID_KEY_USAGE: 400,
    ErrorName.AUTHENTICATION_FAILED: 401,
    ErrorName.ACCESS_DENIED: 403,
    ErrorName.KEY_NOT_FOUND: 404,
    ErrorName.INVALID_URI_PATH: 404,
    ErrorName.THROTTLING: 429,
    ErrorName.INTERNAL: 500,
    ErrorName.UNSUPPORTED_OPERATION: 501,
    ErrorName.DEPENDENCY_TIMEOUT: 503,
}


class ProxyRefused(Exception):
    """A request is refused; `sentence` is ours, printable ASCII, and repeats nothing of the request."""

    def __init__(self, name: ErrorName, sentence: str) -> None:
        super().__init__(name.value)
        self.name = name
        self.sentence = sentence

    @property
    def status(self) -> int:
        """Of HTTP."""
        return STATUSES[self.name]


class RequestMetadata(msgspec.Struct, rename="camel"):
    """What the caller says of the request to it. Members that are not known are left alone (Appendix B)."""

    kms_operation: str
    kms_request_id: str
    """Opaque."""
    aws_principal_arn: str | None = None
    kms_key_arn: str | None = None
    kms_via_service: str | None = None
    aws_source_vpc: str | None = None
    aws_source_vpce: str | None = None


class MetadataRequest(msgspec.Struct, rename="camel"):
    """GetHealthStatus and GetKeyMetadata."""

    request_metadata: RequestMetadata


class _Encrypt(msgspec.Struct, rename="camel"):
    request_metadata: RequestMetadata
    plaintext: str
    encryption_algorithm: str
    additional_authenticated_data: str = ""
    ciphertext_data_integrity_value_algorithm: str | None = None


class _Decrypt(msgspec.Struct, rename="camel"):
    request_metadata: RequestMetadata
    ciphertext: str
    encryption_algorithm: str
    initialization_vector: str
    authentication_tag: str
    additional_authenticated_data: str = ""
    ciphertext_metadata: str = ""


class EncryptRequest(msgspec.Struct):
    """Encrypt, decoded."""

    request_metadata: RequestMetadata
    plaintext: bytes
    aad: bytes
    wants_integrity_value: bool

    def __repr__(self) -> str:
        return "<EncryptRequest>"


class DecryptRequest(msgspec.Struct):
    """Decrypt, decoded."""

    request_metadata: RequestMetadata
    sealed: Sealed
    aad: bytes


def _invalid(sentence: str) -> ProxyRefused:
    return ProxyRefused(ErrorName.VALIDATION, sentence)


def _decode(body: bytes, shape: type[T]) -> T:
    try:
        request = msgspec.json.decode(body, type=shape, strict=True)
        require_distinct_members(body)
    except (ValueError, RecursionError):  # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        raise _invalid("The body must be a JSON object with all required members, each once.") from None
    return request


def _bytes(text: str, sentence: str) -> bytes:
    """Standard Base64 in its one spelling. Raises ProxyRefused."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid(sentence) from None
    if base64.b64encode(data).decode("ascii") != text:
        raise _invalid(sentence)
    return data


def _require_key_metadata(metadata: RequestMetadata, *, names_key: bool) -> None:
    if metadata.aws_principal_arn is None:
        raise _invalid("requestMetadata must have awsPrincipalArn.")
    if names_key and metadata.kms_key_arn is None:
        raise _invalid("requestMetadata must have kmsKeyArn.")


def parse_health_request(body: bytes) -> RequestMetadata:
    """Raises ProxyRefused, as all that follow."""
    return _decode(body, MetadataRequest).request_metadata


def parse_metadata_request(body: bytes) -> RequestMetadata:
    metadata = _decode(body, MetadataRequest).request_metadata
    _require_key_metadata(metadata, names_key=False)
    return metadata


def parse_encrypt_request(body: bytes) -> EncryptRequest:
    request = _decode(body, _Encrypt)
    _require_key_metadata(request.request_metadata, names_key=True)
    _require_algorithm(request.encryption_algorithm)
    algorithm = request.ciphertext_data_integrity_value_algorithm
    if algorithm not in (None, INTEGRITY_ALGORITHM):
        raise _invalid("ciphertextDataIntegrityValueAlgorithm must be SHA_256.")
    plaintext = _bytes(request.plaintext, "plaintext must be Base64.")
    if not plaintext:
        raise _invalid("plaintext must not be empty.")
    if len(plaintext) > PLAINTEXT_BYTES_MAX:
        _refuse_size(f"plaintext has more than {PLAINTEXT_BYTES_MAX} bytes.")
    aad = _parse_aad(request.additional_authenticated_data)
    return EncryptRequest(request.request_metadata, plaintext, aad, algorithm is not None)


def parse_decrypt_request(body: bytes) -> DecryptRequest:
    request = _decode(body, _Decrypt)
    _require_key_metadata(request.request_metadata, names_key=True)
    _require_algorithm(request.encryption_algorithm)
    sealed = Sealed(
        _bytes(request.ciphertext_metadata, "ciphertextMetadata must be Base64."),
        _bytes(request.initialization_vector, "initializationVector must be Base64."),
        _bytes(request.authentication_tag, "authenticationTag must be Base64."),
        _bytes(request.ciphertext, "ciphertext must be Base64."),
    )
    if len(sealed.ciphertext) > PLAINTEXT_BYTES_MAX:
        _refuse_size(f"ciphertext has more than {PLAINTEXT_BYTES_MAX} bytes.")
    return DecryptRequest(request.request_metadata, sealed, _parse_aad(request.additional_authenticated_data))


def require_own_lengths(sealed: Sealed) -> None:
    """Whether this proxy could have sealed it. Raises ProxyRefused: InvalidCiphertextException."""
    try:
        lengths = lengths_of(sealed.metadata)
    except ValueError:
        raise ciphertext_refused() from None
    is_of_own_lengths = (len(sealed.metadata), len(sealed.iv)) == lengths and len(sealed.tag) == TAG_BYTES
    if not is_of_own_lengths or not sealed.ciphertext:
        raise ciphertext_refused()


def ciphertext_refused() -> ProxyRefused:
    """One error for every way in which a ciphertext does not open."""
    return ProxyRefused(
        ErrorName.INVALID_CIPHERTEXT,
        "The ciphertext, its metadata, initialization vector or authentication tag, or the additional "
        "authenticated data is corrupted, missing or otherwise invalid.",
    )


def _require_algorithm(name: str) -> None:
    if name != ALGORITHM:
        raise _invalid("encryptionAlgorithm must be AES_GCM.")


def _parse_aad(text: str) -> bytes:
    aad = _bytes(text, "additionalAuthenticatedData must be Base64.")
    if len(aad) > AAD_BYTES_MAX:
        _refuse_size(f"additionalAuthenticatedData has more than {AAD_BYTES_MAX} bytes.")
    return aad


def _refuse_size(sentence: str) -> NoReturn:
    raise ProxyRefused(ErrorName.UNSUPPORTED_OPERATION, sentence)


def integrity_value_of(aad: bytes, sealed: Sealed) -> bytes:
    """The ciphertextDataIntegrityValue (Appendix C)."""
    return sha256(aad + sealed.metadata + sealed.iv + sealed.ciphertext + sealed.tag).digest()


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def render_encrypted(sealed: Sealed, integrity_value: bytes | None) -> bytes:
    answer = {
        "ciphertext": _text(sealed.ciphertext),
        "ciphertextMetadata": _text(sealed.metadata),
        "initializationVector": _text(sealed.iv),
        "authenticationTag": _text(sealed.tag),
    }
    if integrity_value is not None:
        answer["ciphertextDataIntegrityValue"] = _text(integrity_value)
    return msgspec.json.encode(answer)


def render_decrypted(plaintext: bytes) -> bytes:
    return msgspec.json.encode({"plaintext": _text(plaintext)})


def render_metadata(key_spec: str, usages: tuple[str, ...], *, enabled: bool) -> bytes:
    status = "ENABLED" if enabled else "DISABLED"
    return msgspec.json.encode({"keySpec": key_spec, "keyUsage": usages, "keyStatus": status})


def render_health() -> bytes:
    """That all is well: where it is not, the answer is an error."""
    machine = {"id": "boundary", "model": f"Strongroom {__version__} boundary", "healthStatus": "ACTIVE"}
    health: dict[str, Any] = {
        "xksProxyFleetSize": 1,
        "xksProxyVendor": "Strongroom",
        "xksProxyModel": f"Strongroom {__version__}",
        "ekmVendor": "Strongroom",
        "ekmFleetDetails": [machine],
    }
    return msgspec.json.encode(health)


def render_error(name: str, sentence: str) -> bytes:
    """Shape: `sentence` is printable ASCII and shorter than 512 characters."""
    return msgspec.json.encode({"errorName": name, "errorMessage": sentence})
