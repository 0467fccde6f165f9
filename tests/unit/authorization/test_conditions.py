"""Every operator: absent keys, several values, and what IfExists and the set operators make of them.

Sources, all IAM User Guide: [OP] "Condition operators", [SET] "Set operators for multivalued context
keys", [LOGIC] "Conditions with multiple context keys or values".
"""

from __future__ import annotations

import pytest
from tests.unit.authorization.requests import Values, compiled, holds

from strongroom.authorization.policy_error import PolicyError
from strongroom.operations.circumstances import value_named

# operator: a policy value, a request's value that it holds for, one that it does not hold for
OPERATORS = {
    "StringEquals": ("a", "a", "b"),
    "StringNotEquals": ("a", "b", "a"),
    "StringEqualsIgnoreCase": ("Ab", "aB", "b"),
    "StringNotEqualsIgnoreCase": ("Ab", "b", "aB"),
    "StringLike": ("a*c?", "abbcd", "abbc"),
    "StringNotLike": ("a*c?", "abbc", "abbcd"),
    "NumericEquals": ("10", "10.0", "10.1"),
    "NumericNotEquals": ("10", "11", "1e1"),
    "NumericLessThan": ("10", "9.99", "10"),
    "NumericLessThanEquals": ("10", "10", "10.01"),
    "NumericGreaterThan": ("10", "10.5", "10"),
    "NumericGreaterThanEquals": ("10", "10", "9"),
    "DateEquals": ("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-02"),
    "DateNotEquals": ("2026-01-01", "2026-01-02", "1767225600"),
    "DateLessThan": ("2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z"),
    "DateLessThanEquals": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
    "DateGreaterThan": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z", "2026-01-01T00:00:00Z"),
    "DateGreaterThanEquals": ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", "2025-12-31T00:00:00Z"),
    "Bool": ("true", "true", "false"),
    "BinaryEquals": ("QmluYXJ5", "QmluYXJ5", "Qg=="),
    "IpAddress": ("203.0.113.0/24", "203.0.113.7", "203.0.114.7"),
    "NotIpAddress": ("203.0.113.0/24", "203.0.114.7", "203.0.113.7"),
    "ArnEquals": ("arn:aws:sns:*:1:t-?", "arn:aws:sns:eu:1:t-1", "arn:aws:sns:eu:2:t-1"),
    "ArnLike": ("arn:aws:sns:*:1:t*", "arn:aws:sns:eu:1:t:1", "arn:aws:sqs:eu:1:t"),
    "ArnNotEquals": ("arn:aws:sns:*:1:t-?", "arn:aws:sns:eu:2:t-1", "arn:aws:sns:eu:1:t-1"),
    "ArnNotLike": ("arn:aws:sns:*:1:t*", "arn:aws:sqs:eu:1:t", "arn:aws:sns:eu:1:t:1"),
}
NEGATED = [name for name in OPERATORS if "Not" in name]
TYPED = [name for name in OPERATORS if name.startswith(("Numeric", "Date", "Bool", "Binary", "Ip", "NotIp"))]

operators = pytest.mark.parametrize("operator", OPERATORS)


@operators
def test_operator_single_value_is_compared(operator: str) -> None:
    """[OP]"""
    wanted, fits, other = OPERATORS[operator]
    assert holds(operator, wanted, fits)
    assert not holds(operator, wanted, other)
    assert holds(operator + "IfExists", wanted, fits)
    assert not holds(operator + "IfExists", wanted, other)


@operators
@pytest.mark.parametrize("absent", [None, ()], ids=["absent", "without-a-value"])
def test_operator_absent_key_is_judged_by_kind(operator: str, absent: tuple[str, ...] | None) -> None:
    """[OP] "If the key ... is not present": false, and true of negated operators; [SET] for ForAllValues
    and ForAnyValue; ...IfExists: true."""
    wanted = OPERATORS[operator][0]
    assert holds(operator, wanted, absent) is (operator in NEGATED)
    assert holds("ForAllValues:" + operator, wanted, absent)
    assert not holds("ForAnyValue:" + operator, wanted, absent)
    for prefix in ("", "ForAllValues:", "ForAnyValue:"):
        assert holds(f"{prefix}{operator}IfExists", wanted, absent)


