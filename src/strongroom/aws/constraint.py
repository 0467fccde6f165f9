"""What the service model demands of a value: the vocabulary of generated/constraints.py."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemberConstraint:
    """One member of an input: its wire name, its name in AWS's sentences, its shape, if it is required.

    Shape: `path` is the wire name with its first letter lowered (`KeyId` -> `keyId`).
    """

    name: str
    path: str
    shape: str
    required: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeConstraint:
    """One shape of the model, with the bounds that a request must keep.

    Shape: `kind` is string, blob, integer, boolean, timestamp, list, map or structure. `min` and `max`
    bound a length or a number. `pattern` is as the refusal quotes it, `full_match` the same for Python.
    `enum` is what is accepted, `enum_list` what the refusal lists. `key`, `value` and `member` name the
    shapes of a map's or a list's parts.
    Secrets: values of a `sensitive` shape and of blobs never stand in a message.
    """

    kind: str
    min: int | None = None
    max: int | None = None
    pattern: str | None = None
    full_match: str | None = None
    enum: tuple[str, ...] = ()
    enum_list: str = ""
    sensitive: bool = False
    key: str | None = None
    value: str | None = None
    member: str | None = None
    members: tuple[MemberConstraint, ...] = ()
