"""What the trail tells of each operation, in CloudTrail's form, and what it never tells."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    alias_arn,
    decoded,
    encoded,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.operations.table import KMS_OPERATIONS

SECRET = b"a secret that no record may hold"
TEXT = encoded(SECRET)


@pytest.fixture
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


def recorded(road: Road, operation: str, **members: Any) -> dict[str, Any]:
    """The record of a request that succeeds."""
    road.call(operation, **members)
    return road.last_record


def seconds_of(instant: str) -> float:
    """An instant as CloudTrail shows it inside a member: Aug 10, 2022, 10:38:27 PM, in UTC."""
    return datetime.strptime(instant, "%b %d, %Y, %I:%M:%S %p").replace(tzinfo=UTC).timestamp()


def parameters(road: Road, operation: str, **members: Any) -> Any:
    return recorded(road, operation, **members)["requestParameters"]


# ---------------------------------------------------------------- the whole of a record


def test_record_of_a_use_is_that_of_cloudtrail(road: Road, key: dict[str, Any]) -> None:
    """Source: AWS KMS Developer Guide, ct-encrypt; every member and no other."""
    answer = road.send("Encrypt", json.dumps({"KeyId": key["KeyId"], "Plaintext": TEXT}).encode())
    record = road.last_record
    assert record == {
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "Root",
            "principalId": ACCOUNT,
            "arn": f"arn:aws:iam::{ACCOUNT}:root",
            "accountId": ACCOUNT,
            "accessKeyId": ACCOUNT,
        },
        "eventTime": record["eventTime"],
        "eventSource": "kms.amazonaws.com",
        "eventName": "Encrypt",
        "awsRegion": REGION,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": "tests",
        "requestParameters": {"keyId": key["KeyId"], "encryptionAlgorithm": "SYMMETRIC_DEFAULT"},
        "responseElements": None,
        "additionalEventData": {"keyMaterialId": key["CurrentKeyMaterialId"]},
        "requestID": answer.request_id,
        "eventID": record["eventID"],
        "readOnly": True,
        "resources": [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key["Arn"]}],
        "eventType": "AwsApiCall",
        "managementEvent": True,
        "recipientAccountId": ACCOUNT,
        "eventCategory": "Management",
    }
    instant = datetime.fromisoformat(record["eventTime"]).timestamp()
    assert instant == pytest.approx(road.clock.epoch_seconds(), abs=5)


def test_record_times_go_by_the_service_clock(own_road: Road) -> None:
    own_road.clock.advance(400 * 86400)
    own_road.create_key()
    instant = datetime.fromisoformat(own_road.last_record["eventTime"]).timestamp()
    assert instant == pytest.approx(own_road.clock.epoch_seconds(), abs=5)


def test_event_ids_are_never_the_same(road: Road, key: dict[str, Any]) -> None:
    first = len(road.audit.records)
    for _ in range(20):
        road.call("DescribeKey", KeyId=key["KeyId"])
    records = road.audit.records[first:]
    assert len({record["eventID"] for record in records}) == 20
    assert len({record["requestID"] for record in records} | {record["eventID"] for record in records}) == 40


# ---------------------------------------------------------------- requestParameters, operation by operation


def test_request_parameters_of_uses_hold_what_cloudtrail_holds(road: Road, key: dict[str, Any]) -> None:
    key_id, context = key["KeyId"], {"Tenant": "blau", "größe": "ß"}
    shown = {"keyId": key_id, "encryptionContext": context, "encryptionAlgorithm": "SYMMETRIC_DEFAULT"}
    sealed = road.call("Encrypt", KeyId=key_id, Plaintext=TEXT, EncryptionContext=context)
    blob = sealed["CiphertextBlob"]
    assert road.last_record["requestParameters"] == shown
    assert parameters(road, "Decrypt", CiphertextBlob=blob, EncryptionContext=context) == {
        "encryptionContext": context,
        "encryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    assert parameters(road, "Decrypt", KeyId=key_id, CiphertextBlob=blob, EncryptionContext=context) == shown
    assert parameters(road, "GenerateDataKey", KeyId=key_id, KeySpec="AES_256") == {
        "keyId": key_id,
        "keySpec": "AES_256",
    }
    made = parameters(
        road, "GenerateDataKeyWithoutPlaintext", KeyId=key_id, NumberOfBytes=77, EncryptionContext=context
    )
    assert made == {"keyId": key_id, "numberOfBytes": 77, "encryptionContext": context}
    assert parameters(road, "GenerateRandom", NumberOfBytes=8) == {"numberOfBytes": 8}


def test_re_encrypt_record_names_both_keys_and_materials(road: Road, key: dict[str, Any]) -> None:
    other = road.create_key()
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    record = recorded(
        road,
        "ReEncrypt",
        CiphertextBlob=blob,
        DestinationKeyId=other["KeyId"],
        DestinationEncryptionContext={"a": "b"},
    )
    assert record["requestParameters"] == {
        "destinationKeyId": other["KeyId"],
        "destinationEncryptionContext": {"a": "b"},
        "sourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "destinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    assert [resource["ARN"] for resource in record["resources"]] == [key["Arn"], other["Arn"]]
    assert record["additionalEventData"] == {
        "sourceKeyMaterialId": key["CurrentKeyMaterialId"],
        "destinationKeyMaterialId": other["CurrentKeyMaterialId"],
    }
    assert (record["readOnly"], record["responseElements"]) == (True, None)


def test_create_key_record_holds_the_metadata_in_cloudtrails_spelling(road: Road) -> None:
    """Source: AWS KMS Developer Guide, ct-createkey."""
    tags = [{"TagKey": "a", "TagValue": "b"}]
    key = road.create_key(Description="recorded", Tags=tags)
    record = road.last_record
    assert record["requestParameters"] == {
        "description": "recorded",
        "tags": [{"tagKey": "a", "tagValue": "b"}],
    }
    metadata = record["responseElements"]["keyMetadata"]
    assert seconds_of(metadata.pop("creationDate")) == pytest.approx(key["CreationDate"], abs=1)
    assert metadata == {
        "aWSAccountId": ACCOUNT,
        "keyId": key["KeyId"],
        "arn": key["Arn"],
        "enabled": True,
        "description": "recorded",
        "keyUsage": "ENCRYPT_DECRYPT",
        "keyState": "Enabled",
        "origin": "AWS_KMS",
        "keyManager": "CUSTOMER",
        "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "keySpec": "SYMMETRIC_DEFAULT",
        "encryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "multiRegion": False,
        "currentKeyMaterialId": key["CurrentKeyMaterialId"],
    }
    assert record["readOnly"] is False


def test_deletion_records_hold_date_and_state(road: Road, key: dict[str, Any]) -> None:
    answer = road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=9)
    record = road.last_record
    assert record["requestParameters"] == {"keyId": key["KeyId"], "pendingWindowInDays": 9}
    elements = record["responseElements"]
    assert seconds_of(elements.pop("deletionDate")) == pytest.approx(answer["DeletionDate"], abs=1)
    assert elements == {"keyId": key["Arn"], "keyState": "PendingDeletion", "pendingWindowInDays": 9}
    record = recorded(road, "CancelKeyDeletion", KeyId=key["KeyId"])
    assert record["requestParameters"] == {"keyId": key["KeyId"]}
    assert record["responseElements"] == {"keyId": key["Arn"]}


def test_records_of_changes_hold_their_members_and_are_not_read_only(road: Road, key: dict[str, Any]) -> None:
    named, other = {"KeyId": key["KeyId"]}, road.create_key()
    shown = {"keyId": key["KeyId"]}
    name, policy = f"alias/{key['KeyId']}", policy_for("kms:*")
    tags = [{"TagKey": "a", "TagValue": "b"}]
    for operation, members, expected in (
        ("DisableKey", named, shown),
        ("EnableKey", named, shown),
        ("UpdateKeyDescription", {**named, "Description": "d"}, {**shown, "description": "d"}),
        ("TagResource", {**named, "Tags": tags}, {**shown, "tags": [{"tagKey": "a", "tagValue": "b"}]}),
        ("UntagResource", {**named, "TagKeys": ["a"]}, {**shown, "tagKeys": ["a"]}),
        (
            "PutKeyPolicy",
            {**named, "Policy": policy},
            {**shown, "policy": policy, "policyName": "default"},
        ),
        (
            "CreateAlias",
            {"AliasName": name, "TargetKeyId": key["KeyId"]},
            {"aliasName": name, "targetKeyId": key["KeyId"]},
        ),
        (
            "UpdateAlias",
            {"AliasName": name, "TargetKeyId": other["Arn"]},
            {"aliasName": name, "targetKeyId": other["Arn"]},
        ),
        ("DeleteAlias", {"AliasName": name}, {"aliasName": name}),
    ):
        record = recorded(road, operation, **members)
        assert record["eventName"] == operation
        assert record["requestParameters"] == expected, operation
        assert record["readOnly"] is False
        assert record["resources"], operation


def test_records_of_reads_are_read_only_and_without_an_answer(road: Road, key: dict[str, Any]) -> None:
    named = {"KeyId": key["KeyId"]}
    shown = {"keyId": key["KeyId"]}
    for operation, members, expected in (
        ("DescribeKey", named, shown),
        ("GetKeyPolicy", named, {**shown, "policyName": "default"}),
        ("ListKeyPolicies", named, shown),
        ("ListResourceTags", {**named, "Limit": 3}, {**shown, "limit": 3}),
        ("ListAliases", named, shown),
        ("ListKeys", {"Limit": 2}, {"limit": 2}),
        ("ListKeys", {}, None),
    ):
        record = recorded(road, operation, **members)
        assert record["requestParameters"] == expected, operation
        assert (record["readOnly"], record["responseElements"]) == (True, None)


# ---------------------------------------------------------------- refusals


def test_record_of_a_refusal_holds_the_error_the_caller_got(road: Road, key: dict[str, Any]) -> None:
    road.call("DisableKey", KeyId=key["KeyId"])
    for operation, members in (
        ("Encrypt", {"KeyId": key["KeyId"], "Plaintext": TEXT}),
        ("Encrypt", {"KeyId": ABSENT_KEY_ID, "Plaintext": TEXT}),
        ("Encrypt", {"KeyId": key["KeyId"]}),
        ("Decrypt", {"CiphertextBlob": TEXT}),
        ("DeleteAlias", {"AliasName": "alias/aws/x"}),
        ("DescribeKey", {"KeyId": key["Arn"], "account": STRANGER}),
        ("CreateKey", {"KeySpec": "RSA_2048"}),
    ):
        code, message = refused(road, operation, **members)
        record = road.last_record
        assert record["errorCode"] == code
        assert record.get("errorMessage") == message
        assert record["responseElements"] is None
        assert record["readOnly"] is KMS_OPERATIONS[operation].read_only


def test_record_of_a_refused_stranger_names_the_stranger_and_the_key(road: Road, key: dict[str, Any]) -> None:
    refused(road, "DescribeKey", account=STRANGER, KeyId=key["Arn"])
    record = road.last_record
    assert record["userIdentity"]["accountId"] == record["recipientAccountId"] == STRANGER
    assert record["resources"] == [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key["Arn"]}]


def test_record_of_a_request_for_an_absent_key_names_none(road: Road) -> None:
    refused(road, "DescribeKey", KeyId=key_arn(ABSENT_KEY_ID))
    record = road.last_record
    assert record["requestParameters"] == {"keyId": key_arn(ABSENT_KEY_ID)}
    assert record["resources"] == []


def test_record_through_an_alias_names_the_alias_asked_for_and_the_key_found(
    road: Road, key: dict[str, Any]
) -> None:
    name = f"alias/{key['KeyId']}"
    road.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    for spelled in (name, alias_arn(name)):
        record = recorded(road, "Encrypt", KeyId=spelled, Plaintext=TEXT)
        assert record["requestParameters"]["keyId"] == spelled
        assert [resource["ARN"] for resource in record["resources"]] == [key["Arn"]]


def test_records_of_one_caller_and_key_differ_where_the_requests_do(road: Road, key: dict[str, Any]) -> None:
    """What is kept of one record for the next must not leak into it."""
    for context in ({"a": "1"}, {"a": "2"}, None):
        for account in (ACCOUNT, STRANGER):
            members = {"account": account, "KeyId": key["Arn"], "Plaintext": TEXT}
            if context is not None:
                members["EncryptionContext"] = context
            if account == STRANGER:
                refused(road, "Encrypt", **members)
            else:
                road.call("Encrypt", **members)
            record = road.last_record
            assert record["userIdentity"]["accountId"] == account
            assert record["requestParameters"].get("encryptionContext") == context
            assert record.get("errorCode") == (None if account == ACCOUNT else "AccessDeniedException")


# ---------------------------------------------------------------- what no record holds


def test_no_record_holds_plaintext_ciphertext_data_key_or_token(own_road: Road) -> None:
    """INVARIANT O3, over requests that succeed and requests that are refused."""
    road = own_road
    key = road.create_key()
    named = {"KeyId": key["KeyId"]}
    secrets = {SECRET}
    sealed = road.call("Encrypt", Plaintext=TEXT, EncryptionContext={"open": "to see"}, **named)
    blob = sealed["CiphertextBlob"]
    made = road.call("GenerateDataKey", KeySpec="AES_256", **named)
    bare = road.call("GenerateDataKeyWithoutPlaintext", KeySpec="AES_256", **named)
    opened = road.call("Decrypt", CiphertextBlob=made["CiphertextBlob"])
    moved = road.call("ReEncrypt", CiphertextBlob=made["CiphertextBlob"], DestinationKeyId=key["KeyId"])
    random = road.call("GenerateRandom", NumberOfBytes=64)
    for answer in (sealed, made, bare, opened, moved, random):
        secrets |= {decoded(answer[name]) for name in ("Plaintext", "CiphertextBlob") if name in answer}
    token = "a-grant-token-that-nobody-gave"
    secrets.add(token.encode())
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": TEXT}
    for operation, members in (
        ("Encrypt", {"Plaintext": encoded(SECRET * 200), **named}),
        ("Encrypt", {"Plaintext": TEXT, "GrantTokens": [token], **named}),
        ("Encrypt", {"Plaintext": TEXT, "EncryptionAlgorithm": "SM2PKE", **named}),
        ("Encrypt", {"Plaintext": TEXT, "KeyId": ABSENT_KEY_ID}),
        ("Encrypt", {"Plaintext": SECRET.decode(), **named}),  # not base64
        ("Encrypt", {"Plaintext": [TEXT], **named}),
        ("Decrypt", {"CiphertextBlob": blob}),  # without its context
        ("Decrypt", {"CiphertextBlob": blob, "Recipient": recipient, "EncryptionContext": {"a": "b"}}),
        ("GenerateRandom", {"NumberOfBytes": 8, "Recipient": recipient}),
        ("Sign", {"Message": TEXT, **named}),
    ):
        with pytest.raises(Refusal):
            road.call(operation, **members)
    text = json.dumps(road.audit.records)
    for secret in secrets:
        for form in (secret.hex(), encoded(secret).rstrip("="), base64.urlsafe_b64encode(secret).decode()):
            assert form.rstrip("=") not in text
        assert secret.decode("latin-1") not in text
    assert "to see" in text  # the encryption context is in clear, as on AWS


def test_record_of_a_request_that_could_not_be_read_holds_nothing_of_it(road: Road) -> None:
    for body in (b'{"Plaintext": "' + SECRET, b'{"KeyId": 1, "Plaintext": "' + TEXT.encode() + b'"}', SECRET):
        answer = road.send("Encrypt", body)
        assert answer.status == 400
        record = road.last_record
        assert record["requestParameters"] is None
        text = json.dumps(record) + answer.body.decode()
        assert SECRET.decode() not in text
        assert TEXT not in text


def test_record_of_the_longest_policy_is_whole_and_of_a_longer_request_says_so(
    road: Road, key: dict[str, Any]
) -> None:
    policy = policy_for("kms:*")
    policy = policy[:-1] + " " * (32_768 - len(policy)) + "}"
    record = recorded(road, "PutKeyPolicy", KeyId=key["KeyId"], Policy=policy)
    assert record["requestParameters"]["policy"] == policy
    refused(road, "PutKeyPolicy", KeyId=key["KeyId"], Policy=" " * 131_072)
    assert road.last_record["requestParameters"]["omitted"] is True
