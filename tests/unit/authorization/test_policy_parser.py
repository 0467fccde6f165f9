"""What is a key policy and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.authorization.policies import OWNER, policy, root_arn, statement

from strongroom.authorization.key_policy import POLICY_BYTES_MAX, parse_policy
from strongroom.authorization.policy_document import Condition, Effect, PrincipalKind
from strongroom.aws.errors import ApiError

MALFORMED = "MalformedPolicyDocumentException"
INVALID_PRINCIPALS = "Policy contains a statement with one or more invalid principals."


def refused(text: str) -> ApiError:
    with pytest.raises(ApiError) as caught:
        parse_policy(text)
    assert caught.value.status == 400
    return caught.value


def test_parse_policy_every_element_is_kept() -> None:
    document = parse_policy(
        policy(
            statement(
                "Deny",
                Sid="With spaces, as KMS allows",
                NotPrincipal={"AWS": [OWNER, root_arn(OWNER)], "Service": "s3.amazonaws.com"},
                NotAction=["kms:Describe*", "kms:List*"],
                NotResource="arn:aws:kms:*:*:key/*",
                Condition={
                    "ForAnyValue:StringEqualsIfExists": {"kms:EncryptionContextKeys": ["a", "b"]},
                    "Bool": {"kms:GrantIsForAWSResource": True},
                    "NumericLessThan": {"aws:MultiFactorAuthAge": 3600},
                },
            ),
            Id="key-policy-1",
        )
    )
    assert (document.version, document.id) == ("2012-10-17", "key-policy-1")
    (only,) = document.statements
    assert only.effect is Effect.DENY
    assert only.sid == "With spaces, as KMS allows"
    assert only.principal is not None
    assert only.resource is not None
    assert only.principal.negated
    assert only.principal.names == (
        (PrincipalKind.AWS, OWNER),
        (PrincipalKind.AWS, root_arn(OWNER)),
        (PrincipalKind.SERVICE, "s3.amazonaws.com"),
    )
    assert (only.action.patterns, only.action.negated) == (("kms:Describe*", "kms:List*"), True)
    assert (only.resource.patterns, only.resource.negated) == (("arn:aws:kms:*:*:key/*",), True)
    assert only.conditions == (
        Condition("ForAnyValue:StringEqualsIfExists", "kms:EncryptionContextKeys", ("a", "b")),
        Condition("Bool", "kms:GrantIsForAWSResource", ("true",)),
        Condition("NumericLessThan", "aws:MultiFactorAuthAge", ("3600",)),
    )


@pytest.mark.parametrize(
    "text",
    [
        policy(statement()),
        json.dumps({"Statement": statement()}),
        json.dumps({"Version": "2008-10-17", "Statement": [statement(Sid="")]}),
        policy(statement(Condition={})),
        "\n\t " + policy(statement()) + "\r\n",
    ],
    ids=["plain", "no-version-one-statement", "2008", "empty-condition", "blanks-around"],
)
def test_parse_policy_accepted_forms_have_one_statement(text: str) -> None:
    assert len(parse_policy(text).statements) == 1


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": OWNER},
        {"AWS": root_arn(OWNER)},
        {"AWS": "arn:aws-cn:iam::111122223333:root"},
        {"AWS": "arn:aws-us-gov:iam::111122223333:user/path/alice"},
        {"AWS": ["arn:aws:iam::111122223333:role/aws-service-role/x/AWSServiceRoleForX", "*"]},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/Role/session@example.com"},
        {"AWS": "arn:aws:sts::111122223333:federated-user/bob"},
        {"AWS": "AIDAJQABLZS4A3QDU576Q"},
        {"Service": ["s3.amazonaws.com", "logs.eu-central-1.amazonaws.com"]},
        {"Federated": "cognito-identity.amazonaws.com"},
        {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"},
    ],
    ids=str,
)
def test_parse_policy_principal_of_every_form_is_accepted(principal: Any) -> None:
    """Source: IAM JSON policy elements, Principal."""
    read = parse_policy(policy(statement(Principal=principal))).statements[0].principal
    assert read is not None
    assert read.names


@pytest.mark.parametrize(
    "principal",
    [
        "",
        OWNER,
        None,
        [],
        ["*"],
        {},
        {"AWS": []},
        {"AWS": ""},
        {"AWS": 111122223333},
        {"AWS": [["*"]]},
        {"AWS": {"AWS": "*"}},
        {"aws": "*"},
        {"Everyone": "*"},
        {"AWS": "11112222333"},
        {"AWS": "1111222233334"},
        {"AWS": "１１１１２２２２３３３３"},
        {"AWS": "arn:aws:iam::111122223333:user/*"},
        {"AWS": "arn:aws:iam::111122223333:*"},
        {"AWS": "arn:aws:iam::*:root"},
        {"AWS": "arn:aws:iam::11112222333?:root"},
        {"AWS": "arn:aws:iam::111122223333:root\n"},
        {"AWS": "arn:aws:iam::111122223333:group/admins"},
        {"AWS": "arn:aws:s3::111122223333:root"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/Role"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/path/Role/session"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/Role/"},
        {"AWS": "arn:aws:iam::111122223333:user/alice/"},
        {"AWS": "arn:aws:iam::111122223333:role//"},
        {"AWS": "**"},
        {"Service": "*"},
        {"Service": ""},
        {"Federated": ["a b"]},
    ],
    ids=repr,
)
def test_parse_policy_principal_that_is_none_is_refused_with_aws_sentence(principal: Any) -> None:
    """Source: quoted from AWS in terraform-aws-modules/terraform-aws-eks#1950 and many more."""
    text = json.dumps({"Statement": [statement() | {"Principal": principal}]})
    error = refused(text)
    assert (error.code, error.message) == (MALFORMED, INVALID_PRINCIPALS)


