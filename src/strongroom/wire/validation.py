"""Why a request was refused, in AWS's own sentences.

The slow second pass. The decoder has refused a body and says neither every error nor AWS's words; this
walks the parsed members over the service model's constraints. What IAM and STS say otherwise stands in
query_wording.py. Sources, by the letters beside each sentence:

  LS   LocalStack's tests/aws/services/kms/test_kms.snapshot.json, recorded from AWS
  FL   floci-io/floci pull request 3968, recorded from AWS KMS in us-east-1, September 2026
  DDB  dynalite's tests, raw answers of DynamoDB, which has the same front end; not seen from KMS
  GH   quoted in public issues as received from other AWS services with the same front end
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What differs between services in the telling of the same faults."""

    code: str
    quotes_text: bool = True
    """Whether a refused value is quoted that is no number and of no enumeration."""
    pattern_first: bool = False
    parts_must_not_be_null: bool = False
    """Whether the rules of a list's parts end in NOT_NULL even when none is null."""
    own_sentence: Callable[[str, str], str | None] | None = None
    """(path, pattern) -> the sentence for a member of the input that breaks its pattern, if it has one."""


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
    return _KMS.explain(shape_name, document)


class Refusals:
    """The broken constraints of one request, in the order of the model's members, ERRORS_MAX at most."""

    __slots__ = ("_wording", "sentences")

    def __init__(self, wording: Wording) -> None:
        self._wording = wording
        self.sentences: list[str] = []

    def add(self, shape: ShapeConstraint, given: Any, path: str, rule: str) -> None:
        """Note that `given` at `path` breaks `rule`."""
        if not self.is_full():
            self.sentences.append(
                f"Value{self._quoted(shape, given)} at '{path}' failed to satisfy constraint: {rule}"
            )

    def _quoted(self, shape: ShapeConstraint, given: Any) -> str:
        if not self._wording.quotes_text and (given is None or not (shape.kind == "integer" or shape.enum)):
            return ""
        return _quoted(shape, given)

    def is_full(self) -> bool:
        """Whether no further refusal would be named."""
        return len(self.sentences) >= ERRORS_MAX

    def render(self) -> ApiError:
        """One error with every sentence. LS for one error; FL, DDB: joined by `; `."""
        count = len(self.sentences)
        plural = "s" if count > 1 else ""
        return ApiError(
            self._wording.code, f"{count} validation error{plural} detected: {'; '.join(self.sentences)}"
        )


class Validator:
    """Judges parsed inputs of one service by its model's shapes. Concurrency: it holds no state."""

    __slots__ = ("_patterns", "_shapes", "_wording")

    def __init__(self, shapes: Mapping[str, ShapeConstraint], wording: Wording) -> None:
        self._shapes = shapes
        self._wording = wording
        self._patterns = {
            name: re.compile(shape.full_match)
            for name, shape in shapes.items()
            if shape.full_match is not None
        }

    def explain(self, shape_name: str, document: dict[str, Any]) -> ApiError | None:
        """What is wrong with `document` as input `shape_name`, or None when nothing is."""
        refusals = Refusals(self._wording)
        try:
            self._check_structure(self._shapes[shape_name], document, "", refusals)
        except ApiError as error:
            return error
        return refusals.render() if refusals.sentences else None

    def _check_structure(
        self, shape: ShapeConstraint, given: dict[str, Any], at: str, refusals: Refusals
    ) -> None:
        for member in shape.members:
            if refusals.is_full():  # nothing further would be named: no work for a body made to cost much
                return
            self._check_member(member, given.get(member.name), at + member.path, refusals)

    def _check_member(self, member: MemberConstraint, given: Any, path: str, refusals: Refusals) -> None:
        shape = self._shapes[member.shape]
        if given is None:
            if member.required:
                refusals.add(shape, None, path, NOT_NULL)
            return
        given = require_type(member.shape, shape, given)
        match shape.kind:
            case "structure":
                self._check_structure(shape, given, f"{path}.", refusals)
            case "list":
                self._check_list(member.shape, shape, given, path, refusals)
            case "map":
                self._check_map(shape, given, path, refusals)
            case _:
                self._require_own_pattern(member.shape, given, path)
                for rule in self.broken_rules(member.shape, given):
                    refusals.add(shape, given, path, rule)

    def _require_own_pattern(self, name: str, given: Any, path: str) -> None:
        """Raises: ApiError, where the service has a sentence of its own for this pattern."""
        pattern, own_sentence = self._patterns.get(name), self._wording.own_sentence
        if pattern is None or own_sentence is None or "." in path or pattern.search(given):
            return
        sentence = own_sentence(path, self._shapes[name].pattern or "")
        if sentence is not None:
            raise ApiError(self._wording.code, sentence)

    def _check_list(
        self, name: str, shape: ShapeConstraint, given: list[Any], path: str, refusals: Refusals
    ) -> None:
        assert shape.member is not None  # noqa: S101  (the model gives every list a member)
        part = self._shapes[shape.member]
        for one in given:
            if one is not None:
                require_type(shape.member, part, one)
        for rule in self.broken_rules(name, given):
            refusals.add(shape, given, path, rule)
        if None in given:
            refusals.add(shape, given, path, f"Member must satisfy constraint: [{_rules(part, NOT_NULL)}]")
        elif part.kind == "structure":
            # LS: `tags.1.member.tagKey`; lists count from 1.
            for number, one in enumerate(given, start=1):
                self._check_structure(part, one, f"{path}.{number}.member.", refusals)
        elif any(self.broken_rules(shape.member, one) for one in given):
            # GH: `Value '[POST, OPTIONS]' at 'cors.allowMethods' ...: Member must satisfy constraint: [...]`
            also = (NOT_NULL,) if self._wording.parts_must_not_be_null else ()
            refusals.add(shape, given, path, f"Member must satisfy constraint: [{_rules(part, *also)}]")

    def _check_map(
        self, shape: ShapeConstraint, given: dict[str, Any], path: str, refusals: Refusals
    ) -> None:
        assert shape.key is not None  # noqa: S101  (the model gives every map a key and a value)
        assert shape.value is not None  # noqa: S101
        key, value = self._shapes[shape.key], self._shapes[shape.value]
        for one in given.values():
            if one is not None:
                require_type(shape.value, value, one)
        if any(self.broken_rules(shape.key, one) for one in given):
            # GH: `Map keys must satisfy constraint: [...]`
            refusals.add(shape, given, path, f"Map keys must satisfy constraint: [{_rules(key)}]")
        if any(one is None or self.broken_rules(shape.value, one) for one in given.values()):
            # GH: `Map value must satisfy constraint: [...]`, in the singular
            rules = _rules(value, NOT_NULL)
            refusals.add(shape, given, path, f"Map value must satisfy constraint: [{rules}]")

    def broken_rules(self, name: str, given: Any) -> list[str]:
        """The rules of shape `name` that a value of the right type breaks, each as AWS states it."""
        shape = self._shapes[name]
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
        pattern = self._patterns.get(name)
        if pattern is not None and not pattern.search(given):
            rule = f"Member must satisfy regular expression pattern: {shape.pattern}"
            broken.insert(0 if self._wording.pattern_first else len(broken), rule)  # FL: after length
        return broken


_KMS: Final = Validator(SHAPES, Wording(code="ValidationException"))


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
