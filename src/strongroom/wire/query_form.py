"""The form-encoded request of the AWS Query protocol: `Tags.member.1.Key=a` as nested data."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from strongroom.aws.errors import ApiError

FIELDS_MAX: Final = 1000
_DEPTH_MAX: Final = 8


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
        raise ApiError("MalformedQueryString", "The query string contains a syntax error.")
    return dict(pairs)


def parse_members(fields: dict[str, str]) -> dict[str, Any]:
    """The input of an action: every field but Action and Version, nested by the dots in its name.

    Shape: `Names.member.1` makes a list under Names, `Attributes.entry.1.key` and `.value` a dict under
    Attributes, anything else a structure.
    Raises: ApiError ValidationError when one name is used both as a value and as a structure.
    """
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        if name in ("Action", "Version"):
            continue
        *parents, leaf = _steps(name)
        node = tree
        for step in parents:
            child = node.setdefault(step, {})
            if not isinstance(child, dict):
                raise _malformed()
            node = child
        if leaf in node:
            raise _malformed()
        node[leaf] = value
    return {name: _listed(one) for name, one in tree.items()}


def _steps(name: str) -> list[str]:
    steps = name.split(".", _DEPTH_MAX)
    if len(steps) > _DEPTH_MAX or not all(steps):
        raise _malformed()
    return steps


def _listed(node: Any) -> Any:
    """Turn the `member` and `entry` levels of the wire into lists and dicts."""
    if not isinstance(node, dict):
        return node
    if node.keys() == {"member"}:
        return _numbered(node["member"])
    if node.keys() == {"entry"}:
        entries = _numbered(node["entry"])
        if not all(_is_entry(one) for one in entries):
            raise _malformed()
        return {one["key"]: one["value"] for one in entries}
    return {name: _listed(one) for name, one in node.items()}


def _is_entry(node: Any) -> bool:
    return isinstance(node, dict) and node.keys() == {"key", "value"} and isinstance(node["key"], str)


def _numbered(node: Any) -> list[Any]:
    """The children of a list in the order of their numbers; gaps do not matter."""
    if not isinstance(node, dict) or not all(
        step.isascii() and step.isdecimal() and len(step) <= 4 for step in node
    ):
        raise _malformed()
    return [_listed(node[step]) for step in sorted(node, key=int)]


def _malformed() -> ApiError:
    return ApiError("ValidationError", "A parameter name of the request is malformed.")
