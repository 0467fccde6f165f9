"""The main job with unmodified boto3 against a server started as the README says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import ACCOUNT, REGION, Server


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    """The code and message of the refusal that a call must get."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


@pytest.fixture
def key(kms: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = kms.create_key(Description="conformance")["KeyMetadata"]
    return metadata


def test_create_key_default_has_aws_metadata(kms: Any) -> None:
    metadata = kms.create_key()["KeyMetadata"]
    assert metadata["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{metadata['KeyId']}"
    assert metadata["AWSAccountId"] == ACCOUNT
    assert metadata["KeyState"] == "Enabled"
    assert metadata["Enabled"] is True
    assert metadata["Description"] == ""
    assert metadata["KeySpec"] == metadata["CustomerMasterKeySpec"] == "SYMMETRIC_DEFAULT"
    assert metadata["KeyUsage"] == "ENCRYPT_DECRYPT"
    assert metadata["EncryptionAlgorithms"] == ["SYMMETRIC_DEFAULT"]
    assert metadata["KeyManager"] == "CUSTOMER"
    assert metadata["Origin"] == "AWS_KMS"
    assert metadata["MultiRegion"] is False
    assert len(metadata["CurrentKeyMaterialId"]) == 64
    assert "DeletionDate" not in metadata


def test_encrypt_and_decrypt_with_context_round_trip(kms: Any, key: dict[str, Any]) -> None:
    context = {"tenant": "blau", "größe": "ß"}
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"secret", EncryptionContext=context)
    assert sealed["KeyId"] == key["Arn"]
    assert sealed["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == b"secret"
    assert opened["KeyId"] == key["Arn"]
    assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"]


@pytest.mark.parametrize("context", [{}, {"a": "bc"}, {"AB": "c"}, {"ab": "c", "d": "e"}, {"ab": "c "}])
def test_decrypt_with_another_context_is_refused_without_message(
    kms: Any, key: dict[str, Any], context: dict[str, str]
) -> None:
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x", EncryptionContext={"ab": "c"})["CiphertextBlob"]
    assert refused(kms.decrypt, CiphertextBlob=blob, EncryptionContext=context) == (
        "InvalidCiphertextException",
        "",
    )


@pytest.mark.parametrize("size", [1, 4095, 4096])
def test_encrypt_plaintext_of_every_allowed_size_opens(kms: Any, key: dict[str, Any], size: int) -> None:
    plaintext = bytes(range(256)) * 16
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=plaintext[:size])["CiphertextBlob"]
    assert len(blob) <= 6144
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == plaintext[:size]


def test_encrypt_plaintext_too_long_gets_aws_sentence(kms: Any, key: dict[str, Any]) -> None:
    assert refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x" * 4097) == (
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length less than or equal to 4096",
    )


def test_generate_data_key_opens_to_the_same_key(kms: Any, key: dict[str, Any]) -> None:
    for parameters, length in (
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": 77}, 77),
    ):
        made = kms.generate_data_key(KeyId=key["KeyId"], EncryptionContext={"a": "b"}, **parameters)
        assert len(made["Plaintext"]) == length
        opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext={"a": "b"})
        assert opened["Plaintext"] == made["Plaintext"]
        without = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], **parameters)
        assert "Plaintext" not in without
        assert len(kms.decrypt(CiphertextBlob=without["CiphertextBlob"])["Plaintext"]) == length


def test_re_encrypt_moves_to_the_other_key_and_context(kms: Any, key: dict[str, Any]) -> None:
    other = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"moved", EncryptionContext={"a": "1"})["CiphertextBlob"]
    moved = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=other["Arn"],
        DestinationEncryptionContext={"b": "2"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key["Arn"], other["Arn"])
    opened = kms.decrypt(
        CiphertextBlob=moved["CiphertextBlob"], KeyId=other["KeyId"], EncryptionContext={"b": "2"}
    )
    assert opened["Plaintext"] == b"moved"


def test_generate_random_gives_as_many_bytes_as_asked(kms: Any) -> None:
    first, second = (kms.generate_random(NumberOfBytes=1024)["Plaintext"] for _ in range(2))
    assert len(first) == len(second) == 1024
    assert first != second


def test_key_identifiers_in_all_four_forms_name_the_same_key(kms: Any, key: dict[str, Any]) -> None:
    name = f"alias/four-{key['KeyId']}"
    kms.create_alias(AliasName=name, TargetKeyId=key["KeyId"])
    alias_arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}"
    for identifier in (key["KeyId"], key["Arn"], name, alias_arn):
        assert kms.describe_key(KeyId=identifier)["KeyMetadata"]["Arn"] == key["Arn"]
        assert kms.encrypt(KeyId=identifier, Plaintext=b"x")["KeyId"] == key["Arn"]


