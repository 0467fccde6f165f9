"""The operations table is AWS's model, no less and no more."""

from __future__ import annotations

import re
from pathlib import Path

from strongroom.aws.generated.constraints import OPERATIONS as MODEL
from strongroom.operations.operation import AliasTarget, KeyTarget, Rehearsed
from strongroom.operations.table import KMS_OPERATIONS, NOT_BUILT

ROOT = Path(__file__).resolve().parents[2]


def test_table_and_not_built_together_are_the_model() -> None:
    assert len(MODEL) == 56
    assert KMS_OPERATIONS.keys() | NOT_BUILT == MODEL.keys()
    assert not KMS_OPERATIONS.keys() & NOT_BUILT


def test_every_operation_takes_and_gives_the_shapes_of_the_model() -> None:
    for name, operation in KMS_OPERATIONS.items():
        takes, gives = MODEL[name]
        assert operation.input is takes, name
        assert operation.output is gives, name


def test_every_target_names_a_member_of_the_input() -> None:
    for operation in KMS_OPERATIONS.values():
        for target in operation.access:
            if isinstance(target, KeyTarget | AliasTarget):
                assert target.member in operation.input.__struct_fields__
            if isinstance(target, KeyTarget) and target.ciphertext is not None:
                assert target.ciphertext in operation.input.__struct_fields__


def test_every_change_that_takes_a_dry_run_is_rehearsed() -> None:
    """A dry run of another change would check nothing and say that it would succeed."""
    for operation in KMS_OPERATIONS.values():
        if "dry_run" in operation.input.__struct_fields__:
            assert operation.read_only or isinstance(operation.run, Rehearsed), operation.name


def test_no_operation_records_a_secret_member() -> None:
    """INVARIANT O3."""
    secret = {
        "plaintext",
        "ciphertext_blob",
        "grant_tokens",
        "grant_token",
        "message",
        "recipient",
        "key_store_password",
    }
    for operation in KMS_OPERATIONS.values():
        assert not secret & {recorded.member for recorded in operation.records}, operation.name
        assert not secret & set(operation.response_records), operation.name


def test_divergences_page_lists_what_is_not_built() -> None:
    page = (ROOT / "docs" / "divergences.md").read_text()
    section = page.split("## Not built yet")[1].split("| what | answer |")[0]
    named = {name for name in MODEL if re.search(rf"\b{name}\b", section)}
    assert named == NOT_BUILT
