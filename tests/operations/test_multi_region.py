"""ReplicateKey, UpdatePrimaryRegion, and what related keys share."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.operations.multi_region_keys import (
    THIRD_REGION,
    describe,
    events,
    named,
    primary_key,
    replicate,
    stored,
)
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    CIPHERTEXT_KEY_INACCESSIBLE,
    OTHER_REGION,
    STRANGER,
    TEXT,
    answering,
    at_once,
    denied,
    error_code,
    invalid,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.audit.interface import AuditUnavailable
from strongroom.aws.generated.enums import KeyState, OriginType
from strongroom.boundary.interface import KeyBinding
from strongroom.operations.rules import Rules
from strongroom.replication.related_keys import related_keys
from strongroom.resources.identifiers import KeyId, MaterialId
from strongroom.resources.key import KeyMaterial
from strongroom.store.interface import ConcurrentChange

# the primary alone


def test_create_key_multi_region_is_a_primary_without_replicas(road: Road) -> None:
    """Source: LocalStack's recorded DescribeKey: ReplicaKeys is there, and empty."""
    key = primary_key(road)
    assert key["KeyId"].startswith("mrk-")
    assert key["MultiRegion"] is True
    assert key["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": named(key, REGION),
        "ReplicaKeys": [],
    }
    assert describe(road, key) == key
    assert "MultiRegionConfiguration" not in road.create_key()


# ReplicateKey


def test_replicate_key_answers_as_aws_does_and_is_enabled_soon_after(road: Road) -> None:
    """Source: LocalStack's recorded ReplicateKey (test_replicate_key)."""
    key = primary_key(road, Description="only here", Tags=[{"TagKey": "a", "TagValue": "b"}])
    answer = road.call("ReplicateKey", KeyId=key["Arn"], ReplicaRegion=OTHER_REGION)
    metadata = answer["ReplicaKeyMetadata"]
    assert set(answer) == {"ReplicaKeyMetadata", "ReplicaPolicy"}
    policy = json.loads(answer["ReplicaPolicy"])
    assert policy["Id"] == "key-default-1"
    assert policy["Statement"][0]["Principal"] == {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    expected = {
        "AWSAccountId": ACCOUNT,
        "KeyId": key["KeyId"],
        "Arn": key_arn(key["KeyId"], region=OTHER_REGION),
        "CreationDate": metadata["CreationDate"],
        "Enabled": False,
        "Description": "",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Creating",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": True,
        "MultiRegionConfiguration": {
            "MultiRegionKeyType": "REPLICA",
            "PrimaryKey": named(key, REGION),
            "ReplicaKeys": [named(key, OTHER_REGION)],
        },
    }
    assert metadata == expected
    assert describe(road, key, OTHER_REGION) == expected
    road.wait(road.jobs.run_prompt())
    assert describe(road, key, OTHER_REGION) == expected | {
        "Enabled": True,
        "KeyState": "Enabled",
        "CurrentKeyMaterialId": key["CurrentKeyMaterialId"],
    }
    assert describe(road, key)["MultiRegionConfiguration"] == {
        "MultiRegionKeyType": "PRIMARY",
        "PrimaryKey": named(key, REGION),
        "ReplicaKeys": [named(key, OTHER_REGION)],
    }
    assert road.call("ListResourceTags", region=OTHER_REGION, KeyId=key["KeyId"])["Tags"] == []


def test_replicate_key_with_policy_tags_and_description_gives_them_to_the_replica_alone(road: Road) -> None:
    key = primary_key(road)
    policy = policy_for("kms:*")
    tags = [{"TagKey": "team", "TagValue": "x"}]
    answer = road.call(
        "ReplicateKey",
        KeyId=key["KeyId"],
        ReplicaRegion=OTHER_REGION,
        Policy=policy,
        Tags=tags,
        Description="there",
    )
    assert answer["ReplicaPolicy"] == policy
    assert answer["ReplicaTags"] == tags
    assert answer["ReplicaKeyMetadata"]["Description"] == "there"
    assert road.call("GetKeyPolicy", region=OTHER_REGION, KeyId=key["KeyId"])["Policy"] == policy
    assert road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"] != policy
    assert road.call("ListResourceTags", KeyId=key["KeyId"])["Tags"] == []


def test_ciphertext_of_one_region_opens_in_the_other(road: Road) -> None:
    key = primary_key(road)
    replica = replicate(road, key)
    for here, other in ((REGION, OTHER_REGION), (OTHER_REGION, REGION)):
        sealed = road.call(
            "Encrypt", region=here, KeyId=key["KeyId"], Plaintext=TEXT, EncryptionContext={"a": "b"}
        )
        opened = road.call(
            "Decrypt", region=other, CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"a": "b"}
        )
        assert opened["Plaintext"] == TEXT
        assert opened["KeyId"] == key_arn(key["KeyId"], region=other)
        assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"] == replica["CurrentKeyMaterialId"]


