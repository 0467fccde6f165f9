"""Policy variables. Source: IAM User Guide, "IAM policy elements: Variables and tags" (quoted: sections)."""

from __future__ import annotations

import pytest
from tests.unit.authorization.requests import Values, compiled, holds, only

from strongroom.authorization.policy_error import PolicyError
from strongroom.authorization.variables import MULTI_VALUED_KEYS, parse_template

BUCKET = "arn:aws:s3:::bucket/"
NAME = "arn:aws:s3:::bucket/${aws:username}"
NOBODY = Values({})


def concerns(pattern: str, resource: str, values: Values, version: str = "2012-10-17") -> bool:
    return only(version, Resource=pattern).concerns("kms:encrypt", resource, values)


@pytest.mark.parametrize(
    ("pattern", "values", "resource", "expected"),
    [
        pytest.param(NAME, {"aws:username": "bob"}, BUCKET + "bob", True, id="Introduction"),
        pytest.param(NAME, {"aws:username": "bob"}, BUCKET + "alice", False, id="another-name"),
        pytest.param(NAME + "/*", {"aws:username": "bob"}, BUCKET + "bob/x/y", True, id="with-a-wildcard"),
        pytest.param(BUCKET + "${AWS:UserName}", {"aws:username": "b"}, BUCKET + "b", True, id="case-of-key"),
        pytest.param(NAME, {"aws:username": "*"}, BUCKET + "bob", False, id="star-in-a-value-is-a-star"),
        pytest.param(NAME, {"aws:username": "*"}, BUCKET + "*", True, id="star-in-a-value-matches-itself"),
        pytest.param(NAME, {"aws:username": "b?b"}, BUCKET + "bob", False, id="question-mark-in-a-value"),
        pytest.param(
            NAME, {"aws:username": "${aws:x}", "aws:x": "q"}, BUCKET + "q", False, id="value-is-final"
        ),
        pytest.param(NAME, {"aws:username": "\udfff"}, BUCKET + "x", False, id="surrogate-is-no-wildcard"),
        pytest.param(NAME, {}, BUCKET, False, id="no-value-is-not-empty"),
        pytest.param(NAME, {"aws:username": ()}, BUCKET, False, id="key-without-a-value"),
        pytest.param(NAME, {"aws:username": ("a", "b")}, BUCKET + "a", False, id="two-values"),
        pytest.param(
            BUCKET + "${aws:TagKeys}", {"aws:TagKeys": "a"}, BUCKET + "a", False, id="multivalued-key"
        ),
        pytest.param(BUCKET + "${*}", {}, BUCKET + "*", True, id="Special-characters-star"),
        pytest.param(BUCKET + "${*}", {}, BUCKET + "a", False, id="Special-characters-star-is-no-wildcard"),
        pytest.param(BUCKET + "${?}x", {}, BUCKET + "?x", True, id="Special-characters-question-mark"),
        pytest.param(BUCKET + "${?}x", {}, BUCKET + "ax", False, id="Special-characters-no-wildcard"),
        pytest.param(BUCKET + "${$}{aws:x}", {"aws:x": "v"}, BUCKET + "${aws:x}", True, id="dollar"),
        pytest.param(BUCKET + "$?", {}, BUCKET + "$a", True, id="dollar-alone-is-a-dollar"),
    ],
)
def test_variable_in_resource_stands_for_its_value(
    pattern: str, values: dict[str, str], resource: str, expected: bool
) -> None:
    assert concerns(pattern, resource, Values(values)) is expected


@pytest.mark.parametrize(
    ("written", "values", "expected"),
    [
        ("${aws:PrincipalTag/team, 'company-wide'}", {}, "company-wide"),
        ("${aws:PrincipalTag/team, 'company-wide'}", {"aws:PrincipalTag/team": "yellow"}, "yellow"),
        ("${aws:PrincipalTag/team,'company-wide'}", {}, "company-wide"),
        ("${ aws:PrincipalTag/team , '' }", {}, ""),
        ("${aws:PrincipalTag/my team, 'a, b'}", {"aws:principaltag/MY TEAM": "x"}, "x"),
        ("${aws:PrincipalTag/team, 'a, b * c'}", {}, "a, b * c"),
        ("${aws:PrincipalTag/team, 'd'}", {"aws:PrincipalTag/team": ("x", "y")}, None),
        ("${aws:TagKeys, 'd'}", {"aws:TagKeys": "x"}, None),
    ],
    ids=str,
)
def test_variable_default_value_stands_where_the_key_is_absent(
    written: str, values: dict[str, str], expected: str | None
) -> None:
    """ "Specifying default values"."""
    resolved = parse_template(written, "2012-10-17", wildcards=False).resolve(Values(values))
    assert (None if resolved is None else resolved.text()) == expected


