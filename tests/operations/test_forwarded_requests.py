"""A service that acts for a caller has the caller's permissions and no more; keys may ask for the service."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.road_requests import refused
from tests.operations.services import Person, Service, acting_for, new_user, register
from tests.support.road import ACCOUNT, REGION, Refusal, Road

PLAINTEXT = base64.b64encode(b"hello").decode()
ROOT_ARN = f"arn:aws:iam::{ACCOUNT}:root"
VIA_S3 = {"StringEquals": {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allowing(*actions: str, **elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": "*"} | elements


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    path: Path = tmp_path_factory.mktemp("forwarded")
    with Road(path) as road:
        yield road


@pytest.fixture(scope="module")
def s3(road: Road) -> Service:
    return register(road)


@pytest.fixture(scope="module")
def rds(road: Road) -> Service:
    return register(road, "rds")


@pytest.fixture(scope="module")
def alice(road: Road) -> Person:
    return new_user(road, "alice", document(allowing("kms:GenerateDataKey", "kms:Decrypt")))


@pytest.fixture(scope="module")
def bob(road: Road) -> Person:
    return new_user(road, "bob", document(allowing("s3:*")))


def data_key(key: dict[str, Any]) -> dict[str, Any]:
    return {"KeyId": key["Arn"], "KeySpec": "AES_256"}


def test_caller_without_permission_on_the_key_has_none_through_the_service(
    road: Road, s3: Service, alice: Person, bob: Person
) -> None:
    key = road.create_key()
    sealed = s3.call_for(alice.named, "GenerateDataKey", **data_key(key))
    assert s3.refused_for(bob.named, "GenerateDataKey", **data_key(key)) == (
        "AccessDeniedException",
        f"User: {bob.arn} is not authorized to perform: kms:GenerateDataKey on resource: {key['Arn']} "
        "because no identity-based policy allows the kms:GenerateDataKey action",
    )
    assert s3.refused_for(bob.named, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])[0] == (
        "AccessDeniedException"
    )
    assert s3.refused("GenerateDataKey", **data_key(key))[0] == "AccessDeniedException"


@pytest.fixture
def through_s3_only(road: Road, alice: Person, bob: Person) -> dict[str, Any]:
    """Alice and Bob may use the key through S3, by its policy."""
    principals = {"AWS": [alice.arn, bob.arn]}
    return road.create_key(
        Policy=document(
            allowing("kms:Put*", "kms:DescribeKey", Principal={"AWS": ROOT_ARN}),
            allowing("kms:GenerateDataKey", "kms:Decrypt", Principal=principals, Condition=VIA_S3),
        )
    )


def test_key_for_one_service_is_refused_directly_and_through_another(
    road: Road, s3: Service, rds: Service, alice: Person, through_s3_only: dict[str, Any]
) -> None:
    key = through_s3_only
    assert s3.call_for(alice.named, "GenerateDataKey", **data_key(key))["KeyId"] == key["Arn"]
    expected = (
        "AccessDeniedException",
        f"User: {alice.arn} is not authorized to perform: kms:GenerateDataKey on resource: {key['Arn']} "
        "because no resource-based policy allows the kms:GenerateDataKey action",
    )
    assert refused(road, "GenerateDataKey", account=alice.access_key, **data_key(key)) == expected
    assert rds.refused_for(alice.named, "GenerateDataKey", **data_key(key)) == expected


def test_key_for_a_service_of_one_region_is_refused_in_another(
    road: Road, s3: Service, alice: Person
) -> None:
    policy = document(
        allowing("kms:Put*", Principal={"AWS": ROOT_ARN}),
        allowing("kms:GenerateDataKey", Principal={"AWS": alice.arn}, Condition=VIA_S3),
    )
    key = road.create_key(region="eu-west-1", Policy=policy)
    with pytest.raises(Refusal, match="no resource-based policy allows"):
        s3.call_for(alice.named, "GenerateDataKey", region="eu-west-1", **data_key(key))


def test_header_from_anybody_but_a_service_is_refused(
    road: Road, alice: Person, bob: Person, through_s3_only: dict[str, Any]
) -> None:
    """Bob says that he acts for Alice, for the root, and for himself."""
    for named in (alice.named, f"{ACCOUNT}/{ACCOUNT}", bob.named):
        with acting_for(road, named):
            told = refused(road, "GenerateDataKey", account=bob.access_key, **data_key(through_s3_only))
        assert told == (
            "AccessDeniedException",
            "Only an integrated service may make requests for another caller.",
        )


def test_user_in_a_forged_name_is_nobody(s3: Service, through_s3_only: dict[str, Any]) -> None:
    gone = f"{ACCOUNT}/AIDAAAAAAAAAAAAAAAAAA"
    assert s3.refused_for(gone, "GenerateDataKey", **data_key(through_s3_only)) == (
        "AccessDeniedException",
        "The caller for whom the request is made does not exist.",
    )


def test_user_of_one_account_named_in_another_is_nobody(s3: Service, alice: Person) -> None:
    named = f"111122223333/{alice.user.unique_id}"
    assert s3.refused_for(named, "DescribeKey", KeyId="alias/aws/s3")[0] == "AccessDeniedException"


def test_record_names_caller_and_service(
    road: Road, s3: Service, alice: Person, bob: Person, through_s3_only: dict[str, Any]
) -> None:
    s3.call_for(alice.named, "GenerateDataKey", **data_key(through_s3_only))
    told = road.last_record
    assert told["userIdentity"]["arn"] == alice.arn
    assert told["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
    key = road.create_key()
    s3.refused_for(bob.named, "GenerateDataKey", **data_key(key))
    told = road.last_record
    assert told["errorCode"] == "AccessDeniedException"
    assert told["userIdentity"]["invokedBy"] == "s3.amazonaws.com"
