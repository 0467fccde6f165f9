"""The ledger of a key, from records of the audit trail."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from strongroom.administration.key_ledger import Use, build_ledger
from strongroom.audit.reader import read_records
from strongroom.cli.key_commands import show_key_usage

KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE = "arn:aws:iam::111122223333:role/Service"


def record(name: str, second: int, **members: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.11",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/Alice"},
        "eventTime": f"2026-01-02T03:04:{second:02d}Z",
        "eventName": name,
        "resources": [{"ARN": KEY}],
        **members,
    }


def test_build_ledger_counts_by_principal_operation_and_context_names() -> None:
    session = {
        "type": "AssumedRole",
        "arn": "arn:aws:sts::111122223333:assumed-role/Service/one",
        "sessionContext": {"sessionIssuer": {"arn": ROLE}},
    }
    lines = build_ledger(
        [
            record("Encrypt", 1, requestParameters={"encryptionContext": {"b": "1", "a": "2"}}),
            record("Encrypt", 2, requestParameters={"encryptionContext": {"a": "3", "b": "4"}}),
            record("Encrypt", 3),
            record("Decrypt", 4, userIdentity=session, errorCode="AccessDenied"),
            record("Decrypt", 5, userIdentity={**session, "arn": "another session"}),
            record("Decrypt", 6, resources=[{"ARN": KEY + "x"}]),
            record("Decrypt", 7, resources=None),
        ],
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        None,
    )
    assert [(line.use, line.succeeded, line.refused) for line in lines] == [
        (Use(ROLE, "Decrypt", ()), 1, 1),
        (Use("arn:aws:iam::111122223333:user/Alice", "Encrypt", ()), 1, 0),
        (Use("arn:aws:iam::111122223333:user/Alice", "Encrypt", ("a", "b")), 2, 0),
    ]
    assert lines[0].last_time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("\x1b[2J\x1b[1;1H", "\\x1b[2J\\x1b[1;1H"),
        ("a\n2026-01-01 00:00:00  Encrypt", "a\\n2026-01-01 00:00:00  Encrypt"),
        ("\u202ednet", "\\u202ednet"),
        ("\x9b1m", "\\x9b1m"),
        ("r\u00e9gion \u4e2d", "r\u00e9gion \u4e2d"),
    ],
    ids=["escape-sequence", "line", "direction", "c1-control", "letters"],
)
def test_key_usage_names_that_callers_chose_write_nothing_else_on_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, shown: str
) -> None:
    trail = tmp_path / "audit"
    trail.mkdir()
    refused = record(
        "Encrypt", 1, requestParameters={"encryptionContext": {name: "1"}}, errorCode="AccessDenied"
    )
    unknown = record("X" + name, 2, errorCode="UnknownOperationException")
    text = "".join(json.dumps(one, separators=(",", ":")) + "\n" for one in (refused, unknown))
    (trail / "00000001.jsonl").write_text(text)
    assert show_key_usage(tmp_path, KEY, None) == 0
    lines = capsys.readouterr().out.split("\n")
    assert len(lines) == 4  # the heading, two records, nothing after the last line break
    assert shown in lines[1]
    assert shown in lines[2]
    assert "".join(lines).isprintable()


def test_build_ledger_since_leaves_older_records_out() -> None:
    since = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    lines = build_ledger([record("Encrypt", 4), record("Sign", 5)], KEY, since)
    assert [line.use.operation for line in lines] == ["Sign"]


def test_read_records_passes_over_what_is_no_record(tmp_path: Path) -> None:
    (tmp_path / "00000001.jsonl").write_bytes(
        b'{"eventVersion":"1.11","a":1}\n{"chain":1,"block":1}\n{"eventVersion":broken}\n\0\0\0\n'
        b'{"eventVersion":"1.11","a":2}\n'
    )
    (tmp_path / "00000002.jsonl").write_bytes(b'{"eventVersion":"1.11","a":3}\n{"eventVersion":"1.11","a":4}')
    (tmp_path / "head").write_bytes(b"")
    assert [one["a"] for one in read_records(tmp_path)] == [1, 2, 3]
    assert [one["a"] for one in read_records(tmp_path, b'"a":3')] == [3]
