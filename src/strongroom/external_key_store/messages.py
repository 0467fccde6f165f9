"""What is sent to a proxy and what comes back, as bytes. Pure.

Source: External Key Store Proxy API Specification 1.0.3. Whatever a proxy sends is read strictly: an answer
that is not as the specification has it is ProxyFailure.INVALID_RESPONSE.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import struct
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, TypeVar

import msgspec

from strongroom.aws.proxy_refusals import ProxyFailure
from strongroom.operations.key_store_backend import OnBehalf, ProxyFailed
from strongroom.resources.json_members import require_distinct_members

PLAINTEXT_BYTES_MAX: Final = 4300
METADATA_BYTES_MAX: Final = 20
TAG_BYTES: Final = 16
IV_BYTES: Final = (12, 16)
KEY_USAGES_MAX: Final = 10
FLEET_MAX: Final = 10

T = TypeVar("T", bound=msgspec.Struct)


class KeyMetadata(msgspec.Struct, rename="camel"):
    key_spec: str
    key_usage: list[str]
    key_status: str


class _Encrypted(msgspec.Struct, rename="camel"):
    ciphertext: str
    initialization_vector: str
    authentication_tag: str
    ciphertext_data_integrity_value: str
    ciphertext_metadata: str | None = None


class _Decrypted(msgspec.Struct, rename="camel"):
    plaintext: str


class _Machine(msgspec.Struct, rename="camel"):
    id: str
    model: str
    health_status: str


class Health(msgspec.Struct, rename="camel"):
    xks_proxy_fleet_size: int
    xks_proxy_vendor: str
    xks_proxy_model: str
    ekm_vendor: str
    ekm_fleet_details: list[_Machine]


class _Error(msgspec.Struct, rename="camel"):
    error_name: str


# The status that goes with each name: another one is no answer of the specification.
_FAILURES: Final[Mapping[str, tuple[int, ProxyFailure]]] = {
    "ValidationException": (400, ProxyFailure.INVALID_RESPONSE),
    "InvalidStateException": (400, ProxyFailure.KEY_NOT_ENABLED),
    "InvalidCiphertextException": (400, ProxyFailure.CIPHERTEXT_REFUSED),
    "InvalidKeyUsageException": (400, ProxyFailure.KEY_USAGE),
    "AuthenticationFailedException": (401, ProxyFailure.AUTHENTICATION),
    "AccessDeniedException": (403, ProxyFailure.ACCESS_DENIED),
    "KeyNotFoundException": (404, ProxyFailure.KEY_NOT_FOUND),
    "InvalidUriPathException": (404, ProxyFailure.URI_PATH),
    "ThrottlingException": (429, ProxyFailure.THROTTLED),
    "InternalException": (500, ProxyFailure.INTERNAL),
    "UnsupportedOperationException": (501, ProxyFailure.UNSUPPORTED),
    "DependencyTimeoutException": (503, ProxyFailure.DEPENDENCY_TIMEOUT),
}


def _invalid() -> ProxyFailed:
    return ProxyFailed(ProxyFailure.INVALID_RESPONSE)


def _request(on_behalf: OnBehalf, members: Mapping[str, str], *, names_caller: bool = True) -> bytes:
    metadata = {"kmsOperation": on_behalf.operation, "kmsRequestId": on_behalf.request_id}
    if names_caller:
        metadata["awsPrincipalArn"] = on_behalf.principal_arn
    if on_behalf.key_arn is not None:
        metadata["kmsKeyArn"] = on_behalf.key_arn
        if on_behalf.via_service is not None:
            metadata["kmsViaService"] = on_behalf.via_service
    return msgspec.json.encode({"requestMetadata": metadata, **members})


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid() from None
    if _text(data) != text:  # two spellings of the same bytes
        raise _invalid()
    return data


def _decode(status: int, body: bytes, shape: type[T]) -> T:
    """The answer, or ProxyFailed."""
    try:
        if status == 200:
            answer = msgspec.json.decode(body, type=shape, strict=True)
            require_distinct_members(body)
            return answer
        name = msgspec.json.decode(body, type=_Error, strict=True).error_name
        require_distinct_members(body)
    except (ValueError, RecursionError):  # msgspec.DecodeError and UnicodeDecodeError are ValueErrors
        raise _invalid() from None
    expected, failure = _FAILURES.get(name, (0, ProxyFailure.INVALID_RESPONSE))
    raise ProxyFailed(failure if expected == status else ProxyFailure.INVALID_RESPONSE)


def render_health_request(on_behalf: OnBehalf) -> bytes:
    return _request(on_behalf, {}, names_caller=False)


def parse_health(status: int, body: bytes) -> Health:
    health = _decode(status, body, Health)
    states = ("ACTIVE", "DEGRADED", "UNAVAILABLE")
    if health.xks_proxy_fleet_size < 1 or not 1 <= len(health.ekm_fleet_details) <= FLEET_MAX:
        raise _invalid()
    if any(machine.health_status not in states for machine in health.ekm_fleet_details):
        raise _invalid()
    return health


def render_metadata_request(on_behalf: OnBehalf) -> bytes:
    return _request(on_behalf, {})


def parse_metadata(status: int, body: bytes) -> KeyMetadata:
    metadata = _decode(status, body, KeyMetadata)
    if len(metadata.key_usage) > KEY_USAGES_MAX or metadata.key_status not in ("ENABLED", "DISABLED"):
        raise _invalid()
    return metadata


def render_encrypt_request(on_behalf: OnBehalf, plaintext: bytes, aad: bytes) -> bytes:
    return _request(
        on_behalf,
        {
            "plaintext": _text(plaintext),
            "encryptionAlgorithm": "AES_GCM",
            "additionalAuthenticatedData": _text(aad),
            "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
        },
    )


def parse_encrypted(status: int, body: bytes, plaintext: bytes, aad: bytes) -> bytes:
    """What the blob keeps: IV, metadata (each with its length), tag, ciphertext."""
    answer = _decode(status, body, _Encrypted)
    iv, tag = _bytes(answer.initialization_vector), _bytes(answer.authentication_tag)
    ciphertext = _bytes(answer.ciphertext)
    metadata = b"" if answer.ciphertext_metadata is None else _bytes(answer.ciphertext_metadata)
    is_sound = (
        len(iv) in IV_BYTES
        and len(tag) == TAG_BYTES
        and len(metadata) <= METADATA_BYTES_MAX
        and len(ciphertext) == len(plaintext)
        and ciphertext != plaintext
    )
    value = sha256(aad + metadata + iv + ciphertext + tag).digest()
    if not is_sound or not hmac.compare_digest(value, _bytes(answer.ciphertext_data_integrity_value)):
        raise _invalid()
    return struct.pack("B", len(iv)) + iv + struct.pack("B", len(metadata)) + metadata + tag + ciphertext


def render_decrypt_request(on_behalf: OnBehalf, wrapped: bytes, aad: bytes) -> tuple[bytes, int]:
    """The request, and the length that the plaintext must have. ProxyFailed for what no `wrap` made."""
    iv, metadata, tag, ciphertext = _parse_wrapped(wrapped)
    members: dict[str, Any] = {
        "ciphertext": _text(ciphertext),
        "encryptionAlgorithm": "AES_GCM",
        "additionalAuthenticatedData": _text(aad),
        "initializationVector": _text(iv),
        "authenticationTag": _text(tag),
    }
    if metadata:
        members["ciphertextMetadata"] = _text(metadata)
    return _request(on_behalf, members), len(ciphertext)


def _parse_wrapped(wrapped: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    refused = ProxyFailed(ProxyFailure.CIPHERTEXT_REFUSED)
    if not wrapped or wrapped[0] not in IV_BYTES or len(wrapped) < wrapped[0] + 2:
        raise refused
    iv, rest = wrapped[1 : 1 + wrapped[0]], wrapped[1 + wrapped[0] :]
    length = rest[0]
    metadata, rest = rest[1 : 1 + length], rest[1 + length :]
    tag, ciphertext = rest[:TAG_BYTES], rest[TAG_BYTES:]
    if length > METADATA_BYTES_MAX or not 1 <= len(ciphertext) <= PLAINTEXT_BYTES_MAX:
        raise refused
    return iv, metadata, tag, ciphertext


def parse_decrypted(status: int, body: bytes, length: int) -> bytes:
    plaintext = _bytes(_decode(status, body, _Decrypted).plaintext)
    if len(plaintext) != length:
        raise _invalid()
    return plaintext