def test_key_serves_in_no_region_where_it_was_not_replicated(road: Road) -> None:
    single, key = road.create_key(), primary_key(road)
    replicate(road, key)
    for each, region in ((single, OTHER_REGION), (key, THIRD_REGION)):
        sealed = road.call("Encrypt", KeyId=each["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
        assert refused(road, "Decrypt", region=region, CiphertextBlob=sealed) == CIPHERTEXT_KEY_INACCESSIBLE
        assert refused(road, "DescribeKey", region=region, KeyId=each["KeyId"]) == (
            "NotFoundException",
            f"Key '{key_arn(each['KeyId'], region=region)}' does not exist",
        )
        assert refused(road, "Encrypt", region=region, KeyId=each["Arn"], Plaintext=TEXT) == (
            "NotFoundException",
            f"Invalid arn {REGION}",
        )
        assert each["KeyId"] not in [
            found["KeyId"] for found in road.call("ListKeys", region=region, Limit=1000)["Keys"]
        ]


def test_replica_that_is_creating_does_not_encrypt_yet(road: Road) -> None:
    key = primary_key(road)
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    creating = ("KMSInvalidStateException", f"{key_arn(key['KeyId'], region=OTHER_REGION)} is creating.")
    asked = {"region": OTHER_REGION, "KeyId": key["KeyId"]}
    assert refused(road, "Encrypt", **asked, Plaintext=TEXT) == creating
    assert refused(road, "DisableKey", **asked) == creating
    road.call("UpdateKeyDescription", **asked, Description="while creating")
    road.wait(road.jobs.run_due())
    assert describe(road, key, OTHER_REGION)["Description"] == "while creating"
    road.call("Encrypt", **asked, Plaintext=TEXT)


def test_replicas_in_several_regions_know_each_other(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key, OTHER_REGION)
    last = replicate(road, key, THIRD_REGION)
    for region in (REGION, OTHER_REGION, THIRD_REGION):
        configuration = describe(road, key, region)["MultiRegionConfiguration"]
        assert configuration["PrimaryKey"] == named(key, REGION)
        assert configuration["ReplicaKeys"] == [named(key, THIRD_REGION), named(key, OTHER_REGION)]
    assert last["MultiRegionConfiguration"]["MultiRegionKeyType"] == "REPLICA"


def test_independent_properties_stay_with_each_key(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    road.call("DisableKey", KeyId=key["KeyId"])
    road.call("CreateAlias", region=OTHER_REGION, AliasName="alias/there", TargetKeyId=key["KeyId"])
    assert describe(road, key, OTHER_REGION)["KeyState"] == "Enabled"
    assert road.call("ListAliases", KeyId=key["KeyId"])["Aliases"] == []
    sealed = road.call("Encrypt", region=OTHER_REGION, KeyId="alias/there", Plaintext=TEXT)["CiphertextBlob"]
    assert refused(road, "Decrypt", CiphertextBlob=sealed) == (
        "DisabledException",
        f"{key['Arn']} is disabled.",
    )


def test_replicate_key_of_a_replica_or_a_single_region_key_is_refused(road: Road) -> None:
    """Source: LocalStack's recorded test_replicate_replica_key_should_fail, of a replica just made."""
    key, single = primary_key(road), road.create_key()
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    for region, key_id in ((OTHER_REGION, key["KeyId"]), (REGION, single["KeyId"])):
        assert refused(road, "ReplicateKey", region=region, KeyId=key_id, ReplicaRegion=THIRD_REGION) == (
            "UnsupportedOperationException",
            f"{key_arn(key_id, region=region)} is not a multi-region primary key.",
        )
    road.wait(road.jobs.run_prompt())


def test_replicate_key_twice_or_to_its_own_region_is_refused(road: Road) -> None:
    key = primary_key(road)
    replicate(road, key)
    for region in (OTHER_REGION, REGION):
        assert refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=region) == (
            "AlreadyExistsException",
            f"{key_arn(key['KeyId'], region=region)} already exists.",
        )
    road.call("ScheduleKeyDeletion", region=OTHER_REGION, KeyId=key["KeyId"])
    code, _ = refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    assert code == "AlreadyExistsException"


def test_replicate_key_to_a_region_that_is_none_or_not_of_the_partition_is_refused(road: Road) -> None:
    key = primary_key(road)
    assert refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="nowhere") == invalid(
        "replicaRegion",
        "Member must satisfy regular expression pattern: ^([a-z]+-){2,3}\\d+$",
        " 'nowhere'",
    )
    for region in ("cn-north-1", "us-gov-west-1"):
        code, message = refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=region)
        assert code == "UnsupportedOperationException"
        assert message is not None
        assert region in message


