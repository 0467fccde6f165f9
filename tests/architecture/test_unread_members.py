"""The tool that lists the input members no test names finds those that are left out, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.unread_members import load_tests, main, members_of, unread_members, words_of

ENCRYPT = """
def test_encrypt(road):
    road.call("Encrypt", KeyId="x", Plaintext="y", EncryptionContext={}, GrantTokens=[], DryRun=True)
"""


def planted(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "test_planted.py").write_text(text)
    return unread_members(load_tests(tmp_path)).get("Encrypt", [])


def test_member_that_no_test_names_is_listed(tmp_path: Path) -> None:
    assert planted(tmp_path, ENCRYPT) == ["EncryptionAlgorithm"]


@pytest.mark.parametrize(
    "extra",
    [
        'road.call("Encrypt", EncryptionAlgorithm="RSAES_OAEP_SHA_256")',
        'MEMBERS = {"EncryptionAlgorithm": None}',
        "BODY = b'{\"EncryptionAlgorithm\": 5}'",
    ],
)
def test_member_that_is_a_keyword_or_in_a_string_is_named(tmp_path: Path, extra: str) -> None:
    assert planted(tmp_path, ENCRYPT + extra) == []


def test_member_in_a_docstring_or_in_a_file_on_another_operation_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "test_other.py").write_text('road.call("Decrypt", EncryptionAlgorithm="x")')
    assert planted(tmp_path, '"""Encrypt with EncryptionAlgorithm."""' + ENCRYPT) == ["EncryptionAlgorithm"]


def test_boto3_and_the_command_line_mention_an_operation_in_their_own_spelling(tmp_path: Path) -> None:
    assert planted(tmp_path, 'kms.encrypt(KeyId="x", Plaintext=b"y")')[:1] == ["EncryptionContext"]
    assert planted(tmp_path, 'run("aws kms encrypt", "KeyId", "Plaintext")')[:1] == ["EncryptionContext"]


def test_members_of_nested_structures_are_members_too() -> None:
    paths = [path for path, _ in members_of("CreateGrantRequest")]
    assert "Constraints.EncryptionContextSubset" in paths
    assert "Tags.TagKey" in [path for path, _ in members_of("TagResourceRequest")]


def test_words_of_a_file_that_says_nothing_are_none() -> None:
    assert words_of('"""Only a docstring."""') == frozenset()


def test_missing_members_are_printed_and_fail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted(tmp_path, ENCRYPT)
    assert main(["--tests", str(tmp_path)]) == 1
    assert "Encrypt: EncryptionAlgorithm\n" in capsys.readouterr().out
