"""Any text at all as a policy of any kind: it is read or refused, and nothing else happens."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.policy_facts import FactsInMemory
from tests.unit.authorization.policies import KEY_ARN, OWNER, answer, ask, key, policy, root, statement

from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.key_policy import compile_key_policy, parse_policy, try_lockout
from strongroom.authorization.policy_document import Effect, PolicyKind
from strongroom.authorization.policy_error import PolicyError, iam_refusal, kms_refusal, trust_refusal
from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import caller_of
from strongroom.authorization.statements import compile_policy
from strongroom.aws.errors import ApiError

CODES = {"MalformedPolicyDocumentException", "LimitExceededException"}
NAMES = st.sampled_from(
    [
        *("Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction"),
        *("Resource", "NotResource", "Condition", "AWS", "Service", "StringEquals", "Null", "aws:x"),
        *("ForAllValues:StringLike", "kms:ViaService", "ForAnyValue:ArnNotLikeIfExists", "NumericLessThan"),
        *("DateGreaterThanIfExists", "IpAddress", "BinaryEquals", "Bool", "aws:tagkeys"),
    ]
)
VALUES = st.sampled_from(
    [
        "*",
        "Allow",
        "Deny",
        "2012-10-17",
        "kms:*",
        "kms:Enc*",
        OWNER,
        KEY_ARN,
        "s3.amazonaws.com",
        "sts:AssumeRole",
        "${aws:username}",
        "arn:aws:s3:::${aws:x, 'y'}*",
        "2026-01-01",
        "10.0.0.0/8",
        "",
        "\ud800",
        "\x00",
    ]
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), VALUES, st.text(max_size=8))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(NAMES, st.text(max_size=6)), inner, max_size=6),
    ),
    max_leaves=20,
)


def refusal(text: str) -> ApiError | None:
    try:
        parse_policy(text)
    except ApiError as error:
        return error
    return None


class AnyValues:
    """A request that has something to say about every condition key."""

    def __init__(self, values: tuple[str, ...] | None) -> None:
        self._values = values

    def values_of(self, key: str) -> tuple[str, ...] | None:
        return self._values

    def needs_store(self, keys: frozenset[str]) -> bool:
        return False

    async def prepare(self, keys: frozenset[str]) -> None:
        pass


REQUESTS = [
    AnyValues(given) for given in (None, (), ("",), ("true",), ("*", "\udfff"), (KEY_ARN, "1", "2026"))
]


def must_be_matched_or_not(text: str, kind: PolicyKind) -> None:
    """A policy that could be read is compiled and compared without another word."""
    try:
        document = parse_document(text, kind)
    except PolicyError as error:
        refusals = [refuse(error) for refuse in (kms_refusal, iam_refusal, trust_refusal)]
        if any(not refusal.code.startswith("MalformedPolicyDocument") for refusal in refusals):
            raise
        return
    for compiled in compile_policy(document, {OWNER: OWNER}).statements:
        for values in REQUESTS:
            compiled.principal_match(caller_of(root()))
            compiled.concerns("kms:encrypt", KEY_ARN, values)
            assert compiled.conditions_hold(values) is all(one.held for one in compiled.findings(values))


def must_be_read_or_refused(text: str) -> None:
    for kind in PolicyKind:
        must_be_matched_or_not(text, kind)
    error = refusal(text)
    decision = answer(
        Authorizer(FactsInMemory()).authorize_key(ask(key(text), "kms:PutKeyPolicy", cross_account=False))
    )
    if error is not None:
        assert error.code in CODES
        assert error.status == 400
        assert error.message is not None
        assert len(error.message) < 200
        # A policy that is refused when put must allow nothing if it is found in the store.
        assert not decision.allowed
    elif decision.allowed:
        assert any(one.effect is Effect.ALLOW for one in parse_policy(text).statements)
        assert try_lockout(root(), compile_key_policy(parse_policy(text)), KEY_ARN, OWNER).passed


@given(st.text(max_size=200))
@example("")
@example("[" * 32_000)
@example('{"a":' * 6_000)
@example("9" * 32_000)
@example('{"Statement":' + "1" * 30_000 + "}")
@example('"' + "\\" * 31_000)
@example("\ud800")
def test_fuzz_policy_any_text(text: str) -> None:
    must_be_read_or_refused(text)


@given(JSON)
def test_fuzz_policy_any_json(value: Any) -> None:
    must_be_read_or_refused(json.dumps(value))


@given(st.dictionaries(NAMES, JSON, max_size=7), st.lists(JSON, max_size=2))
def test_fuzz_policy_any_statement_elements(elements: dict[str, Any], more: list[Any]) -> None:
    must_be_read_or_refused(json.dumps({"Statement": [statement() | elements, *more]}))


@given(
    st.dictionaries(
        NAMES, st.dictionaries(NAMES, st.one_of(VALUES, st.lists(SCALARS)), max_size=3), max_size=3
    )
)
def test_fuzz_policy_any_conditions(conditions: dict[str, Any]) -> None:
    elements = [
        statement(Condition=conditions),
        statement(Principal=None, Condition=conditions),
        statement(Principal={"AWS": OWNER}, Action="sts:*", Resource=None, Condition=conditions),
    ]
    for made in elements:
        must_be_read_or_refused(json.dumps({"Version": "2012-10-17", "Statement": [made]}))


@given(st.data())
def test_fuzz_policy_damaged_text(data: st.DataObject) -> None:
    text = policy(statement("Deny", Sid="x", Condition={"Bool": {"aws:a": "true"}}), statement())
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 12)))
    must_be_read_or_refused(text[:start] + data.draw(st.text(max_size=6)) + text[end:])