def test_replicate_key_to_a_region_that_is_not_served_is_refused(tmp_path: Any) -> None:
    with Road(tmp_path, Rules(regions=frozenset({REGION, OTHER_REGION}))) as road:
        key = primary_key(road)
        code, _ = refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=THIRD_REGION)
        assert code == "UnsupportedOperationException"
        replicate(road, key, OTHER_REGION)


def test_replicate_key_by_who_is_not_allowed_is_refused(road: Road) -> None:
    own = "kms:PutKeyPolicy"
    key = primary_key(road, Policy=policy_for([own, "kms:CreateKey"]))
    asked = {"KeyId": key["KeyId"], "ReplicaRegion": OTHER_REGION}
    assert refused(road, "ReplicateKey", **asked) == denied("kms:ReplicateKey", key["Arn"])
    code, _ = refused(road, "ReplicateKey", account=STRANGER, **(asked | {"KeyId": key["Arn"]}))
    assert code == "AccessDeniedException"
    assert (
        road.wait(road.store.list_related_keys(stored(road, key).account_id, KeyId(key["KeyId"])))[1:] == []
    )


def test_replicate_key_with_a_policy_that_locks_out_or_bad_tags_makes_nothing(road: Road) -> None:
    key = primary_key(road)
    asked = {"KeyId": key["KeyId"], "ReplicaRegion": OTHER_REGION}
    locked = policy_for("kms:Encrypt")
    assert refused(road, "ReplicateKey", **asked, Policy=locked)[0] == "MalformedPolicyDocumentException"
    assert refused(road, "ReplicateKey", **asked, Policy="{}")[0] == "MalformedPolicyDocumentException"
    tags = [{"TagKey": "aws:x", "TagValue": ""}]
    assert refused(road, "ReplicateKey", **asked, Tags=tags)[0] == "TagException"
    assert describe(road, key)["MultiRegionConfiguration"]["ReplicaKeys"] == []
    answer = road.call("ReplicateKey", **asked, Policy=locked, BypassPolicyLockoutSafetyCheck=True)
    assert answer["ReplicaPolicy"] == locked


@pytest.mark.parametrize(
    ("operation", "state"), [("DisableKey", "disabled"), ("ScheduleKeyDeletion", "pending deletion")]
)
def test_replicate_key_in_a_state_that_refuses_is_refused(road: Road, operation: str, state: str) -> None:
    key = primary_key(road)
    road.call(operation, KeyId=key["KeyId"])
    refusal = refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    assert refusal[1] == f"{key['Arn']} is {state}."


def test_replicate_key_of_an_absent_key_or_alias_is_refused(road: Road) -> None:
    absent = refused(road, "ReplicateKey", KeyId=ABSENT_KEY_ID, ReplicaRegion=OTHER_REGION)
    assert absent == ("NotFoundException", f"Key '{key_arn(ABSENT_KEY_ID)}' does not exist")
    code, _ = refused(road, "ReplicateKey", KeyId="alias/x", ReplicaRegion=OTHER_REGION)
    assert code == "InvalidArnException"


def test_replicate_key_passed_by_another_change_of_the_primary_takes_the_road_again(road: Road) -> None:
    """INVARIANT X4: the primary's version moves with every new replica."""
    key = primary_key(road)
    before = stored(road, key)
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    with pytest.raises(ConcurrentChange):
        road.wait(road.store.update_key(replace(before, description="late")))


def test_replicate_key_to_one_region_by_two_at_once_makes_one_replica(road: Road) -> None:
    key = primary_key(road)
    members = {"KeyId": key["KeyId"], "ReplicaRegion": OTHER_REGION}
    answers = at_once(road, *(answering(road, "ReplicateKey", **members) for _ in range(2)))
    assert {error_code(answer) for answer in answers} == {None, "AlreadyExistsException"}
    regions = [each.region for each in road.wait(related_keys(road.store, stored(road, key)))]
    assert regions == [REGION, OTHER_REGION]
    road.wait(road.jobs.run_prompt())


