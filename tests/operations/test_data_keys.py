"""GenerateDataKey, GenerateDataKeyWithoutPlaintext and GenerateRandom."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    decoded,
    denied,
    disabled_key,
    invalid,
    key_arn,
    pending_key,
    refused,
)
from tests.support.road import Road

BOTH = ("GenerateDataKey", "GenerateDataKeyWithoutPlaintext")
LENGTH_RULE = ("ValidationException", "Please specify either number of bytes or key spec.")


@pytest.fixture
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


@pytest.mark.parametrize(
    ("members", "length"),
    [
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": 1}, 1),
        ({"NumberOfBytes": 1024}, 1024),
    ],
)
def test_generate_data_key_opens_to_the_plaintext_it_gave(
    road: Road, key: dict[str, Any], members: dict[str, Any], length: int
) -> None:
    context = {"purpose": "volume"}
    made = road.call("GenerateDataKey", KeyId=key["KeyId"], EncryptionContext=context, **members)
    assert made.keys() == {"CiphertextBlob", "Plaintext", "KeyId", "KeyMaterialId"}
    assert (made["KeyId"], made["KeyMaterialId"]) == (key["Arn"], key["CurrentKeyMaterialId"])
    assert len(decoded(made["Plaintext"])) == length
    opened = road.call("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == made["Plaintext"]
    assert refused(road, "Decrypt", CiphertextBlob=made["CiphertextBlob"]) == (
        "InvalidCiphertextException",
        None,
    )


def test_generate_data_key_without_plaintext_tells_none(road: Road, key: dict[str, Any]) -> None:
    made = road.call("GenerateDataKeyWithoutPlaintext", KeyId=key["KeyId"], KeySpec="AES_256")
    assert made.keys() == {"CiphertextBlob", "KeyId", "KeyMaterialId"}
    assert len(decoded(road.call("Decrypt", CiphertextBlob=made["CiphertextBlob"])["Plaintext"])) == 32


def test_generate_data_key_is_never_the_same_twice(road: Road, key: dict[str, Any]) -> None:
    made = {
        road.call("GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256")["Plaintext"] for _ in range(20)
    }
    assert len(made) == 20


@pytest.mark.parametrize("operation", BOTH)
def test_data_key_needs_exactly_one_length_before_the_key_is_looked_up(road: Road, operation: str) -> None:
    assert refused(road, operation, KeyId=ABSENT_KEY_ID) == LENGTH_RULE
    both = {"KeySpec": "AES_256", "NumberOfBytes": 32}
    assert refused(road, operation, KeyId=ABSENT_KEY_ID, **both) == LENGTH_RULE


@pytest.mark.parametrize("operation", BOTH)
@pytest.mark.parametrize(
    ("number", "rule"),
    [
        (0, "Member must have value greater than or equal to 1"),
        (1025, "Member must have value less than or equal to 1024"),
    ],
)
def test_data_key_length_out_of_range_gets_aws_sentence(
    road: Road, operation: str, number: int, rule: str
) -> None:
    expected = invalid("numberOfBytes", rule, f" '{number}'")
    assert refused(road, operation, KeyId=ABSENT_KEY_ID, NumberOfBytes=number) == expected


def test_data_key_spec_unknown_lists_the_known_ones(road: Road) -> None:
    code, message = refused(road, "GenerateDataKey", KeyId=ABSENT_KEY_ID, KeySpec="AES_512")
    assert code == "ValidationException"
    assert message is not None
    assert "Value 'AES_512' at 'keySpec' failed to satisfy constraint: Member must satisfy enum" in message


@pytest.mark.parametrize("operation", BOTH)
def test_data_key_refusals_for_the_key(road: Road, operation: str) -> None:
    spec = {"KeySpec": "AES_256"}
    assert refused(road, operation, KeyId=ABSENT_KEY_ID, **spec) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist",
    )
    disabled, pending, mine = disabled_key(road), pending_key(road), road.create_key()
    assert refused(road, operation, KeyId=disabled["Arn"], **spec) == (
        "DisabledException",
        f"{disabled['Arn']} is disabled.",
    )
    assert refused(road, operation, KeyId=pending["Arn"], **spec) == (
        "KMSInvalidStateException",
        f"{pending['Arn']} is pending deletion.",
    )
    assert refused(road, operation, account=STRANGER, KeyId=mine["Arn"], **spec) == denied(
        f"kms:{operation}", mine["Arn"], STRANGER
    )


@pytest.mark.parametrize("operation", BOTH)
def test_data_key_dry_run_is_an_error(road: Road, key: dict[str, Any], operation: str) -> None:
    assert refused(road, operation, KeyId=key["KeyId"], KeySpec="AES_256", DryRun=True) == (
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    )


@pytest.mark.parametrize("length", [1, 32, 1024])
def test_generate_random_gives_as_many_bytes_as_asked(road: Road, length: int) -> None:
    answer = road.call("GenerateRandom", NumberOfBytes=length)
    assert answer.keys() == {"Plaintext"}
    assert len(decoded(answer["Plaintext"])) == length


def test_generate_random_is_never_the_same_twice(road: Road) -> None:
    assert len({road.call("GenerateRandom", NumberOfBytes=16)["Plaintext"] for _ in range(50)}) == 50


def test_generate_random_refusals(road: Road) -> None:
    assert refused(road, "GenerateRandom") == ("ValidationException", "NumberOfBytes is required.")
    assert refused(road, "GenerateRandom", NumberOfBytes=0) == invalid(
        "numberOfBytes", "Member must have value greater than or equal to 1", " '0'"
    )
    assert refused(road, "GenerateRandom", NumberOfBytes=1025) == invalid(
        "numberOfBytes", "Member must have value less than or equal to 1024", " '1025'"
    )
    assert refused(road, "GenerateRandom", NumberOfBytes=8, CustomKeyStoreId="cks-1234567890abcdef0") == (
        "CustomKeyStoreNotFoundException",
        "Custom key store with ID cks-1234567890abcdef0 cannot be found.",
    )