def test_disable_key_refuses_use_until_enabled(kms: Any, key: dict[str, Any]) -> None:
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key["KeyId"])
    expected = ("DisabledException", f"{key['Arn']} is disabled.")
    assert refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x") == expected
    assert refused(kms.decrypt, CiphertextBlob=blob) == expected
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    kms.enable_key(KeyId=key["KeyId"])
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"


def test_schedule_and_cancel_key_deletion_leave_the_key_disabled(kms: Any, key: dict[str, Any]) -> None:
    scheduled = kms.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert scheduled["KeyState"] == "PendingDeletion"
    assert scheduled["PendingWindowInDays"] == 7
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["DeletionDate"] == scheduled["DeletionDate"]
    code, message = refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x")
    assert (code, message) == ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    metadata = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert metadata["KeyState"] == "Disabled"
    assert "DeletionDate" not in metadata


def test_tags_are_put_listed_and_removed(kms: Any) -> None:
    key_id = kms.create_key(Tags=[{"TagKey": "a", "TagValue": "1"}])["KeyMetadata"]["KeyId"]
    kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": ""}])
    listed = kms.list_resource_tags(KeyId=key_id)
    assert listed["Tags"] == [{"TagKey": "a", "TagValue": "2"}, {"TagKey": "b", "TagValue": ""}]
    assert listed["Truncated"] is False
    kms.untag_resource(KeyId=key_id, TagKeys=["a", "absent"])
    assert kms.list_resource_tags(KeyId=key_id)["Tags"] == [{"TagKey": "b", "TagValue": ""}]
    assert (
        refused(kms.tag_resource, KeyId=key_id, Tags=[{"TagKey": "AWS:x", "TagValue": ""}])[0]
        == "TagException"
    )


def test_aliases_are_created_moved_listed_and_deleted(kms: Any, key: dict[str, Any]) -> None:
    other = kms.create_key()["KeyMetadata"]
    name = f"alias/moved-{key['KeyId']}"
    kms.create_alias(AliasName=name, TargetKeyId=key["Arn"])
    assert (
        refused(kms.create_alias, AliasName=name, TargetKeyId=other["KeyId"])[0] == "AlreadyExistsException"
    )
    kms.update_alias(AliasName=name, TargetKeyId=other["KeyId"])
    assert kms.describe_key(KeyId=name)["KeyMetadata"]["KeyId"] == other["KeyId"]
    (listed,) = kms.list_aliases(KeyId=other["KeyId"])["Aliases"]
    assert (listed["AliasName"], listed["TargetKeyId"]) == (name, other["KeyId"])
    kms.delete_alias(AliasName=name)
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:{name}"
    assert refused(kms.describe_key, KeyId=name) == ("NotFoundException", f"Alias {arn} is not found.")


def test_key_policy_default_trusts_the_account(kms: Any, key: dict[str, Any]) -> None:
    policy = json.loads(kms.get_key_policy(KeyId=key["KeyId"])["Policy"])
    assert policy["Id"] == "key-default-1"
    assert policy["Statement"] == [
        {
            "Sid": "Enable IAM User Permissions",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    listed = kms.list_key_policies(KeyId=key["KeyId"])
    assert (listed["PolicyNames"], listed["Truncated"]) == (["default"], False)


def test_key_policy_without_the_root_denies_the_root(kms: Any, key: dict[str, Any]) -> None:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": ["kms:PutKeyPolicy", "kms:Describe*"],
        "Resource": "*",
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyId"] == key["KeyId"]
    code, message = refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x")
    assert code == "AccessDeniedException"
    assert message == (
        f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: kms:Encrypt "
        f"on resource: {key['Arn']} because no resource-based policy allows the kms:Encrypt action"
    )


def test_key_policy_that_locks_everybody_out_is_refused_unless_bypassed(
    kms: Any, key: dict[str, Any]
) -> None:
    policy = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "kms:Encrypt",
                    "Resource": "*",
                }
            ],
        }
    )
    assert refused(kms.put_key_policy, KeyId=key["KeyId"], Policy=policy) == (
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    )
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy, BypassPolicyLockoutSafetyCheck=True)
    assert refused(kms.describe_key, KeyId=key["KeyId"])[0] == "AccessDeniedException"