@pytest.mark.parametrize("version", ["2008-10-17"])
def test_variable_in_old_version_is_plain_text(version: str) -> None:
    """ "Earlier versions of the policy language don't support policy variables"."""
    values = Values({"aws:username": "bob"})
    assert not concerns(NAME, BUCKET + "bob", values, version)
    assert concerns(NAME, NAME, values, version)
    assert compiled("StringEquals", "${aws:username}", version=version).holds(
        Values({"aws:x": "${aws:username}"})
    )
    assert not compiled("StringEquals", "${aws:username}", version=version).keys - {"aws:x"}
    compiled("StringEquals", "${", version=version)


@pytest.mark.parametrize("operator", ["StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnLike"])
def test_variable_in_condition_is_compared_with_the_other_key(operator: str) -> None:
    """ "Condition element": string and ARN operators."""
    arn = "arn:aws:s3:::b"
    assert holds(operator, "${aws:y}", arn, **{"aws:y": arn})
    assert not holds(operator, "${aws:y}", arn, **{"aws:y": "arn:aws:s3:::c"})
    assert not holds(operator, "${aws:y}", arn, **{"aws:y": "*"})
    assert not holds(operator, "${aws:y}", arn, **{"aws:y": "arn:aws:s3:::*"})
    assert compiled(operator, "${aws:Y}", "arn:aws:s3:::${aws:z}").keys == {"aws:x", "aws:y", "aws:z"}


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        *(
            ("StringEquals", False),
            ("StringLike", False),
            ("StringEqualsIgnoreCase", False),
            ("ArnLike", False),
        ),
        *(("StringNotEquals", True), ("StringNotLike", True), ("ArnNotEquals", True), ("ArnNotLike", True)),
        *(("ForAnyValue:StringNotEquals", True), ("ForAllValues:StringEquals", False)),
    ],
)
def test_variable_without_value_equals_nothing_and_negated_operators_hold(
    operator: str, expected: bool
) -> None:
    """ "Policy variables with no value": a null that is equal to nothing, so that the guide's example of a
    Deny with StringNotEquals denies whoever has no tag."""
    assert holds(operator, "${aws:PrincipalTag/Team}", "arn:aws:s3:::b") is expected
    assert holds(operator, ["${aws:PrincipalTag/Team}", "arn:aws:s3:::b"], "arn:aws:s3:::b") is (
        "Not" not in operator
    )


def test_variable_in_arn_adds_no_parts() -> None:
    """A value with colons must not move what is compared with what."""
    values = {"aws:y": "iam::1:role/x:y:z"}
    assert not holds("ArnLike", "arn:aws:${aws:y}:*:*:*", "arn:aws:iam::1:role/x:y:z", **values)
    assert holds("ArnLike", "arn:aws:s3:::${aws:y}", "arn:aws:s3:::iam::1:role/x:y:z", **values)


def test_variable_without_value_in_not_resource_never_helps_the_caller() -> None:
    """INVARIANT Z2. "will not match any resource" leaves open what NotResource then leaves out: a Deny
    denies everything, an Allow allows nothing."""
    asked = ("kms:encrypt", BUCKET + "alice")
    assert only(effect="Deny", Resource=None, NotResource=NAME).concerns(*asked, NOBODY)
    assert not only(effect="Allow", Resource=None, NotResource=NAME).concerns(*asked, NOBODY)
    bob, alice = Values({"aws:username": "bob"}), Values({"aws:username": "alice"})
    for effect in ("Allow", "Deny"):
        statement = only(effect=effect, Resource=None, NotResource=NAME)
        assert statement.concerns(*asked, bob)
        assert not statement.concerns(*asked, alice)


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:kms:*:${aws:PrincipalAccount}:key/*",
        "arn:${aws:x}:kms:*:*:key/*",
        "${aws:x}",
        "arn:aws:kms:*:*:${aws:x",
    ],
)
def test_variable_before_the_fifth_colon_or_unfinished_is_refused(resource: str) -> None:
    """ "Resource element": only in the resource portion of the ARN; IAM refuses the others."""
    with pytest.raises(PolicyError):
        only(Resource=resource)


def test_variable_in_action_is_plain_text() -> None:
    """ "Where you can use policy variables": Resource and Condition."""
    statement = only(Action="kms:${*}")
    assert not statement.concerns("kms:*", "*", NOBODY)
    assert statement.concerns("kms:${encrypt}", "*", NOBODY)


def test_multi_valued_keys_are_written_as_they_are_looked_up() -> None:
    assert {key.lower() for key in MULTI_VALUED_KEYS} == MULTI_VALUED_KEYS