@operators
def test_operator_several_request_values_are_quantified(operator: str) -> None:
    """[SET]: every value, or at least one. IfExists changes nothing of a key that is there."""
    wanted, fits, other = OPERATORS[operator]
    for end in ("", "IfExists"):
        assert holds(f"ForAllValues:{operator}{end}", wanted, [fits, fits])
        assert not holds(f"ForAllValues:{operator}{end}", wanted, [fits, other])
        assert not holds(f"ForAllValues:{operator}{end}", wanted, [other, other])
        assert holds(f"ForAnyValue:{operator}{end}", wanted, [other, fits])
        assert not holds(f"ForAnyValue:{operator}{end}", wanted, [other, other])


@operators
def test_operator_without_set_operator_several_values_help_no_allow_and_spare_no_deny(operator: str) -> None:
    """AWS asks for a set operator here, and does not say what comes without (INVARIANT Z2)."""
    wanted, fits, other = OPERATORS[operator]
    several = Values({"aws:x": [other, fits]})
    assert not compiled(operator, *([wanted] if isinstance(wanted, str) else wanted)).holds(several)
    deny = compiled(operator, *([wanted] if isinstance(wanted, str) else wanted), denies=True)
    assert deny.holds(several)
    assert deny.holds(Values({"aws:x": [fits, fits]}))
    assert not deny.holds(Values({"aws:x": [other, other]}))


@pytest.mark.parametrize("operator", NEGATED)
def test_negated_operator_several_policy_values_none_may_match(operator: str) -> None:
    """[LOGIC] "evaluated using a logical NOR": the wrong reading lets everything through."""
    wanted, fits, other = OPERATORS[operator]
    del fits
    unrelated = {"S": "zz", "N": "77", "D": "1999", "A": "arn:aws:s3:::b"}
    extra = "10.0.0.0/8" if operator == "NotIpAddress" else unrelated[operator[0]]
    assert not holds(operator, [wanted, extra], other)
    assert not holds(operator, [extra, wanted], other)


@pytest.mark.parametrize("operator", [name for name in OPERATORS if name not in NEGATED])
def test_positive_operator_several_policy_values_one_must_match(operator: str) -> None:
    """[LOGIC] "evaluated using a logical OR"."""
    wanted, fits, other = OPERATORS[operator]
    assert holds(operator, [wanted, wanted], fits)
    assert not holds(operator, [wanted, wanted], other)
    assert holds("StringEquals", ["x", "y"], "y")


@pytest.mark.parametrize("operator", TYPED)
@pytest.mark.parametrize("unreadable", ["", "x", "10 ", "2026-13-01", "1.2.3", "yes", "Qg=", "１０", "NaN"])
def test_typed_operator_request_value_of_another_type_matches_nothing(operator: str, unreadable: str) -> None:
    wanted = OPERATORS[operator][0]
    assert holds(operator, wanted, unreadable) is (operator in NEGATED)
    assert holds(operator + "IfExists", wanted, unreadable) is (operator in NEGATED)


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        *(
            ("NumericEquals", value)
            for value in ("", "x", "0x10", "1_0", "１", "NaN", "inf", "1e9999", "9" * 101)
        ),
        *(
            ("DateLessThan", value)
            for value in ("", "2026-13", "2026-02-30", "yesterday", "2026-01-01T25:00Z")
        ),
        *(("Bool", value) for value in ("", "yes", "1", "${aws:y}")),
        *(("Null", value) for value in ("", "null", "0")),
        *(("BinaryEquals", value) for value in ("Qg", "*", "Qg==\n")),
        *(
            ("IpAddress", value)
            for value in ("", "*", "1.2.3", "1.2.3.4/33", "01.2.3.4", "fe80::1%e", "::/129")
        ),
        *(("IpAddress", value) for value in ("1.2.3.0/255.255.255.0", "${aws:SourceIp}")),
        *(("ArnLike", value) for value in ("", "alice", "arn:aws:s3", "**")),
        *(
            ("StringEquals", value)
            for value in ("${", "${}", "${aws:x", "${aws:x, y}", "${aws:x, 'a}", "${a${b}}")
        ),
    ],
    ids=str,
)
def test_condition_policy_value_that_cannot_be_read_is_refused(operator: str, value: str) -> None:
    """INVARIANT Z4: a Deny that could never match would be skipped for ever."""
    readable = {"Null": "true"}.get(operator) or OPERATORS[operator][0]
    for prefix in ("", "ForAllValues:", "ForAnyValue:"):
        assert compiled(prefix + operator, readable)
        with pytest.raises(PolicyError):
            compiled(prefix + operator, readable, value)