def test_dry_run_succeeds_as_an_error_and_changes_nothing(kms: Any, key: dict[str, Any]) -> None:
    expected = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert refused(kms.encrypt, KeyId=key["KeyId"], Plaintext=b"x", DryRun=True) == expected
    assert refused(kms.decrypt, CiphertextBlob=blob, DryRun=True) == expected
    assert (
        refused(kms.decrypt, CiphertextBlob=blob[:-1] + b"\0", DryRun=True)[0] == "InvalidCiphertextException"
    )
    assert (
        refused(kms.decrypt, KeyId=key["KeyId"], DryRun=True, DryRunModifiers=["IGNORE_CIPHERTEXT"])
        == expected
    )
    assert refused(kms.generate_data_key, KeyId=key["KeyId"], KeySpec="AES_256", DryRun=True) == expected
    assert (
        refused(kms.re_encrypt, CiphertextBlob=blob, DestinationKeyId=key["KeyId"], DryRun=True) == expected
    )


def test_list_keys_pages_are_complete_and_bound_to_account_and_region(server: Server) -> None:
    mine = server.client(access_key_id="210987654321")
    made = {mine.create_key()["KeyMetadata"]["KeyId"] for _ in range(7)}
    pages = list(mine.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["Keys"]) for page in pages] == [3, 3, 1]
    assert {key["KeyId"] for page in pages for key in page["Keys"]} == made
    assert server.client(access_key_id="210987654321", region="us-east-1").list_keys()["Keys"] == []
    assert server.client(access_key_id="210987654322").list_keys()["Keys"] == []
    assert refused(mine.list_keys, Marker="garbage")[0] == "InvalidMarkerException"


def test_ciphertext_of_another_region_is_refused_without_saying_why(
    server: Server, key: dict[str, Any]
) -> None:
    blob = server.client().encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    elsewhere = server.client(region="us-west-2")
    assert refused(elsewhere.decrypt, CiphertextBlob=blob) == (
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
        "or you are not allowed to access.",
    )
    assert refused(elsewhere.describe_key, KeyId=key["Arn"]) == ("NotFoundException", f"Invalid arn {REGION}")


def test_key_of_another_account_is_denied_as_one_that_does_not_exist(
    server: Server, kms: Any, key: dict[str, Any]
) -> None:
    stranger = server.client(access_key_id="111122223333")
    denied = refused(stranger.encrypt, KeyId=key["Arn"], Plaintext=b"x")
    absent_arn = key["Arn"][:-12] + "000000000000"
    absent = refused(stranger.encrypt, KeyId=absent_arn, Plaintext=b"x")
    assert denied[0] == absent[0] == "AccessDeniedException"
    assert denied[1].replace(key["Arn"], "K") == absent[1].replace(absent_arn, "K")
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"x")["CiphertextBlob"]
    assert refused(stranger.decrypt, CiphertextBlob=blob)[0] == "AccessDeniedException"
    assert refused(stranger.describe_key, KeyId=key["KeyId"])[0] == "NotFoundException"


def test_key_that_does_not_rotate_says_so(kms: Any) -> None:
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert refused(kms.enable_key_rotation, KeyId=key["KeyId"])[0] == "UnsupportedOperationException"


def test_sts_get_caller_identity_names_the_account(server: Server) -> None:
    identity = server.client("sts").get_caller_identity()
    assert identity["Account"] == ACCOUNT
    assert identity["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"
    assert (
        server.client("sts", access_key_id="123456789012").get_caller_identity()["Account"] == "123456789012"
    )


# ---------------------------------------------------------------- asymmetric keys


def test_rsa_key_signs_verifies_and_gives_its_public_key(kms: Any) -> None:
    metadata = kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    request = {
        "KeyId": metadata["KeyId"],
        "Message": b"message",
        "SigningAlgorithm": "RSASSA_PSS_SHA_256",
    }
    signature = kms.sign(**request)["Signature"]
    assert len(signature) == 256
    assert kms.verify(**request, Signature=signature)["SignatureValid"] is True
    with pytest.raises(kms.exceptions.KMSInvalidSignatureException) as caught:
        kms.verify(**request, Signature=bytes(256))
    assert caught.value.response["Error"]["Message"] == ""
    answer = kms.get_public_key(KeyId=metadata["KeyId"])
    assert answer["KeyId"] == metadata["Arn"]
    assert answer["SigningAlgorithms"] == metadata["SigningAlgorithms"]


def test_ml_dsa_key_is_described_with_the_same_spec_twice(kms: Any) -> None:
    key_id = kms.create_key(KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert metadata["KeySpec"] == metadata["CustomerMasterKeySpec"] == "ML_DSA_65"
    assert metadata["SigningAlgorithms"] == ["ML_DSA_SHAKE_256"]


def test_data_key_pair_of_every_size_comes_within_the_clients_patience(kms: Any, key: dict[str, Any]) -> None:
    for spec in ("RSA_4096", "ECC_NIST_P521"):
        pair = kms.generate_data_key_pair(KeyId=key["KeyId"], KeyPairSpec=spec)
        opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])
        assert opened["Plaintext"] == pair["PrivateKeyPlaintext"]
