"""Where statements stand in the text of a policy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strongroom.authorization.statement_positions import TextPosition, statement_positions

VALUES = st.recursive(
    st.one_of(
        st.text(max_size=8), st.sampled_from(["{", "}", '"', "\\", "\n", "]"]), st.booleans(), st.integers()
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
STATEMENTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=4)


def cut(text: str, start: TextPosition, end: TextPosition) -> str:
    """The text between two positions, by lines and columns alone."""
    lines = text.split("\n")
    offsets = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    return text[offsets[start.line - 1] + start.column - 1 : offsets[end.line - 1] + end.column - 1]


@given(
    statements=st.one_of(STATEMENTS, st.lists(STATEMENTS, max_size=4)),
    indent=st.sampled_from([None, 0, 2]),
    ascii_only=st.booleans(),
    before=st.booleans(),
)
def test_positions_of_any_policy_enclose_its_statements(
    statements: Any, indent: int | None, ascii_only: bool, before: bool
) -> None:
    id_member = {"Id": '{"Statement": [{}]}'}
    document: dict[str, Any] = {**(id_member if before else {}), "Statement": statements}
    document |= {} if before else id_member
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    wanted = statements if isinstance(statements, list) else [statements]
    found = [json.loads("{" + cut(text, start, end)) for start, end in statement_positions(text)]
    assert found == wanted


@pytest.mark.parametrize(
    ("text", "positions"),
    [
        # localstack/localstack, test_simulate_principle_policy, recorded from AWS
        (
            '{"Version": "2012-10-17", "Statement": {"Sid": "", "Effect": "Allow", '
            '"Action": "s3:PutObject", "Resource": "*"}}',
            [((1, 41), (1, 113))],
        ),
        ('{"Statement":[]}', []),
        ('\n{\t"Statement"\r\n:\n[{}\n,{} ] }', [((4, 3), (4, 4)), ((5, 3), (5, 4))]),
    ],
    ids=["as AWS answered", "none", "white space"],
)
def test_positions_are_counted_from_one(text: str, positions: list[Any]) -> None:
    found = statement_positions(text)
    assert [((s.line, s.column), (e.line, e.column)) for s, e in found] == positions
