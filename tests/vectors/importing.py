"""Keys with material of a vector, made through the public API."""

from __future__ import annotations

import base64
from typing import Any

from tests.support.key_imports import NEVER_EXPIRES, wrapped_members
from tests.support.road import Refusal, Road

TWO_STEPS = "RSA_AES_KEY_WRAP_SHA_256"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def imported_key(road: Road, spec: str, usage: str, material: bytes) -> str:
    """The id of a new KMS key whose material is the vector's."""
    key = road.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)
    road.call("ImportKeyMaterial", **wrapped_members(road, key, material, TWO_STEPS), **NEVER_EXPIRES)
    key_id: str = key["KeyId"]
    return key_id


def outcome(road: Road, operation: str, **members: Any) -> dict[str, Any] | str:
    """The answer, or the name of AWS's error."""
    try:
        answer: dict[str, Any] = road.call(operation, **members)
    except Refusal as refusal:
        return refusal.code
    return answer