@pytest.mark.parametrize(
    "operator",
    [
        *("", "IfExists", "stringequals", "StringEqual", "StringEqualsIfExistsIfExists", "NullIfExists"),
        *(
            "ForAnyValue",
            "ForAnyValue:",
            "ForSomeValue:StringEquals",
            ":StringEquals",
            "NotBool",
            "ARNEquals",
        ),
        *("ForAnyValue:ForAllValues:StringEquals", "ForAnyValue:StringEquals:", "BinaryNotEquals"),
    ],
)
def test_condition_operator_that_does_not_exist_is_refused(operator: str) -> None:
    """INVARIANT Z4."""
    with pytest.raises(PolicyError):
        compiled(operator, "a")


@pytest.mark.parametrize("prefix", ["", "ForAllValues:", "ForAnyValue:"])
def test_null_asks_only_for_presence(prefix: str) -> None:
    """[OP] "Null": "true" where the key is absent, "false" where it is there and not null."""
    for absent in (None, (), ""):
        assert holds(f"{prefix}Null", "true", absent)
        assert not holds(f"{prefix}Null", "false", absent)
        assert holds(f"{prefix}Null", ["true", "FALSE"], absent)
    for present in ("x", ["", "x"], "null"):
        assert not holds(f"{prefix}Null", "true", present)
        assert holds(f"{prefix}Null", "false", present)


def test_set_operators_empty_string_alone_is_a_null_dataset() -> None:
    """[SET] "a null dataset, such as an empty string"; to other operators it is a value (s3:prefix "")."""
    assert holds("ForAllValues:StringEquals", "a", "")
    assert not holds("ForAnyValue:StringNotEquals", "a", "")
    assert holds("StringEquals", "", "")
    assert holds("StringLike", "*", "")