@pytest.mark.parametrize(
    "broken",
    [
        statement(Principal=None),
        statement(Action=None),
        statement(Resource=None),
        statement() | {"NotPrincipal": "*"},
        statement() | {"NotAction": "kms:*"},
        statement() | {"NotResource": "*"},
        statement(NotPrincipal={"AWS": OWNER}),
        statement("allow"),
        statement("Permit"),
        statement() | {"Effect": None},
        statement() | {"Effect": ["Allow"]},
        statement() | {"Effekt": "Deny"},
        statement() | {"effect": "Deny"},
        statement(Sid=7),
        statement(Sid="snow\u2603man"),
        statement(Action=[]),
        statement(Action=""),
        statement(Action="kms"),
        statement(Action="Encrypt"),
        statement(Action="kms:Encrypt:x"),
        statement(Action="k*:Encrypt"),
        statement(Action="kms:.*"),
        statement(Action="*:*"),
        statement(Action=["kms:Encrypt", 5]),
        statement(Action="\u212ams:Encrypt"),
        statement(Action="kms:Encrypt\n"),
        statement(Resource=[]),
        statement(Resource="key/1"),
        statement(Resource="arn:aws:kms"),
        statement(Resource={"*": "*"}),
        statement(Condition=[]),
        statement(Condition="x"),
        statement(Condition={"StringEquals": "x"}),
        statement(Condition={"StringEquals": {}}),
        statement(Condition={"StringEquals": {"aws:x": []}}),
        statement(Condition={"StringEquals": {"aws:x": None}} | {"Bool": {"aws:x": {"a": 1}}}),
        statement(Condition={"StringIs": {"aws:x": "y"}}),
        statement(Condition={"stringequals": {"aws:x": "y"}}),
        statement(Condition={"NullIfExists": {"aws:x": "y"}}),
        statement(Condition={"IfExists": {"aws:x": "y"}}),
        statement(Condition={"ForAllValues:ForAnyValue:StringEquals": {"aws:x": "y"}}),
        statement(Condition={"ForSomeValues:StringEquals": {"aws:x": "y"}}),
        statement(Condition={"StringEquals": {"nocolon": "y"}}),
        statement(Condition={"StringEquals": {"aws:x": "\ud800"}}),
        "statement",
        None,
        [],
    ],
    ids=lambda broken: json.dumps(broken)[-60:],
)
def test_parse_policy_broken_statement_is_refused(broken: Any) -> None:
    """INVARIANT Z4: what is not understood is refused when it is put, never skipped later."""
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement(), broken]})
    assert refused(text).code == MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "null",
        "[]",
        '"policy"',
        "7",
        "{}",
        "{",
        "[" * 30_000,
        '{"Statement":' + "[" * 30_000,
        '{"Statement":[]}',
        '{"Statement":{}}',
        '{"Statement":7}',
        policy(statement(), Version="2012-10-18"),
        policy(statement(), Version=20121017),
        policy(statement(), version="2012-10-17"),
        policy(statement(), Id=5),
        policy(statement(), Id="\x00"),
        policy(statement(), Extra="x"),
        policy(statement()) + "}",
        "\ufeff" + policy(statement()),
        policy(statement(Condition={"NumericEquals": {"aws:x": float("nan")}})),
        policy(statement(Condition={"NumericEquals": {"aws:x": float("inf")}})),
        policy(statement()).replace('"Sid"', "'Sid'").replace('"', "'"),
        "// comment\n" + policy(statement()),
        policy(statement())[:-1] + ",}",
    ],
    ids=lambda text: text[:30] or "empty",
)
def test_parse_policy_text_that_is_no_policy_is_refused(text: str) -> None:
    assert refused(text).code == MALFORMED


