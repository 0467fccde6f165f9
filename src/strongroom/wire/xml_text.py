"""XML as AWS's Query services write it: elements and text, no attributes but the namespace."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import msgspec

from strongroom.aws.constraint import ShapeConstraint

# What XML 1.0 cannot carry at all, escaped or not (W3C XML 1.0, production 2).
_NOT_IN_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "\r": "&#xD;"})


def render_text(text: str) -> str:
    """`text` as character data; a character that XML has no way to carry becomes U+FFFD."""
    return _NOT_IN_XML.sub("�", text).translate(_ESCAPES)


class XmlWriter:
    """Writes values as elements, by the shapes of one service's model.

    Shape: structures nest, lists hold `member` elements, maps hold `entry` elements with `key` and `value`,
    blobs are base64, instants (seconds since the epoch) are ISO 8601 in UTC, whole seconds, and None is left
    out. Strings of the shapes in `percent_encoded` are percent-encoded (RFC 3986) first.
    Concurrency: one event loop; it remembers the members of each structure.
    """

    __slots__ = ("_members", "_percent_encoded", "_shapes")

    def __init__(self, shapes: Mapping[str, ShapeConstraint], percent_encoded: frozenset[str]) -> None:
        self._shapes = shapes
        self._percent_encoded = percent_encoded
        self._members: dict[type[msgspec.Struct], tuple[tuple[str, str, str], ...]] = {}

    def render(self, element: str, structure: msgspec.Struct) -> str:
        """A structure of the model as `element`. Raises: KeyError for a structure of another model."""
        inner = "".join(
            self._render(name, shape, value)
            for attribute, name, shape in self._members_of(type(structure))
            if (value := getattr(structure, attribute)) is not None
        )
        return f"<{element}>{inner}</{element}>"

    def _members_of(self, structure: type[msgspec.Struct]) -> tuple[tuple[str, str, str], ...]:
        """(attribute, wire name, shape) of each member, in the model's order."""
        known = self._members.get(structure)
        if known is None:
            attributes = {field.encode_name: field.name for field in msgspec.structs.fields(structure)}
            shape = self._shapes[structure.__name__]
            known = tuple((attributes[one.name], one.name, one.shape) for one in shape.members)
            self._members[structure] = known
        return known

    def _render(self, element: str, shape_name: str, value: Any) -> str:
        shape = self._shapes[shape_name]
        match shape.kind:
            case "structure":
                return self.render(element, value)
            case "list" if shape.member is not None:
                inner = "".join(self._render("member", shape.member, one) for one in value)
            case "map" if shape.key is not None and shape.value is not None:
                inner = "".join(
                    f"<entry>{self._render('key', shape.key, key)}"
                    f"{self._render('value', shape.value, one)}</entry>"
                    for key, one in value.items()
                )
            case "boolean":
                inner = "true" if value else "false"
            case "integer":
                inner = str(int(value))
            case "timestamp":
                inner = datetime.fromtimestamp(int(value // 1), UTC).isoformat().replace("+00:00", "Z")
            case "blob":
                inner = base64.b64encode(value).decode("ascii")
            case _ if shape_name in self._percent_encoded:
                inner = quote(value, safe="-_.~")
            case _:
                inner = render_text(value)
        return f"<{element}>{inner}</{element}>"