def test_replica_of_a_key_with_imported_material_waits_for_the_same_import(road: Road) -> None:
    """Source: ReplicateKey, "created with no key material"."""
    key = external_primary(road)
    replica = replicate(road, key)
    assert replica["KeyState"] == "PendingImport"
    assert replica["Enabled"] is False
    assert "CurrentKeyMaterialId" not in replica
    there, here = stored(road, key, OTHER_REGION), stored(road, key)
    assert there.origin is OriginType.EXTERNAL
    assert list(there.materials) == list(here.materials)  # no other material id can be imported
    assert [material.exported_token for material in there.materials.values()] == [None]
    pending = ("KMSInvalidStateException", f"{replica['Arn']} is pending import.")
    assert refused(road, "Encrypt", region=OTHER_REGION, KeyId=key["KeyId"], Plaintext=TEXT) == pending


def external_primary(road: Road) -> dict[str, Any]:
    """A primary key with imported key material, as an import leaves it."""
    key = primary_key(road, Origin="EXTERNAL")
    record = stored(road, key)
    made = road.wait(
        road.boundary.generate_key(
            KeyBinding(ACCOUNT, REGION, key["KeyId"], "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
        )
    )
    imported = KeyMaterial(MaterialId(made.material_id), made.exported_token, road.clock.now())
    road.wait(
        road.store.update_key(
            replace(
                record,
                key_state=KeyState.ENABLED,
                materials={imported.material_id: imported},
                current_material_id=imported.material_id,
            )
        )
    )
    return key


def test_replicate_key_is_recorded_in_both_regions(road: Road) -> None:
    """Source: KMS Developer Guide, ct-replicate-key, ct-synchronize-multi-region-key."""
    key = primary_key(road)
    tags = [{"TagKey": "a", "TagValue": "b"}]
    durable = road.audit.durably_recorded
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION, Tags=tags)
    assert road.audit.durably_recorded == durable + 1
    created, replicated = road.audit.records[-2:]
    assert (replicated["eventName"], replicated["awsRegion"]) == ("ReplicateKey", REGION)
    assert replicated["requestParameters"] == {
        "keyId": key["KeyId"],
        "replicaRegion": OTHER_REGION,
        "description": "",
        "tags": [{"tagKey": "a", "tagValue": "b"}],
    }
    elements = replicated["responseElements"]
    assert elements["replicaKeyMetadata"]["multiRegionConfiguration"]["primaryKey"] == {
        "arn": key["Arn"],
        "region": REGION,
    }
    assert elements["replicaTags"] == [{"tagKey": "a", "tagValue": "b"}]
    assert [resource["ARN"] for resource in replicated["resources"]] == [key["Arn"]]
    assert (created["eventName"], created["awsRegion"]) == ("CreateKey", OTHER_REGION)
    assert created["requestParameters"]["multiRegion"] is True
    assert created["responseElements"]["keyMetadata"]["keyState"] == "Creating"
    there = key_arn(key["KeyId"], region=OTHER_REGION)
    assert [resource["ARN"] for resource in created["resources"]] == [there]
    assert created["userIdentity"] == replicated["userIdentity"]
    assert created["requestID"] == replicated["requestID"]
    assert created["eventID"] != replicated["eventID"]
    road.wait(road.jobs.run_prompt())
    (synchronized,) = events(road, "SynchronizeMultiRegionKey", key)
    assert synchronized["awsRegion"] == REGION
    assert synchronized["responseElements"] == {"keyId": key["Arn"]}
    assert [resource["ARN"] for resource in synchronized["resources"]] == [key["Arn"]]


def test_refused_replicate_key_records_no_create_key(road: Road) -> None:
    key = primary_key(road)
    count = len(road.audit.records)
    refused(road, "ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=REGION)
    assert [record["eventName"] for record in road.audit.records[count:]] == ["ReplicateKey"]


def test_nothing_is_finished_while_it_could_not_be_recorded(own_road: Road) -> None:
    key = primary_key(own_road)
    own_road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    own_road.audit.accepting = False
    with pytest.raises(AuditUnavailable):
        own_road.wait(own_road.jobs.run_prompt())
    own_road.audit.accepting = True
    assert describe(own_road, key, OTHER_REGION)["KeyState"] == "Creating"
    own_road.wait(own_road.jobs.run_due())
    assert describe(own_road, key, OTHER_REGION)["KeyState"] == "Enabled"