PLAIN = policy(statement(Principal={"AWS": "*"}, Condition={"StringEquals": {"aws:a": "x"}}))


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"Statement"', '"Statement": [], "Statement"'),
        ('"Version"', '"version": "2012-10-17", "Version"'),
        ('"Effect"', '"Effect": "Deny", "Effect"'),
        ('"aws:a"', '"AWS:A": "y", "aws:a"'),
        ('"AWS"', '"AWS": "444455556666", "AWS"'),
    ],
    ids=["statement", "other-case", "effect", "condition-key-other-case", "principal"],
)
def test_parse_policy_member_given_twice_is_refused(once: str, twice: str) -> None:
    """INVARIANT Z4: with the last one winning, a reader and the service could see two policies."""
    parse_policy(PLAIN)
    error = refused(PLAIN.replace(once, twice))
    assert error.message == "A member is given twice in the same JSON object."


@pytest.mark.parametrize("name", ["aws:ResourceTag", "kms:ResourceTag", "kms:ResourceAliases"])
def test_parse_policy_condition_key_without_meaning_is_refused_with_aws_sentence(name: str) -> None:
    """Source: quoted from AWS in awsdocs/aws-kms-developer-guide#47."""
    key = f"{name}/Project".upper() if name.endswith("Tag") else name
    error = refused(policy(statement(Condition={"StringEquals": {key: "x"}})))
    assert error.code == MALFORMED
    assert error.message == f"These condition keys are not permitted in a key policy: {name}"


def test_parse_policy_of_the_longest_size_is_read_and_one_byte_more_refused() -> None:
    """Source: KMS Developer Guide, Key policy format; LimitExceededException in PutKeyPolicy."""
    text = policy(statement())
    longest = text + " " * (POLICY_BYTES_MAX - len(text))
    parse_policy(longest)
    assert refused(longest + " ").code == "LimitExceededException"


def test_parse_policy_size_is_counted_in_bytes() -> None:
    text = policy(statement(Sid="\u00e9" * 100), Id="x").replace("\\u00e9", "\u00e9")
    padded = text + " " * (POLICY_BYTES_MAX - len(text))
    assert len(padded) == POLICY_BYTES_MAX
    assert refused(padded).code == "LimitExceededException"


def test_parse_policy_long_numbers_keep_every_digit() -> None:
    digits = "9" * 6000
    text = policy(statement(Condition={"StringEquals": {"aws:x": 1}})).replace(
        '"aws:x": 1', f'"aws:x": {digits}'
    )
    assert parse_policy(text).statements[0].conditions[0].values == (digits,)


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_parse_policy_number_that_json_does_not_have_is_no_json(constant: str) -> None:
    text = PLAIN.replace('"x"', constant)
    assert refused(text).message == "The policy is not valid JSON."


def test_parse_policy_errors_do_not_repeat_the_policy() -> None:
    secret = "arn:aws:iam::999988887777:user/hidden*"
    for text in (policy(statement(Principal={"AWS": secret})), policy(statement(Action=secret)), secret):
        assert "hidden" not in str(refused(text))
