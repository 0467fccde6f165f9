"""AWS owned keys: a service's own collection, for many accounts, of which none of them sees anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.road_requests import refused
from tests.operations.services import Service, new_user, register
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.administration.commands import CommandRefused, carry_out
from strongroom.administration.messages import Accounts, CreateAccount, ListAccounts, ReplaceRootAccessKey
from strongroom.resources.identifiers import is_service_account

PLAINTEXT = base64.b64encode(b"hello").decode()
OTHER_ACCOUNT = "111122223333"
EVERYTHING = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    path: Path = tmp_path_factory.mktemp("owned")
    with Road(path) as road:
        yield road


@pytest.fixture(scope="module")
def dynamodb(road: Road) -> Service:
    return register(road, "dynamodb")


@pytest.fixture
def key(dynamodb: Service) -> dict[str, Any]:
    made: dict[str, Any] = dynamodb.call("CreateKey")["KeyMetadata"]
    return made


def test_service_makes_and_uses_a_key_of_its_own(road: Road, dynamodb: Service, key: dict[str, Any]) -> None:
    assert key["AWSAccountId"] == dynamodb.own_account_id
    assert is_service_account(key["AWSAccountId"])
    assert key["KeyManager"] == "AWS"
    for named in (key["KeyId"], key["Arn"]):
        for customer in (ACCOUNT, OTHER_ACCOUNT):
            context = {"customer": customer}
            sealed = dynamodb.call("Encrypt", KeyId=named, Plaintext=PLAINTEXT, EncryptionContext=context)
            opened = dynamodb.call(
                "Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context
            )
            assert opened["Plaintext"] == PLAINTEXT
    assert road.last_record["userIdentity"] == {"type": "AWSService", "invokedBy": "dynamodb.amazonaws.com"}
    assert road.last_record["recipientAccountId"] == dynamodb.own_account_id


def test_service_lists_its_keys_and_names_them_by_aliases(dynamodb: Service, key: dict[str, Any]) -> None:
    name = f"alias/{key['KeyId']}"
    dynamodb.call("CreateAlias", AliasName=name, TargetKeyId=key["KeyId"])
    assert dynamodb.call("DescribeKey", KeyId=name)["KeyMetadata"]["Arn"] == key["Arn"]
    assert key["KeyId"] in {one["KeyId"] for one in dynamodb.call("ListKeys")["Keys"]}
    assert name in {one["AliasName"] for one in dynamodb.call("ListAliases")["Aliases"]}
    dynamodb.call(
        "UpdateAlias", AliasName=name, TargetKeyId=dynamodb.call("CreateKey")["KeyMetadata"]["KeyId"]
    )
    dynamodb.call("DeleteAlias", AliasName=name)
    assert dynamodb.refused("DescribeKey", KeyId=name)[0] == "NotFoundException"


def test_customer_hears_what_a_stranger_hears(road: Road, dynamodb: Service, key: dict[str, Any]) -> None:
    absent = key["Arn"].replace(key["KeyId"], "00000000-0000-0000-0000-000000000000")
    for account in (ACCOUNT, OTHER_ACCOUNT, new_user(road, "nosy", EVERYTHING).access_key):
        told = [refused(road, "DescribeKey", account=account, KeyId=arn) for arn in (key["Arn"], absent)]
        assert told[0][0] == "AccessDeniedException"
        assert (told[0][1] or "").replace(key["KeyId"], "") == (told[1][1] or "").replace(absent[-36:], "")
        assert refused(road, "DescribeKey", account=account, KeyId=key["KeyId"])[0] == "NotFoundException"
        listed = road.call("ListKeys", account=account)["Keys"] if account.isdigit() else []
        assert key["KeyId"] not in {one["KeyId"] for one in listed}


def test_customer_cannot_open_what_it_sealed(road: Road, dynamodb: Service, key: dict[str, Any]) -> None:
    blob = dynamodb.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAINTEXT)["CiphertextBlob"]
    assert refused(road, "Decrypt", CiphertextBlob=blob)[0] == "AccessDeniedException"


def test_service_for_a_caller_has_the_callers_permissions_only(
    dynamodb: Service, key: dict[str, Any]
) -> None:
    refusal = dynamodb.refused_for(f"{ACCOUNT}/{ACCOUNT}", "Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT)
    assert refusal[0] == "AccessDeniedException"


def test_another_service_cannot_use_or_see_it(road: Road, key: dict[str, Any]) -> None:
    other = register(road, "sqs")
    assert other.refused("Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT)[0] == "AccessDeniedException"
    assert other.refused("DescribeKey", KeyId=key["KeyId"])[0] == "NotFoundException"
    assert other.call("ListKeys")["Keys"] == []
    acting = other.refused_for(f"{key['AWSAccountId']}/{key['AWSAccountId']}", "ListKeys")
    assert acting == ("AccessDeniedException", "The caller for whom the request is made does not exist.")


def test_nobody_is_root_of_the_account(road: Road, dynamodb: Service, key: dict[str, Any]) -> None:
    made = road.call("CreateKey", account=key["AWSAccountId"])["KeyMetadata"]
    assert made["AWSAccountId"] == ACCOUNT  # an access key id like any other
    listed = road.wait(carry_out(road.rooms, ListAccounts()))
    assert isinstance(listed, Accounts)
    assert not [one for one in listed.accounts if is_service_account(one.account_id)]
    with pytest.raises(CommandRefused, match="There is no account"):
        road.wait(carry_out(road.rooms, ReplaceRootAccessKey(key["AWSAccountId"])))
    with pytest.raises(CommandRefused, match="kept for services"):
        road.wait(carry_out(road.rooms, CreateAccount("mine", key["AWSAccountId"])))


def test_service_that_registers_again_keeps_its_keys(road: Road) -> None:
    before = register(road, "kinesis")
    key = before.call("CreateKey")["KeyMetadata"]
    after = register(road, "kinesis")
    assert after.access_key != before.access_key
    assert after.call("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["Arn"] == key["Arn"]
    assert before.refused("DescribeKey", KeyId=key["KeyId"])[0] == "UnrecognizedClientException"


def test_services_have_accounts_of_their_own(road: Road, dynamodb: Service) -> None:
    assert register(road, "sns").own_account_id != dynamodb.own_account_id


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"Policy": EVERYTHING}, id="policy"),
        pytest.param({"MultiRegion": True}, id="multi-Region"),
        pytest.param({"Origin": "EXTERNAL"}, id="imported"),
    ],
)
def test_owned_key_of_another_kind_is_refused(dynamodb: Service, members: dict[str, Any]) -> None:
    assert dynamodb.refused("CreateKey", **members)[0] == "UnsupportedOperationException"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        pytest.param("PutKeyPolicy", {"Policy": EVERYTHING}, id="PutKeyPolicy"),
        pytest.param(
            "CreateGrant",
            {"GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:root", "Operations": ["Decrypt"]},
            id="CreateGrant",
        ),
        pytest.param("DisableKeyRotation", {}, id="DisableKeyRotation"),
    ],
)
def test_service_cannot_open_its_key_to_others(
    dynamodb: Service, key: dict[str, Any], operation: str, members: dict[str, Any]
) -> None:
    code, sentence = dynamodb.refused(operation, KeyId=key["KeyId"], **members)
    assert code == "AccessDeniedException"
    assert (sentence or "").startswith("User: dynamodb.amazonaws.com is not authorized to perform")


def test_service_ends_and_tags_its_keys(dynamodb: Service, key: dict[str, Any]) -> None:
    key_id = key["KeyId"]
    dynamodb.call("TagResource", KeyId=key_id, Tags=[{"TagKey": "a", "TagValue": "b"}])
    dynamodb.call("UpdateKeyDescription", KeyId=key_id, Description="tables")
    assert dynamodb.call("GetKeyRotationStatus", KeyId=key_id)["KeyRotationEnabled"] is True
    dynamodb.call("DisableKey", KeyId=key_id)
    assert dynamodb.refused("Encrypt", KeyId=key_id, Plaintext=PLAINTEXT)[0] == "DisabledException"
    dynamodb.call("EnableKey", KeyId=key_id)
    dynamodb.call("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)


@pytest.fixture(scope="module")
def customers_key(road: Road) -> str:
    """A customer managed key whose policy lets the service do everything."""
    statements = [
        {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
        for principal in (
            {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            {"Service": "dynamodb.amazonaws.com"},
        )
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    arn: str = road.create_key(Policy=policy, MultiRegion=True)["Arn"]
    return arn


def test_service_uses_a_customers_key_whose_policy_says_so(dynamodb: Service, customers_key: str) -> None:
    used = dynamodb.call("Encrypt", KeyId=customers_key, Plaintext=PLAINTEXT)
    assert used["KeyId"] == customers_key
    assert dynamodb.call("DescribeKey", KeyId=customers_key)["KeyMetadata"]["AWSAccountId"] == ACCOUNT
    named = customers_key.rpartition("/")[2]
    assert dynamodb.refused("DescribeKey", KeyId=named)[0] == "NotFoundException"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        pytest.param("CreateAlias", {"AliasName": "alias/taken"}, id="CreateAlias"),
        pytest.param("DisableKey", {}, id="DisableKey"),
        pytest.param("PutKeyPolicy", {"Policy": EVERYTHING}, id="PutKeyPolicy"),
        pytest.param("ReplicateKey", {"ReplicaRegion": "eu-west-1"}, id="ReplicateKey"),
        pytest.param("ScheduleKeyDeletion", {}, id="ScheduleKeyDeletion"),
        pytest.param("TagResource", {"Tags": [{"TagKey": "a", "TagValue": "b"}]}, id="TagResource"),
    ],
)
def test_service_cannot_manage_a_customers_key_whatever_its_policy_says(
    road: Road, dynamodb: Service, customers_key: str, operation: str, members: dict[str, Any]
) -> None:
    member = "TargetKeyId" if operation == "CreateAlias" else "KeyId"
    code, sentence = dynamodb.refused(operation, **{member: customers_key}, **members)
    assert code == "AccessDeniedException"
    assert f"no resource-based policy allows the kms:{operation} action" in (sentence or "")
    assert road.call("DescribeKey", KeyId=customers_key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_service_as_itself_has_no_rights_in_iam(road: Road, dynamodb: Service) -> None:
    """Its account is for keys; users there would be callers that nobody sees."""
    for operation, members in (("CreateUser", {"UserName": "hidden"}), ("ListUsers", {}), ("ListRoles", {})):
        with pytest.raises(Refusal) as caught:
            road.call_query("iam", operation, account=dynamodb.access_key, **members)
        assert caught.value.code == "AccessDenied"
