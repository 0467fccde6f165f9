"""Whether a JSON value has the type that the service model wants; the sentences for when it has not.

Source: DDB, see validation.py: the answers of DynamoDB, which has the same front end as KMS. AWS gives the
first such error and no other, as SerializationException with HTTP 400.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.aws.constraint import ShapeConstraint
from strongroom.aws.errors import ApiError

_JAVA_NAMES: Final = {
    "string": "String",
    "boolean": "Boolean",
    "integer": "Integer",
    "timestamp": "milliseconds since epoch",
}
_JAVA_CLASSES: Final = {
    "string": "class java.lang.String",
    "boolean": "class java.lang.Boolean",
    "integer": "class java.lang.Integer",
    "timestamp": "class java.util.Date",
    "blob": "class java.nio.ByteBuffer",
    "map": "java.util.Map<java.lang.String, java.lang.String>",
}
_INTEGER_MAX: Final = 2**31 - 1


def require_type(name: str, shape: ShapeConstraint, given: Any) -> Any:
    """`given` as a value of shape `name`: blobs decoded from base64, everything else as it is.

    Raises: ApiError SerializationException.
    Secrets: no sentence quotes any of the value.
    """
    match shape.kind, given:
        case "string", str():
            return given
        case "boolean", bool():
            return given
        case "integer", int() if not isinstance(given, bool) and abs(given) <= _INTEGER_MAX:
            return given
        case "timestamp", int() | float() if not isinstance(given, bool) and _is_instant(shape, given):
            return given
        case "blob", str():
            return _require_base64(given)
        case ("list", list()) | ("map" | "structure", dict()):
            return given
    raise ApiError("SerializationException", _sentence(name, shape, given))


def _is_instant(shape: ShapeConstraint, seconds: float) -> bool:
    # Beyond these no calendar date exists: refused here, before anything turns it into one.
    return shape.min is not None and shape.max is not None and shape.min <= seconds <= shape.max


def _require_base64(text: str) -> bytes:
    try:
        return msgspec.convert(text, bytes)  # the decoder's own rules, so that both passes agree
    except (msgspec.ValidationError, ValueError):
        length = len(text)
    sentence = "Invalid Base64 character"
    if length % 4:
        sentence = f"Base64 encoded length is expected a multiple of 4 bytes but found: {length}"
    raise ApiError("SerializationException", sentence)


def _sentence(name: str, shape: ShapeConstraint, given: Any) -> str:
    if isinstance(given, dict):
        return "Start of structure or map found where not expected"
    if isinstance(given, list):
        return f"Unrecognized collection type {_JAVA_CLASSES.get(shape.kind, f'class {name}')}"
    if shape.kind in ("list", "map", "structure"):
        return "Unexpected field type"
    if shape.kind == "blob":
        return "only base-64-encoded strings are convertible to bytes"
    if shape.kind == "boolean" and isinstance(given, str):
        return "Unexpected token received from parser"
    return f"{_token(given)} cannot be converted to {_JAVA_NAMES[shape.kind]}"


def _token(given: Any) -> str:
    match given:
        case bool():
            return "TRUE_VALUE" if given else "FALSE_VALUE"
        case int():
            return "NUMBER_VALUE"
        case float():
            return "DECIMAL_VALUE"
        case _:
            return "STRING_VALUE"
