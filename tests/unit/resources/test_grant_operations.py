"""What grants may permit, against the Developer Guide's table written out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.store_records import new_key

from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import GrantOperation, KeySpec, KeyUsageType
from strongroom.aws.generated.shapes import CreateGrantRequest, GrantConstraints
from strongroom.operations.grant_rules import check_grant_fits
from strongroom.resources.grant_operations import grantable_operations
from strongroom.resources.key_spec import KEY_SPECS

EVERY = {"CreateGrant", "DescribeKey", "RetireGrant"}
ENCRYPTION = {"Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"}
DATA_KEYS = {
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
}
TABLE = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", ENCRYPTION | DATA_KEYS),
    ("RSA_3072", "ENCRYPT_DECRYPT", ENCRYPTION | {"GetPublicKey"}),
    ("SM2", "ENCRYPT_DECRYPT", ENCRYPTION | {"GetPublicKey"}),
    ("RSA_2048", "SIGN_VERIFY", {"Sign", "Verify", "GetPublicKey"}),
    ("ECC_NIST_EDWARDS25519", "SIGN_VERIFY", {"Sign", "Verify", "GetPublicKey"}),
    ("ML_DSA_65", "SIGN_VERIFY", {"Sign", "Verify", "GetPublicKey"}),
    ("ECC_NIST_P521", "KEY_AGREEMENT", {"DeriveSharedSecret", "GetPublicKey"}),
    ("HMAC_384", "GENERATE_VERIFY_MAC", {"GenerateMac", "VerifyMac"}),
    ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", {"Encapsulate", "Decapsulate", "GetPublicKey"}),
]


@pytest.mark.parametrize(("spec", "usage", "operations"), TABLE)
def test_grantable_operations_are_those_of_the_guide(spec: str, usage: str, operations: set[str]) -> None:
    assert grantable_operations(KeySpec(spec), KeyUsageType(usage)) == operations | EVERY


def test_every_operation_of_the_model_is_grantable_on_some_key() -> None:
    found = {
        operation
        for spec, row in KEY_SPECS.items()
        for usage in row.usages
        for operation in grantable_operations(spec, usage)
    }
    assert found == set(GrantOperation)


@pytest.mark.parametrize(("spec", "usage", "operations"), TABLE)
def test_create_grant_takes_exactly_what_the_key_can_do(spec: str, usage: str, operations: set[str]) -> None:
    key = replace(new_key(), key_spec=KeySpec(spec), key_usage=KeyUsageType(usage))

    def request(operation: str, **members: Any) -> CreateGrantRequest:
        return CreateGrantRequest(
            key_id=key.key_id, operations=[GrantOperation.DESCRIBE_KEY, GrantOperation(operation)], **members
        )

    for operation in GrantOperation:
        if operation.value in operations | EVERY:
            check_grant_fits(request(operation.value), key)
            continue
        with pytest.raises(ApiError) as caught:
            check_grant_fits(request(operation.value), key)
        assert caught.value.code == "ValidationException"
        assert caught.value.message == (
            f"The grant operations [{operation.value}] are not supported for {key.arn}."
        )


@pytest.mark.parametrize(("spec", "usage", "operations"), TABLE)
def test_encryption_context_constraints_are_for_symmetric_encryption_keys(
    spec: str, usage: str, operations: set[str]
) -> None:
    key = replace(new_key(), key_spec=KeySpec(spec), key_usage=KeyUsageType(usage))
    for constraints in (
        GrantConstraints(encryption_context_equals={"a": "b"}),
        GrantConstraints(encryption_context_subset={}),
    ):
        request = CreateGrantRequest(
            key_id=key.key_id,
            operations=[GrantOperation(name) for name in sorted(operations)],
            constraints=constraints,
        )
        if spec == "SYMMETRIC_DEFAULT":
            check_grant_fits(request, key)
            continue
        with pytest.raises(ApiError) as caught:
            check_grant_fits(request, key)
        assert caught.value.code == "ValidationException"
    by_source = CreateGrantRequest(
        key_id=key.key_id,
        operations=[GrantOperation(name) for name in sorted(operations)],
        constraints=GrantConstraints(source_arn="arn:aws:s3:eu-central-1:111122223333:bucket"),
    )
    check_grant_fits(by_source, key)
