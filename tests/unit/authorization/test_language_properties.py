"""What holds for every condition and every pattern."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.authorization.requests import Values, compiled, holds
from tests.unit.authorization.test_conditions import OPERATORS

from strongroom.authorization.letters import lower_ascii
from strongroom.authorization.variables import parse_template

DUALS = {
    "StringEquals": "StringNotEquals",
    "StringEqualsIgnoreCase": "StringNotEqualsIgnoreCase",
    "StringLike": "StringNotLike",
    "NumericEquals": "NumericNotEquals",
    "DateEquals": "DateNotEquals",
    "IpAddress": "NotIpAddress",
    "ArnEquals": "ArnNotEquals",
    "ArnLike": "ArnNotLike",
}
# What policies write, by family; requests may say anything at all.
WRITTEN = {
    "String": st.one_of(
        st.sampled_from(["a", "A", "a*", "?", "", "${aws:y}", "${aws:y, 'a'}", "${*}"]),
        st.text("aAb*?", max_size=4),
    ),
    "Numeric": st.one_of(st.integers(-3, 3).map(str), st.sampled_from(["0.5", "1.0", "1e1", "-0"])),
    "Date": st.sampled_from(["2026", "2026-01-01T00:00:00Z", "2026-01-01T02:00+02:00", "0", "1767225600"]),
    "Bool": st.sampled_from(["true", "false", "TRUE"]),
    "Binary": st.sampled_from(["QQ==", "", "QmluYXJ5"]),
    "Ip": st.sampled_from(["10.0.0.0/8", "10.1.2.3", "::/0", "2001:db8::/32", "0.0.0.0/0"]),
    "Arn": st.sampled_from(
        ["*", "arn:aws:s3:::b", "arn:aws:s3:::*", "arn:*:*:*:*:?", "arn:aws:s3:::${aws:y}"]
    ),
}
SAID = st.one_of(
    *WRITTEN.values(), st.text(max_size=4), st.sampled_from(["10.1.2.3", "2001:db8::1", "arn:aws:s3:::a"])
)
REQUEST = st.one_of(st.none(), st.lists(SAID, max_size=3))
OTHER = st.one_of(st.none(), st.sampled_from(["a", "*", "", "arn:aws:s3:::b"]))


def family(operator: str) -> str:
    name = operator.removeprefix("Not")
    return next(one for one in WRITTEN if name.startswith(one))


@st.composite
def conditions(
    draw: st.DrawFn, names: Sequence[str] = tuple(OPERATORS)
) -> tuple[str, list[str], Sequence[str] | None, dict[str, str]]:
    """An operator, what the policy writes, what the request says, and what else it says."""
    operator = draw(st.sampled_from(sorted(names)))
    wanted = draw(st.lists(WRITTEN[family(operator)], min_size=1, max_size=3))
    other = draw(OTHER)
    return operator, wanted, draw(REQUEST), {} if other is None else {"aws:y": other}


Case = tuple[str, list[str], Sequence[str] | None, dict[str, str]]


@given(conditions(tuple(DUALS)))
def test_negated_operator_is_the_opposite_of_its_operator(case: Case) -> None:
    operator, wanted, given_, other = case
    if given_ is not None and len(given_) > 1:  # neither helps an Allow
        assert not holds(operator, wanted, given_, **other)
    else:
        opposite = holds(DUALS[operator], wanted, given_, **other)
        assert holds(operator, wanted, given_, **other) is not opposite


@given(conditions(tuple(DUALS)))
def test_set_operators_are_each_others_opposite_under_negation(case: Case) -> None:
    operator, wanted, given_, other = case
    every = holds(f"ForAllValues:{operator}", wanted, given_, **other)
    some_not = holds(f"ForAnyValue:{DUALS[operator]}", wanted, given_, **other)
    assert every is not some_not


@given(conditions(), st.sampled_from(["", "ForAllValues:", "ForAnyValue:"]))
def test_if_exists_only_widens_and_only_for_absent_keys(case: Case, prefix: str) -> None:
    operator, wanted, given_, other = case
    plain = holds(prefix + operator, wanted, given_, **other)
    widened = holds(f"{prefix}{operator}IfExists", wanted, given_, **other)
    assert widened or not plain
    if given_ and list(given_) != [""]:
        assert widened is plain
    if not given_:
        assert widened


@given(conditions(), SAID.filter(bool))
def test_set_operator_of_one_value_is_the_operator(case: Case, given_: str) -> None:
    operator, wanted, _, other = case
    plain = holds(operator, wanted, given_, **other)
    assert holds(f"ForAllValues:{operator}", wanted, given_, **other) is plain
    assert holds(f"ForAnyValue:{operator}", wanted, given_, **other) is plain


@given(conditions(), st.data())
def test_one_more_policy_value_widens_a_positive_and_narrows_a_negated_operator(
    case: Case, data: st.DataObject
) -> None:
    operator, wanted, given_, other = case
    more = [*wanted, data.draw(WRITTEN[family(operator)])]
    for prefix in ("", "ForAllValues:", "ForAnyValue:"):
        fewer = holds(prefix + operator, wanted, given_, **other)
        wider = holds(prefix + operator, more, given_, **other)
        assert (fewer or not wider) if "Not" in operator else (wider or not fewer)


@given(conditions())
def test_condition_is_found_as_it_holds_and_looks_at_what_it_says(case: Case) -> None:
    operator, wanted, given_, other = case
    asked: list[str] = []

    class Watched(Values):
        def values_of(self, key: str) -> tuple[str, ...] | None:
            asked.append(key)
            return super().values_of(key)

    request: dict[str, Sequence[str] | str] = dict(other)
    if given_ is not None:
        request["aws:x"] = given_
    condition = compiled(operator, *wanted)
    assert condition.find(Watched(request)).held is condition.holds(Watched(request))
    assert set(asked) <= condition.keys


# ---------------------------------------------------------------- patterns with variables, another way


def fits_slowly(pattern: str, text: str, value: Callable[[str], str]) -> bool:
    """By a regular expression: wildcards first, and what variables bring escaped."""
    made = ""
    for token in re.findall(r"\$\{[^}]*\}|.", pattern, re.DOTALL):
        if token.startswith("${"):
            made += re.escape(value(token[2:-1]))
        else:
            made += {"*": ".*", "?": "."}.get(token, re.escape(token))
    return re.fullmatch(made, text, re.DOTALL) is not None


TOKENS = st.sampled_from(["a", "b", "*", "?", "${aws:y}", "${*}", "${?}", "${$}", "."])


@given(st.lists(TOKENS, max_size=8).map("".join), st.text("ab*?$", max_size=10), st.text("a*?$", min_size=1))
def test_pattern_with_variables_agrees_with_a_regular_expression(pattern: str, text: str, value: str) -> None:
    template = parse_template(pattern, "2012-10-17", wildcards=True)
    expected = fits_slowly(pattern, text, lambda name: value if name == "aws:y" else name)
    assert template.fits(text, Values({"aws:y": value})) is expected


@given(st.text())
def test_template_without_version_says_what_was_written(text: str) -> None:
    assert parse_template(text, "2008-10-17", wildcards=False).text() == text


@given(st.text())
def test_lower_ascii_changes_only_ascii(text: str) -> None:
    lowered = lower_ascii(text)
    assert len(lowered) == len(text)
    for before, after in zip(text, lowered, strict=True):
        assert after == (before.lower() if before.isascii() else before)
