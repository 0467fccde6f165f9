"""Why a request was refused, in AWS's own sentences.

The slow second pass. The decoder has refused a body and says neither every error nor AWS's words; this
walks the parsed JSON over the service model's constraints. Sources, by the letters beside each sentence:

  LS   LocalStack's tests/aws/services/kms/test_kms.snapshot.json, recorded from AWS
  FL   floci-io/floci pull request 3968, recorded from AWS KMS in us-east-1, September 2026
  DDB  dynalite's tests, raw answers of DynamoDB, which has the same front end; not seen from KMS
  GH   quoted in public issues as received from other AWS services with the same front end
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from strongroom.aws.constraint import MemberConstraint, ShapeConstraint
from strongroom.aws.errors import ApiError
from strongroom.aws.generated.constraints import SHAPES
from strongroom.wire.json_types import require_type

# AWS quotes a refused value whole. Here a longer one is cut, and says so by three dots: an error must not
# carry a request's megabytes into answers, logs and audit. Longer than anything AWS was seen to quote.
QUOTED_CHARACTERS_MAX: Final = 1024
# DDB: a refusal names ten errors at most.
ERRORS_MAX: Final = 10
NOT_NULL: Final = "Member must not be null"  # FL

_PATTERNS: Final = {
    name: re.compile(shape.full_match) for name, shape in SHAPES.items() if shape.full_match is not None
}


def explain_refusal(shape_name: str, body: bytes) -> ApiError:
    """The error for a body that the decoder refused for input `shape_name`.

    Raises: nothing; the error is the result. A body in which no broken constraint can be found (a member
    given twice, the first of them wrong) is a SerializationException too: refused stays refused.
    """
    try:
        document = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ApiError("SerializationException", None)  # DDB: no message for what is no JSON
    return explain_document(shape_name, document) or ApiError("SerializationException", None)


def explain_document(shape_name: str, document: object) -> ApiError | None:
    """What is wrong with parsed JSON as input `shape_name`, or None when nothing is."""
    if isinstance(document, list):
        return ApiError("SerializationException", "Start of list found where not expected")  # DDB
    if not isinstance(document, dict):
        return ApiError("SerializationException", None)
    refusals = Refusals()
    try:
        _check_structure(SHAPES[shape_name], document, "", refusals)
    except ApiError as error:
        return error
    return refusals.render() if refusals.sentences else None


class Refusals:
    """The broken constraints of one request, in the order of the model's members, ERRORS_MAX at most."""

    __slots__ = ("sentences",)

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def add(self, shape: ShapeConstraint, given: Any, path: str, rule: str) -> None:
        """Note that `given` at `path` breaks `rule`."""
        if not self.is_full():
            self.sentences.append(
                f"Value{_quoted(shape, given)} at '{path}' failed to satisfy constraint: {rule}"
            )

    def is_full(self) -> bool:
        """Whether no further refusal would be named."""
        return len(self.sentences) >= ERRORS_MAX

    def render(self) -> ApiError:
        """ValidationException with every sentence. LS for one error; FL, DDB: joined by `; `."""
        count = len(self.sentences)
        plural = "s" if count > 1 else ""
        return ApiError(
            "ValidationException", f"{count} validation error{plural} detected: {'; '.join(self.sentences)}"
        )


def _check_structure(shape: ShapeConstraint, given: dict[str, Any], at: str, refusals: Refusals) -> None:
    for member in shape.members:
        if refusals.is_full():  # nothing further would be named: no work for a body made to cost much
            return
        _check_member(member, given.get(member.name), at + member.path, refusals)


def _check_member(member: MemberConstraint, given: Any, path: str, refusals: Refusals) -> None:
    shape = SHAPES[member.shape]
    if given is None:
        if member.required:
            refusals.add(shape, None, path, NOT_NULL)
        return
    given = require_type(member.shape, shape, given)
    match shape.kind:
        case "structure":
            _check_structure(shape, given, f"{path}.", refusals)
        case "list":
            _check_list(member.shape, shape, given, path, refusals)
        case "map":
            _check_map(shape, given, path, refusals)
        case _:
            for rule in broken_rules(member.shape, given):
                refusals.add(shape, given, path, rule)


