"""AWS managed keys: made by a service's first request, used through it alone, and nobody's to change."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.road_requests import refused
from tests.operations.services import Person, Service, acting_for, new_user, register
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.operations.operation import KeyTarget
from strongroom.operations.rules import Rules
from strongroom.operations.table import ALL_OPERATIONS
from strongroom.resources.aws_managed_key import ON_AWS_MANAGED_KEYS

ROOT = f"{ACCOUNT}/{ACCOUNT}"
ALIAS = "alias/aws/s3"
OTHER_ACCOUNT = "111122223333"
PLAINTEXT = base64.b64encode(b"hello").decode()
EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    with Road(tmp_path, Rules(keys_max=1)) as road:
        yield road


@pytest.fixture
def s3(road: Road) -> Service:
    return register(road)


@pytest.fixture
def alice(road: Road) -> Person:
    """She may do nothing by policies of her own."""
    return new_user(road, "alice")


def denied(arn: str, action: str, resource: str) -> tuple[str, str]:
    return (
        "AccessDeniedException",
        f"User: {arn} is not authorized to perform: {action} on resource: {resource} "
        f"because no resource-based policy allows the {action} action",
    )


def test_first_use_makes_the_key_and_later_ones_use_it(road: Road, s3: Service, alice: Person) -> None:
    sealed = s3.call_for(alice.named, "GenerateDataKey", KeyId=ALIAS, KeySpec="AES_256")
    again = s3.call_for(alice.named, "Encrypt", KeyId=ALIAS, Plaintext=PLAINTEXT)
    assert again["KeyId"] == sealed["KeyId"]
    opened = s3.call_for(alice.named, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
    assert opened["Plaintext"] == sealed["Plaintext"]
    described = road.call("DescribeKey", KeyId=ALIAS)["KeyMetadata"]
    assert described["Arn"] == sealed["KeyId"]
    assert (described["KeyManager"], described["AWSAccountId"]) == ("AWS", ACCOUNT)
    assert described["Description"] == "Default key that protects my S3 objects when no other key is defined"


def test_creation_is_recorded_before_the_request_that_gave_occasion_to_it(
    road: Road, s3: Service, alice: Person
) -> None:
    key_arn = s3.call_for(alice.named, "Encrypt", KeyId=ALIAS, Plaintext=PLAINTEXT)["KeyId"]
    made, used = road.audit.records[-2:]
    assert (made["eventName"], made["eventType"]) == ("CreateKey", "AwsServiceEvent")
    assert made["resources"][0]["ARN"] == key_arn
    assert made["serviceEventDetails"]["invokedBy"] == "s3.amazonaws.com"
    assert (used["eventName"], used["userIdentity"]["invokedBy"]) == ("Encrypt", "s3.amazonaws.com")
    assert used["userIdentity"]["userName"] == "alice"


def test_nothing_is_made_that_could_not_be_recorded(road: Road, s3: Service) -> None:
    road.audit.accepting = False
    assert s3.refused_for(ROOT, "DescribeKey", KeyId=ALIAS)[0] == "KMSInternalException"
    road.audit.accepting = True
    assert road.call("ListKeys")["Keys"] == []


def test_key_is_listed_in_its_account_and_not_counted(road: Road, s3: Service) -> None:
    key = s3.call_for(ROOT, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]  # for an account, before anybody
    road.create_key()  # the one that the quota of these tests leaves
    assert refused(road, "CreateKey")[0] == "LimitExceededException"
    assert key["KeyId"] in {one["KeyId"] for one in road.call("ListKeys")["Keys"]}
    (alias,) = road.call("ListAliases")["Aliases"]
    assert (alias["AliasName"], alias["TargetKeyId"]) == (ALIAS, key["KeyId"])


def test_each_account_and_region_has_its_own(road: Road, s3: Service) -> None:
    road.call("CreateKey", account=OTHER_ACCOUNT)  # so that there is such an account
    arns = {
        s3.call_for(caller, "DescribeKey", region, KeyId=ALIAS)["KeyMetadata"]["Arn"]
        for caller in (ROOT, f"{OTHER_ACCOUNT}/{OTHER_ACCOUNT}")
        for region in (REGION, "eu-west-1")
    }
    assert len(arns) == 4


def test_alias_arn_of_the_callers_account_makes_it_and_of_another_does_not(road: Road, s3: Service) -> None:
    own = f"arn:aws:kms:{REGION}:{ACCOUNT}:{ALIAS}"
    assert s3.call_for(ROOT, "DescribeKey", KeyId=own)["KeyMetadata"]["KeyManager"] == "AWS"
    foreign = f"arn:aws:kms:{REGION}:{OTHER_ACCOUNT}:{ALIAS}"
    assert s3.refused_for(ROOT, "DescribeKey", KeyId=foreign)[0] == "AccessDeniedException"
    assert road.call("ListKeys", account=OTHER_ACCOUNT)["Keys"] == []


@pytest.mark.parametrize("caller", ["customer", "another service", "the service as itself"])
def test_nobody_but_the_service_for_a_caller_makes_it(road: Road, s3: Service, caller: str) -> None:
    if caller == "customer":
        assert refused(road, "DescribeKey", KeyId=ALIAS)[0] == "NotFoundException"
    elif caller == "another service":
        assert register(road, "rds").refused_for(ROOT, "DescribeKey", KeyId=ALIAS)[0] == "NotFoundException"
    else:
        assert s3.refused("DescribeKey", KeyId=ALIAS)[0] == "NotFoundException"
    assert road.call("ListKeys")["Keys"] == []


def test_two_workers_at_once_make_one_key(road: Road, s3: Service) -> None:
    body = json.dumps({"KeyId": ALIAS}).encode()

    async def all_at_once() -> list[Any]:
        requests = [road._request(body, s3.access_key, REGION, "kms") for _ in range(20)]
        answers = [road.pipeline.answer(one, road.codec, "kms", "DescribeKey") for one in requests]
        return await asyncio.gather(*answers)

    with acting_for(road, ROOT):
        answers = road.wait(all_at_once())
    assert {answer.status for answer in answers} == {200}
    assert len({json.loads(answer.body)["KeyMetadata"]["Arn"] for answer in answers}) == 1
    assert len(road.call("ListKeys")["Keys"]) == 1
    assert [one["eventName"] for one in road.audit.records].count("CreateKey") == 1


def test_caller_cannot_use_it_but_through_the_service(road: Road, s3: Service, alice: Person) -> None:
    admin = new_user(road, "admin", EVERYTHING)
    arn = s3.call_for(alice.named, "Encrypt", KeyId=ALIAS, Plaintext=PLAINTEXT)["KeyId"]
    for access_key, caller_arn in (
        (alice.access_key, alice.arn),
        (admin.access_key, admin.arn),
        (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root"),
    ):
        told = refused(road, "Encrypt", account=access_key, KeyId=ALIAS, Plaintext=PLAINTEXT)
        assert told == denied(caller_arn, "kms:Encrypt", arn)
    rds = register(road, "rds")
    assert rds.refused_for(alice.named, "Encrypt", KeyId=ALIAS, Plaintext=PLAINTEXT) == denied(
        alice.arn, "kms:Encrypt", arn
    )
    assert rds.refused("Encrypt", KeyId=arn, Plaintext=PLAINTEXT)[0] == "AccessDeniedException"
    assert s3.refused("Encrypt", KeyId=arn, Plaintext=PLAINTEXT)[0] == "AccessDeniedException"


def test_metadata_is_for_who_may_see_it_by_identity_policies(road: Road, s3: Service, alice: Person) -> None:
    admin = new_user(road, "admin", EVERYTHING)
    arn = s3.call_for(alice.named, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]["Arn"]
    assert road.call("DescribeKey", account=admin.access_key, KeyId=arn)["KeyMetadata"]["Arn"] == arn
    assert road.call("ListResourceTags", account=admin.access_key, KeyId=arn)["Tags"] == []
    assert refused(road, "DescribeKey", account=alice.access_key, KeyId=arn)[0] == "AccessDeniedException"
    stranger = new_user(road, "stranger", EVERYTHING, account=OTHER_ACCOUNT)
    assert s3.refused_for(stranger.named, "Encrypt", KeyId=arn, Plaintext=PLAINTEXT) == denied(
        stranger.arn, "kms:Encrypt", arn
    )


def test_key_policy_is_the_one_of_aws(road: Road, s3: Service) -> None:
    key_id = s3.call_for(ROOT, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]["KeyId"]
    policy = json.loads(road.call("GetKeyPolicy", KeyId=key_id)["Policy"])
    assert policy == {
        "Version": "2012-10-17",
        "Id": "auto-s3-2",
        "Statement": [
            {
                "Sid": "Allow access through S3 for all principals in the account that are "
                "authorized to use S3",
                "Effect": "Allow",
                "Principal": {"AWS": "*"},
                "Action": [
                    "kms:Encrypt",
                    "kms:Decrypt",
                    "kms:ReEncrypt*",
                    "kms:GenerateDataKey*",
                    "kms:DescribeKey",
                ],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {
                        "kms:ViaService": f"s3.{REGION}.amazonaws.com",
                        "kms:CallerAccount": ACCOUNT,
                    }
                },
            },
            {
                "Sid": "Allow direct access to key metadata to the account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": ["kms:Describe*", "kms:Get*", "kms:List*"],
                "Resource": "*",
            },
        ],
    }


def test_ebs_key_is_made_through_ec2_and_lets_it_make_grants(road: Road, alice: Person) -> None:
    ec2 = register(road, "ec2")
    made = ec2.call_for(
        alice.named,
        "CreateGrant",
        KeyId=ec2.call_for(alice.named, "DescribeKey", KeyId="alias/aws/ebs")["KeyMetadata"]["Arn"],
        GranteePrincipal=alice.arn,
        Operations=["Decrypt"],
    )
    key_id = road.call("ListAliases")["Aliases"][0]["TargetKeyId"]
    policy = json.loads(road.call("GetKeyPolicy", KeyId=key_id)["Policy"])
    assert "kms:RevokeGrant" in policy["Statement"][1]["Action"]
    road.call("RevokeGrant", KeyId=key_id, GrantId=made["GrantId"])


def test_it_rotates_every_year(road: Road, s3: Service) -> None:
    key_id = s3.call_for(ROOT, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]["KeyId"]
    sealed = s3.call_for(ROOT, "Encrypt", KeyId=ALIAS, Plaintext=PLAINTEXT)["CiphertextBlob"]
    status = road.call("GetKeyRotationStatus", KeyId=key_id)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, 365)
    road.clock.advance(366 * 86400)
    road.wait(road.jobs.run_due())
    assert len(road.call("ListKeyRotations", KeyId=key_id)["Rotations"]) == 1
    assert s3.call_for(ROOT, "Decrypt", CiphertextBlob=sealed)["Plaintext"] == PLAINTEXT


CHANGES: dict[str, dict[str, Any]] = {
    "CancelKeyDeletion": {},
    "CreateAlias": {"AliasName": "alias/mine"},
    "CreateGrant": {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]},
    "DeleteImportedKeyMaterial": {},
    "DisableKey": {},
    "DisableKeyRotation": {},
    "EnableKey": {},
    "EnableKeyRotation": {},
    "ImportKeyMaterial": {
        "ImportToken": PLAINTEXT,
        "EncryptedKeyMaterial": PLAINTEXT,
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    },
    "PutKeyPolicy": {"Policy": EVERYTHING, "BypassPolicyLockoutSafetyCheck": True},
    "ReplicateKey": {"ReplicaRegion": "eu-west-1"},
    "RevokeGrant": {"GrantId": "1" * 64},
    "RotateKeyOnDemand": {},
    "ScheduleKeyDeletion": {},
    "TagResource": {"Tags": [{"TagKey": "a", "TagValue": "b"}]},
    "UntagResource": {"TagKeys": ["a"]},
    "UpdateKeyDescription": {"Description": "mine"},
    "UpdatePrimaryRegion": {"PrimaryRegion": "eu-west-1"},
}


@pytest.mark.parametrize("operation", CHANGES)
def test_customers_change_is_refused_as_on_aws(road: Road, s3: Service, operation: str) -> None:
    key = s3.call_for(ROOT, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]
    member = "TargetKeyId" if operation == "CreateAlias" else "KeyId"
    members = CHANGES[operation] | {member: key["KeyId"]}
    expected = denied(f"arn:aws:iam::{ACCOUNT}:root", f"kms:{operation}", key["Arn"])
    assert refused(road, operation, **members) == expected
    assert s3.refused_for(ROOT, operation, **members) == expected
    assert road.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"] == key


def test_every_change_of_a_key_is_among_those_tried() -> None:
    on_keys = {
        operation.name
        for operation in ALL_OPERATIONS
        if operation.service == "kms"
        and not operation.read_only
        and any(
            isinstance(target, KeyTarget) and target.action == f"kms:{operation.name}"
            for target in operation.access
        )
    }
    assert on_keys - {"UpdateAlias"} <= set(CHANGES)
    in_table = {f"kms:{name}" for name in CHANGES} & ON_AWS_MANAGED_KEYS
    assert in_table == {"kms:CreateGrant", "kms:RevokeGrant"}, "some services' policies allow these"


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
def test_alias_of_a_service_is_reserved(road: Road, s3: Service, operation: str) -> None:
    key = s3.call_for(ROOT, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]
    target = {} if operation == "DeleteAlias" else {"TargetKeyId": key["KeyId"]}
    for name in (ALIAS, "alias/aws/mine"):
        assert refused(road, operation, AliasName=name, **target) == ("NotAuthorizedException", None)


def test_alias_of_a_customer_cannot_be_pointed_at_it(road: Road, s3: Service) -> None:
    key = s3.call_for(ROOT, "DescribeKey", KeyId=ALIAS)["KeyMetadata"]
    own = road.create_key()
    road.call("CreateAlias", AliasName="alias/mine", TargetKeyId=own["KeyId"])
    assert refused(road, "UpdateAlias", AliasName="alias/mine", TargetKeyId=key["KeyId"]) == denied(
        f"arn:aws:iam::{ACCOUNT}:root", "kms:UpdateAlias", key["Arn"]
    )
