"""The AWS JSON 1.1 codec: what it accepts, what it sends, and that botocore reads it."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import botocore
import msgspec
import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser

from strongroom.aws.errors import ApiError
from strongroom.aws.generated import shapes
from strongroom.aws.generated.constraints import OPERATIONS
from strongroom.aws.generated.enums import EncryptionAlgorithmSpec, KeyState
from strongroom.operations.operation import Operation
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.wire.aws_json import AwsJson11

ANY_OPERATION = KMS_OPERATIONS["Encrypt"]
REQUEST_ID = "00000000-1111-4222-8333-444444444444"


def operation(name: str) -> Operation:
    """The operation `name` of the model, built or not: a codec needs no more than its shapes."""
    given, answer = OPERATIONS[name]
    return replace(ANY_OPERATION, name=name, input=given, output=answer)


def refusal(name: str, body: bytes) -> ApiError:
    with pytest.raises(ApiError) as caught:
        AwsJson11().decode(operation(name), body)
    return caught.value


def botocore_model() -> ServiceModel:
    path = Path(botocore.__file__).parent / "data/kms/2014-11-01/service-2.json.gz"
    return ServiceModel(json.loads(gzip.decompress(path.read_bytes())), "kms")


def read_by_botocore(name: str, body: bytes, status: int = 200) -> dict[str, Any]:
    parser = create_parser("json")
    shape = botocore_model().operation_model(name).output_shape
    response = {"body": body, "headers": {"x-amzn-requestid": REQUEST_ID}, "status_code": status}
    parsed: dict[str, Any] = parser.parse(response, shape)
    return parsed


def test_decode_every_member_of_encrypt_gives_typed_input() -> None:
    body = json.dumps(
        {
            "KeyId": "alias/a",
            "Plaintext": base64.b64encode(b"\x00secret").decode(),
            "EncryptionContext": {"k": "v", "ключ": "значение"},
            "GrantTokens": ["t"],
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
            "DryRun": False,
        }
    ).encode()
    assert AwsJson11().decode(operation("Encrypt"), body) == shapes.EncryptRequest(
        key_id="alias/a",
        plaintext=b"\x00secret",
        encryption_context={"k": "v", "ключ": "значение"},
        grant_tokens=["t"],
        encryption_algorithm=EncryptionAlgorithmSpec.SYMMETRIC_DEFAULT,
        dry_run=False,
    )


def test_decode_empty_body_is_an_empty_object() -> None:
    assert AwsJson11().decode(operation("ListKeys"), b"") == shapes.ListKeysRequest()


def test_decode_null_member_is_an_absent_member() -> None:
    body = b'{"Limit": null, "Marker": null}'
    assert AwsJson11().decode(operation("ListKeys"), body) == shapes.ListKeysRequest()


def test_decode_unknown_member_is_ignored() -> None:
    body = b'{"Limit": 5, "Unknown": [{"a": 1e3}], "key_id": "x"}'
    assert AwsJson11().decode(operation("ListKeys"), body) == shapes.ListKeysRequest(limit=5)


def test_decode_member_given_twice_takes_the_last() -> None:
    body = b'{"Limit": 5, "Limit": 6}'
    assert AwsJson11().decode(operation("ListKeys"), body) == shapes.ListKeysRequest(limit=6)


def test_decode_member_names_in_other_case_are_not_taken() -> None:
    assert "'keyId'" in str(refusal("DescribeKey", b'{"keyId": "x"}').message)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b"null",
        b'"text"',
        b"1",
        b"nonsense",
        b" ",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b'{"KeyId": "\xff"}',
        b'{"KeyId": "\xed\xa0\x80"}',
        b'{"KeyId": "\\ud800"}',
        b'{"KeyId": "\\udc00\\ud800"}',
        b'{"KeyId": "a\x00"}',
        b'{"K\x01eyId": "a"}',
        b'{"KeyId": NaN}',
        b'{"Limit": Infinity}',
        b'{"Limit": 1e999}',
        b'{"Limit": ' + b"9" * 5000 + b"}",
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        b"[" * 100_000,
    ],
)
def test_decode_what_is_no_json_object_is_a_serialization_error_without_message(body: bytes) -> None:
    error = refusal("ListKeys" if b"Limit" in body else "DescribeKey", body)
    assert (error.code, error.message, error.status) == ("SerializationException", None, 400)


def test_decode_member_given_twice_with_one_wrong_is_refused() -> None:
    error = refusal("ListKeys", b'{"Limit": "x", "Limit": 6}')
    assert error.code == "SerializationException"


def test_decode_refusal_carries_no_parser_error_as_its_context() -> None:
    """INVARIANT W1: a traceback of the refusal shows nothing of the body."""
    error = refusal("Encrypt", b'{"KeyId": "k", "Plaintext": "?"}')
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize("name", sorted(name for name, (_, answer) in OPERATIONS.items() if answer is None))
def test_encode_operation_without_output_sends_an_empty_body(name: str) -> None:
    body = AwsJson11().encode(operation(name), None, REQUEST_ID)
    assert body == b""
    assert read_by_botocore(name, body)["ResponseMetadata"]["RequestId"] == REQUEST_ID


def test_encode_no_response_of_an_operation_with_output_sends_an_empty_object() -> None:
    assert AwsJson11().encode(operation("ConnectCustomKeyStore"), None, REQUEST_ID) == b"{}"


def test_encode_key_metadata_is_read_by_botocore_as_written() -> None:
    response = shapes.DescribeKeyResponse(
        key_metadata=shapes.KeyMetadata(
            key_id="1234",
            aws_account_id="000000000000",
            cloud_hsm_cluster_id="cluster-1",
            creation_date=1700000000.25,
            enabled=False,
            key_state=KeyState.PENDING_DELETION,
            encryption_algorithms=[EncryptionAlgorithmSpec.SYMMETRIC_DEFAULT],
        )
    )
    body = AwsJson11().encode(operation("DescribeKey"), response, REQUEST_ID)
    metadata = read_by_botocore("DescribeKey", body)["KeyMetadata"]
    assert metadata.pop("CreationDate").timestamp() == 1700000000.25
    assert metadata == {
        "KeyId": "1234",
        "AWSAccountId": "000000000000",
        "CloudHsmClusterId": "cluster-1",
        "Enabled": False,
        "KeyState": "PendingDeletion",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
    }


def test_encode_blob_is_base64_and_absent_members_are_left_out() -> None:
    response = shapes.EncryptResponse(ciphertext_blob=b"\xff\x00", key_id="arn")
    body = AwsJson11().encode(operation("Encrypt"), response, REQUEST_ID)
    assert json.loads(body) == {"CiphertextBlob": "/wA=", "KeyId": "arn"}
    assert read_by_botocore("Encrypt", body)["CiphertextBlob"] == b"\xff\x00"


def test_encode_error_with_message_is_read_by_botocore() -> None:
    body = AwsJson11().encode_error(ApiError("NotFoundException", "Invalid keyId 'é\"'"), REQUEST_ID)
    assert json.loads(body) == {"__type": "NotFoundException", "message": "Invalid keyId 'é\"'"}
    error = read_by_botocore("DescribeKey", body, 400)["Error"]
    assert error == {"Message": "Invalid keyId 'é\"'", "Code": "NotFoundException"}


def test_encode_error_without_message_has_no_message_member() -> None:
    body = AwsJson11().encode_error(ApiError("InvalidCiphertextException", None), REQUEST_ID)
    assert body == b'{"__type":"InvalidCiphertextException"}'
    assert read_by_botocore("Decrypt", body, 400)["Error"]["Code"] == "InvalidCiphertextException"


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_decode_every_operation_has_a_decoder_and_every_output_an_encoder(name: str) -> None:
    given, answer = OPERATIONS[name]
    required = any(field.required for field in msgspec.structs.fields(given))
    if required:
        assert refusal(name, b"{}").code == "ValidationException"
    else:
        assert AwsJson11().decode(operation(name), b"{}") == given()
    if answer is not None:
        empty = answer(**{f.name: "x" for f in msgspec.structs.fields(answer) if f.required})
        assert msgspec.json.decode(AwsJson11().encode(operation(name), empty, REQUEST_ID)) is not None
