"""The form-encoded request of the AWS Query protocol: `Tags.member.1.Key=a` as typed, nested data.

Two steps: the names become a tree by their dots, then the tree is read by the shape of the input. What the
shape has no member for is ignored, as AWS does; what it has one for must be of that type.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl

from strongroom.aws import query_refusals
from strongroom.aws.constraint import ShapeConstraint

FIELDS_MAX: Final = 1000
_DEPTH_MAX: Final = 8
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,10}")
_INTEGER_MAX: Final = 2**31 - 1
_INSTANT_CHARACTERS_MAX: Final = 40

Shapes = Mapping[str, ShapeConstraint]


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of a form-encoded body. Where a name comes twice the last one counts.

    Raises: ApiError MalformedQueryString for what is no form in UTF-8, or has more than FIELDS_MAX fields.
    """
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MAX,
        )
    except ValueError:  # UnicodeDecodeError, or too many fields
        pairs = None
    if pairs is None:
        raise query_refusals.malformed_query_string()
    return dict(pairs)


def read_input(shapes: Shapes, shape_name: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """The input of an action: wire name -> value, of the types that the model wants, bounds not yet judged.

    Shape: instants are seconds since the epoch, blobs are bytes. Lists keep the order of their numbers, in
    which gaps do not matter; an empty value where a list is wanted is an empty list.
    Raises: ApiError MalformedInput.
    """
    members = {member.name for member in shapes[shape_name].members}
    tree = _tree({name: value for name, value in fields.items() if name.partition(".")[0] in members})
    return _structure(shapes, shapes[shape_name], tree, "")


def _tree(fields: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        steps = name.split(".", _DEPTH_MAX)
        if len(steps) > _DEPTH_MAX or not all(steps):
            raise query_refusals.malformed_parameter_name()
        *parents, leaf = steps
        node = tree
        for step in parents:
            node = node.setdefault(step, {})
            if not isinstance(node, dict):
                raise query_refusals.malformed_parameter_name()
        if leaf in node:
            raise query_refusals.malformed_parameter_name()
        node[leaf] = value
    return tree


def _read(shapes: Shapes, name: str, node: Any, at: str) -> Any:
    shape = shapes[name]
    match shape.kind:
        case "structure" if isinstance(node, dict):
            return _structure(shapes, shape, node, f"{at}.")
        case "list":
            return _list(shapes, shape, node, at)
        case "map":
            return _map(shapes, shape, node, at)
        case kind if isinstance(node, str) and kind in _SCALARS:
            value = _SCALARS[kind](node)
            if value is not None:
                return value
    raise query_refusals.malformed_value(at, shape.kind)


def _structure(shapes: Shapes, shape: ShapeConstraint, node: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        member.name: _read(shapes, member.shape, node[member.name], at + member.name)
        for member in shape.members
        if member.name in node
    }


def _list(shapes: Shapes, shape: ShapeConstraint, node: Any, at: str) -> list[Any]:
    assert shape.member is not None  # noqa: S101  (the model gives every list a member)
    parts = _numbered(node, "member", at, "list")
    return [_read(shapes, shape.member, part, f"{at}.member.{number}") for number, part in parts]


def _map(shapes: Shapes, shape: ShapeConstraint, node: Any, at: str) -> dict[Any, Any]:
    assert shape.key is not None  # noqa: S101  (the model gives every map a key and a value)
    assert shape.value is not None  # noqa: S101
    read: dict[Any, Any] = {}
    for number, entry in _numbered(node, "entry", at, "map"):
        if not isinstance(entry, dict) or entry.keys() != {"key", "value"}:
            raise query_refusals.malformed_value(at, "map")
        place = f"{at}.entry.{number}"
        key = _read(shapes, shape.key, entry["key"], f"{place}.key")
        read[key] = _read(shapes, shape.value, entry["value"], f"{place}.value")
    return read


def _numbered(node: Any, step: str, at: str, kind: str) -> list[tuple[str, Any]]:
    """The parts of a list or map by their numbers."""
    if node == "":
        return []
    parts = node.get(step) if isinstance(node, dict) and node.keys() == {step} else None
    if not isinstance(parts, dict) or not all(
        number.isascii() and number.isdecimal() and len(number) <= 4 for number in parts
    ):
        raise query_refusals.malformed_value(at, kind)
    return sorted(parts.items(), key=lambda part: int(part[0]))


def _integer(text: str) -> int | None:
    number = int(text) if _INTEGER.fullmatch(text) else None
    return number if number is not None and abs(number) <= _INTEGER_MAX else None


def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(text.lower())


def _blob(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _instant(text: str) -> float | None:
    if len(text) > _INSTANT_CHARACTERS_MAX or not text.isascii():
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


_SCALARS: Final[Mapping[str, Callable[[str], object]]] = {
    "string": str,
    "integer": _integer,
    "boolean": _boolean,
    "timestamp": _instant,
    "blob": _blob,
}
"""Each gives None for a text that is no value of its kind."""