def test_condition_key_case_does_not_count() -> None:
    """[OP] "Condition key names are not case-sensitive"."""
    condition = compiled("StringEquals", "a", key="AWS:PrincipalTag/Team")
    assert condition.holds(Values({"aws:principaltag/TEAM": "a"}))
    assert condition.keys == {"aws:principaltag/team"}


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "expected"),
    [
        pytest.param("StringEquals", "a*", "abc", False, id="OP-StringEquals-has-no-wildcards"),
        pytest.param("StringEquals", "a", "A", False, id="OP-StringEquals-case-counts"),
        pytest.param("StringLike", "a.c", "abc", False, id="moto-dot-is-no-wildcard"),
        pytest.param("StringLike", "[a-z]", "b", False, id="no-character-classes"),
        pytest.param("StringLike", "home/*", "home/a/b:c", True, id="OP-star-crosses-everything"),
        pytest.param("StringLike", "A*", "abc", False, id="OP-StringLike-case-counts"),
        pytest.param("StringLike", "ab", "abc", False, id="OP-no-partial-match"),
        pytest.param("StringLike", "a?c", "a\nc", True, id="newline-is-a-character"),
        pytest.param("StringEquals", "a", "a\n", False, id="newline-at-the-end-counts"),
        pytest.param("StringEqualsIgnoreCase", "k", "\u212a", False, id="Kelvin-sign-is-no-k"),
        pytest.param("StringEqualsIgnoreCase", "ss", "\u00df", False, id="sharp-s-is-no-ss"),
        pytest.param("StringEqualsIgnoreCase", "i", "\u0130", False, id="dotted-I-is-no-i"),
        pytest.param("StringEquals", "\u00e9", "e\u0301", False, id="NFC-and-NFD-are-two-texts"),
        pytest.param("StringEquals", "1", "1.0", False, id="text-is-not-a-number"),
        pytest.param("NumericEquals", "1", "1.0", True, id="number-is-not-text"),
        pytest.param(
            "NumericEquals", "0.1", "0.1000000000000000055511151231257827", False, id="exact-decimals"
        ),
        pytest.param("NumericLessThan", "10", "9", True, id="numbers-not-texts-are-ordered"),
        pytest.param("Bool", "true", "TRUE", True, id="booleans-in-any-case"),
        pytest.param("DateEquals", "2026", "2026-01-01T00:00Z", True, id="W3C-year"),
        pytest.param("DateEquals", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00Z", True, id="W3C-zone"),
        pytest.param(
            "DateEquals", "2025-12-31T22:30-01:30", "1767225600", True, id="W3C-zone-west-and-epoch"
        ),
        pytest.param("IpAddress", "203.0.113.7", "203.0.113.7", True, id="OP-address-without-prefix-is-32"),
        pytest.param("IpAddress", "203.0.113.7", "203.0.113.8", False, id="OP-address-without-prefix-is-one"),
        pytest.param("IpAddress", "203.0.113.9/24", "203.0.113.7", True, id="host-bits-do-not-count"),
        pytest.param("IpAddress", "2001:DB8:1234:5678::/64", "2001:db8:1234:5678::1", True, id="OP-IPv6"),
        pytest.param("IpAddress", "203.0.113.0/24", "::ffff:203.0.113.7", True, id="IPv4-mapped-request"),
        pytest.param("IpAddress", "::ffff:203.0.113.0/120", "203.0.113.7", True, id="IPv4-mapped-policy"),
        pytest.param("IpAddress", "0.0.0.0/0", "::1", False, id="IPv4-range-has-no-IPv6"),
        pytest.param("IpAddress", "::/0", "1.2.3.4", False, id="IPv6-range-has-no-IPv4"),
        pytest.param("IpAddress", "0.0.0.0/0", "1.2.3.4, 5.6.7.8", False, id="a-list-is-no-address"),
        pytest.param(
            "ArnLike", "arn:aws:s3:::b/*", "arn:aws:s3:::b/a:b/c", True, id="OP-last-part-is-the-rest"
        ),
        pytest.param("ArnLike", "arn:aws:*:x:y", "arn:aws:sns:eu:x:y", None, id="star-crosses-no-colon"),
        pytest.param(
            "ArnLike", "arn:aws:s*:*:*:*", "arn:aws:sns:eu:1:x", True, id="OP-each-part-has-wildcards"
        ),
        pytest.param("ArnLike", "arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", True, id="OP-account-star"),
        pytest.param("ArnEquals", "arn:aws:s3:::B", "arn:aws:s3:::b", False, id="ARN-case-counts"),
        pytest.param("ArnLike", "*", "arn:aws:s3:::b", True, id="star-is-every-ARN"),
        pytest.param("ArnLike", "*", "alice", False, id="star-is-no-other-text"),
        pytest.param("ArnLike", "*", "a:b:c:d:e:f", False, id="six-parts-are-no-ARN"),
        pytest.param("ArnNotLike", "*", "arn:aws:s3:::b", False, id="Yulin-1069-ArnNotLike-is-known"),
    ],
)
def test_comparison_known_pair_gives_expected(
    operator: str, wanted: str, given: str, expected: bool | None
) -> None:
    if expected is None:
        with pytest.raises(PolicyError):
            holds(operator, wanted, given)
    else:
        assert holds(operator, wanted, given) is expected


def test_finding_says_what_was_compared() -> None:
    condition = compiled("StringNotEquals", "a", "b", key="aws:X")
    found = condition.find(Values({"aws:x": "a"}))
    assert (found.operator, found.key, found.policy_values) == ("StringNotEquals", "aws:X", ("a", "b"))
    assert (found.request_values, found.held) == (("a",), False)
    absent = condition.find(Values({}))
    assert (absent.request_values, absent.held) == (None, True)


@pytest.mark.parametrize(
    ("written", "tagged", "same"),
    [
        ("Team", "tEAM", True),
        ("\u00dcnit", "\u00dcNIT", True),
        ("\u00dc", "\u00fc", False),
        ("k", "\u212a", False),
    ],
)
def test_name_in_a_condition_key_is_folded_as_the_requests_names_are(
    written: str, tagged: str, same: bool
) -> None:
    """Folded in two ways, a Deny on a tag would miss it."""
    looked_up = compiled("Null", "false", key=f"aws:PrincipalTag/{written}").key
    found = value_named([(tagged, "x")], looked_up.removeprefix("aws:principaltag/"))
    assert found == (("x",) if same else None)
