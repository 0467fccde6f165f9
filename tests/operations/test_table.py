"""The operations table is AWS's model, no less and no more."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import msgspec
import pytest

from strongroom.aws.generated.constraints import OPERATIONS as MODEL
from strongroom.aws.query_services import IAM, STS, QueryService
from strongroom.operations.operation import AliasTarget, KeyTarget, Operation, Rehearsed
from strongroom.operations.table import (
    IAM_NOT_BUILT,
    IAM_OPERATIONS,
    KMS_OPERATIONS,
    NOT_BUILT,
    STS_NOT_BUILT,
    STS_OPERATIONS,
)

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


def test_every_encryption_context_of_an_input_is_declared_for_the_key_that_it_is_for() -> None:
    """Grants' constraints are compared with what is declared, and with nothing else."""
    for operation in KMS_OPERATIONS.values():
        members = {
            field.name
            for field in msgspec.structs.fields(operation.input)
            if field.name.endswith("encryption_context")
        }
        declared = [target.encryption_context for target in operation.access if isinstance(target, KeyTarget)]
        assert members == {member for member in declared if member is not None}, operation.name


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


QUERY = pytest.mark.parametrize(
    ("model", "built", "not_built"),
    [(IAM, IAM_OPERATIONS, IAM_NOT_BUILT), (STS, STS_OPERATIONS, STS_NOT_BUILT)],
    ids=["iam", "sts"],
)


@QUERY
def test_built_and_not_built_together_are_the_query_services_model(
    model: QueryService, built: dict[str, Operation], not_built: frozenset[str]
) -> None:
    assert len(model.all_operations) == {"iam": 180, "sts": 11}[model.name]
    assert built.keys() | not_built == model.all_operations
    assert not built.keys() & not_built
    for name, operation in built.items():
        assert operation.service == model.name
        assert (operation.input, operation.output) == model.operations[name], name


@QUERY
def test_divergences_page_lists_what_is_not_built_of_a_query_service(
    model: QueryService, built: dict[str, Operation], not_built: frozenset[str]
) -> None:
    assert not_built_operations(model) == not_built


def not_built_operations(model: QueryService) -> set[str]:
    """The operations in the rows of the page that begin with the service's name."""
    page = (ROOT / "docs" / "divergences.md").read_text()
    rows = re.findall(rf"^\| {model.name.upper()}: .* \| (.*) \|$", page, re.MULTILINE)
    return {name for row in rows for name in row.split(", ")} - {"none"}


@QUERY
def test_no_operation_of_a_query_service_records_a_secret_member(
    model: QueryService, built: dict[str, Operation], not_built: frozenset[str]
) -> None:
    """INVARIANT O3."""
    for operation in built.values():
        for structure, recorded in (
            (operation.input, [one.member for one in operation.records]),
            (operation.output, operation.response_records),
        ):
            if structure is not None:
                secret = secret_members(model, structure)
                assert not secret & set(recorded), operation.name


def secret_members(model: QueryService, structure: type[msgspec.Struct]) -> set[str]:
    names = {field.encode_name: field.name for field in msgspec.structs.fields(structure)}
    return {
        names[member.name]
        for member in model.shapes[structure.__name__].members
        if model.shapes[member.shape].sensitive
    }


def test_refusals_of_query_services_have_the_statuses_of_the_model() -> None:
    statuses = {**IAM.error_statuses, **STS.error_statuses}
    for path in (ROOT / "src" / "strongroom" / "aws").glob("*refusals*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            match call:
                case ast.Call(
                    func=ast.Name(id="ApiError"), args=[ast.Constant(value=str(code)), _, *rest]
                ) if code in statuses:
                    status = rest[0].value if rest and isinstance(rest[0], ast.Constant) else 400
                    assert status == statuses[code], f"{path.name}: {code}"
    assert statuses["NoSuchEntity"] == 404
