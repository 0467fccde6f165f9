"""Values that keep every bound of a service's model, as strategies: for whatever reads or writes shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from strongroom.aws.constraint import ShapeConstraint

Shapes = Mapping[str, ShapeConstraint]

TEXTS = (
    "a",
    "a.b.c",
    "us-east-1",
    "https://a.b",
    "/kms/xks/v1",
    "AKIA2345",
    "cluster-abcdefghijk",
    "com.amazonaws.vpce.us-east-1.vpce-svc-0",
    "/",
    "/a/",
    "/a",
    "v1",
    "v12.a",
    "123456",
    "A1",
    "arn:aws:iam::123456789012:role/a",
    " ~",
    "",
)
LONGEST_TRIED = 2048


def texts_of(shape: ShapeConstraint) -> st.SearchStrategy[str]:
    """Strings within the pattern and the lengths of the shape, its shortest and longest among them."""
    if shape.enum:
        return st.sampled_from(shape.enum)
    shortest, longest = shape.min or 0, min(shape.max or 40, LONGEST_TRIED)
    tried = {*TEXTS, *("a" * length for length in (shortest, shortest + 1, longest))}
    tried |= {f"/{'b' * (length - 2)}/" for length in (longest, shortest + 20) if length > 2}
    tried |= {"7" * shortest, "A" * max(shortest, 1)}
    if shape.pattern is None:
        tried |= {"ü&<>\"' \t\n%+=;" + "x" * shortest, "日本😀" + "x" * shortest}
    fitting = [text for text in tried if shortest <= len(text) <= longest]
    if shape.full_match is not None:
        fitting = [text for text in fitting if re.search(shape.full_match, text)]
    assert fitting, f"no text tried fits {shape}"
    return st.sampled_from(sorted(fitting))


def values_of(shapes: Shapes, name: str) -> st.SearchStrategy[Any]:  # noqa: PLR0911  (one a kind)
    """Values of one shape: wire names in structures, instants as whole seconds."""
    shape = shapes[name]
    lowest = shape.min or 0
    match shape.kind:
        case "string":
            return texts_of(shape)
        case "integer":
            return st.integers(lowest, shape.max if shape.max is not None else 2**31 - 1)
        case "boolean":
            return st.booleans()
        case "timestamp":
            return st.integers(0, 253402300799)
        case "blob":
            return st.binary(min_size=lowest, max_size=min(shape.max or 20, lowest + 20))
        case "list":
            size = min(shape.max or 3, lowest + 3)
            return st.lists(values_of(shapes, shape.member or ""), min_size=lowest, max_size=size)
        case "map":
            return st.dictionaries(
                values_of(shapes, shape.key or ""), values_of(shapes, shape.value or ""), max_size=3
            )
    return structures_of(shapes, name)


def structures_of(shapes: Shapes, name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Structures with their required members and any of the others."""
    members = shapes[name].members
    values = {member.name: values_of(shapes, member.shape) for member in members}
    return st.fixed_dictionaries(
        {member.name: values[member.name] for member in members if member.required},
        optional={member.name: values[member.name] for member in members if not member.required},
    )
