"""XML as AWS's Query services write it: elements and text, no attributes but the namespace."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

# What XML 1.0 cannot carry at all, escaped or not (W3C XML 1.0, production 2).
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#xD;"})


def render_text(text: str) -> str:
    """`text` as character data; a character that XML has no way to carry becomes U+FFFD."""
    return _NOT_IN_XML.sub("�", text).translate(_ESCAPES)


def render_element(name: str, value: Any) -> str:
    """`value` as element `name`, the way the AWS Query protocol does.

    Shape: structures nest, lists hold `member` elements, maps hold `entry` elements, blobs are base64,
    instants are ISO 8601 in UTC, and None renders as nothing.
    Raises: TypeError for a value that the protocol has no form for.
    """
    if value is None:
        return ""
    match value:
        case msgspec.Struct():
            inner = "".join(
                render_element(field.encode_name, getattr(value, field.name))
                for field in _fields(type(value))
            )
        case list():
            inner = "".join(render_element("member", one) for one in value)
        case dict():
            inner = "".join(
                f"<entry>{render_element('key', key)}{render_element('value', one)}</entry>"
                for key, one in value.items()
            )
        case _:
            inner = _render_scalar(value)
    return f"<{name}>{inner}</{name}>"


@cache
def _fields(structure: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(structure)


def _render_scalar(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return render_text(value)
        case int() | float():
            return str(value)
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    raise TypeError(f"no form in AWS Query XML for {type(value).__name__}")
