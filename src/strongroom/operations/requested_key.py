"""What a CreateKey request asks for, with the defaults that AWS has."""

from __future__ import annotations

from strongroom.aws.generated.enums import KeySpec, KeyUsageType
from strongroom.aws.generated.shapes import CreateKeyRequest


def requested_spec(request: CreateKeyRequest) -> KeySpec:
    """KeySpec, by its name or its deprecated one."""
    spec = request.key_spec or request.customer_master_key_spec
    return KeySpec.SYMMETRIC_DEFAULT if spec is None else KeySpec(spec.value)


def requested_usage(request: CreateKeyRequest) -> KeyUsageType:
    """KeyUsage, which only symmetric encryption keys may leave out."""
    return request.key_usage or KeyUsageType.ENCRYPT_DECRYPT