def _check_list(name: str, shape: ShapeConstraint, given: list[Any], path: str, refusals: Refusals) -> None:
    assert shape.member is not None  # noqa: S101  (the model gives every list a member)
    part = SHAPES[shape.member]
    for one in given:
        if one is not None:
            require_type(shape.member, part, one)
    for rule in broken_rules(name, given):
        refusals.add(shape, given, path, rule)
    if None in given:
        refusals.add(shape, given, path, f"Member must satisfy constraint: [{_rules(part, NOT_NULL)}]")
    elif part.kind == "structure":
        # LS: `tags.1.member.tagKey`; lists count from 1.
        for number, one in enumerate(given, start=1):
            _check_structure(part, one, f"{path}.{number}.member.", refusals)
    elif any(broken_rules(shape.member, one) for one in given):
        # GH: `Value '[POST, OPTIONS]' at 'cors.allowMethods' ...: Member must satisfy constraint: [...]`
        refusals.add(shape, given, path, f"Member must satisfy constraint: [{_rules(part)}]")


def _check_map(shape: ShapeConstraint, given: dict[str, Any], path: str, refusals: Refusals) -> None:
    assert shape.key is not None  # noqa: S101  (the model gives every map a key and a value)
    assert shape.value is not None  # noqa: S101
    key, value = SHAPES[shape.key], SHAPES[shape.value]
    for one in given.values():
        if one is not None:
            require_type(shape.value, value, one)
    if any(broken_rules(shape.key, one) for one in given):
        # GH: `Map keys must satisfy constraint: [...]`
        refusals.add(shape, given, path, f"Map keys must satisfy constraint: [{_rules(key)}]")
    if any(one is None or broken_rules(shape.value, one) for one in given.values()):
        # GH: `Map value must satisfy constraint: [...]`, in the singular
        refusals.add(shape, given, path, f"Map value must satisfy constraint: [{_rules(value, NOT_NULL)}]")


def broken_rules(name: str, given: Any) -> list[str]:
    """The rules of shape `name` that a value of the right type breaks, each as AWS states it."""
    shape = SHAPES[name]
    if shape.enum:
        if given in shape.enum:
            return []
        return [f"Member must satisfy enum value set: [{shape.enum_list}]"]  # LS, FL
    noun, size = ("value", given) if shape.kind == "integer" else ("length", _length(given))
    broken = []
    if shape.kind != "timestamp":
        if shape.min is not None and size < shape.min:
            broken.append(f"Member must have {noun} greater than or equal to {shape.min}")  # LS
        if shape.max is not None and size > shape.max:
            broken.append(f"Member must have {noun} less than or equal to {shape.max}")  # LS
    pattern = _PATTERNS.get(name)
    if pattern is not None and not pattern.search(given):
        broken.append(f"Member must satisfy regular expression pattern: {shape.pattern}")  # FL: after length
    return broken


def _rules(shape: ShapeConstraint, *also: str) -> str:
    """All rules of a list's or map's part; AWS states them together, broken or not. GH: in this order."""
    rules = []
    if shape.enum:
        rules.append(f"Member must satisfy enum value set: [{shape.enum_list}]")
    if shape.max is not None:
        rules.append(f"Member must have length less than or equal to {shape.max}")
    if shape.min is not None:
        rules.append(f"Member must have length greater than or equal to {shape.min}")
    if shape.pattern is not None:
        rules.append(f"Member must satisfy regular expression pattern: {shape.pattern}")
    return ", ".join([*rules, *also])


def _length(given: Any) -> int:
    return len(given) if isinstance(given, (str, bytes, list, dict)) else 0


def _quoted(shape: ShapeConstraint, given: Any) -> str:
    # INVARIANT W2: no blob and no value of a sensitive shape is quoted. LS, FL: `Value at 'plaintext'`,
    # for null too; FL: `Value at 'ciphertextBlob'`, but `Value null at 'ciphertextBlob'`.
    if shape.sensitive or (shape.kind == "blob" and given is not None):
        return ""
    if given is None:
        return " null"
    if isinstance(given, list):
        # Cut before joining: a list may have a million members.
        inner = ", ".join(_java_text(one) for one in given[:QUOTED_CHARACTERS_MAX])
        return f" '{_cut(f'[{inner}]')}'"
    if isinstance(given, dict):
        pairs = list(given.items())[:QUOTED_CHARACTERS_MAX]
        inner = ", ".join(f"{_cut(key)}={_java_text(value)}" for key, value in pairs)
        return f" '{_cut(f'{{{inner}}}')}'"
    return f" '{_java_text(given)}'"


def _java_text(given: Any) -> str:
    return "null" if given is None else _cut(str(given))


def _cut(text: str) -> str:
    return text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]}..."
