"""CreateGrant and RevokeGrant, their dry runs and their records."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    STRANGER,
    answering,
    at_once,
    denied,
    disabled_key,
    error_code,
    key_arn,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Road

from strongroom.aws.generated.enums import GrantOperation
from strongroom.operations.kms.grants import GRANTS_PER_KEY_MAX

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:role/path/of/bob"
SERVICE = "s3.example.amazonaws.com"
SOURCE_ARN = f"arn:aws:s3:{REGION}:{ACCOUNT}:bucket"
TO_ALICE: dict[str, Any] = {"GranteePrincipal": ALICE, "Operations": ["Decrypt"]}


@pytest.fixture
def key_id(road: Road) -> str:
    return str(road.create_key()["KeyId"])


def grants_of(road: Road, key_id: str, **members: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = road.call("ListGrants", KeyId=key_id, **members)["Grants"]
    return listed


def test_create_grant_is_listed_with_every_member(road: Road, key_id: str) -> None:
    context = {"Department": "IT", "ß": "ü"}
    made = road.call(
        "CreateGrant",
        KeyId=key_arn(key_id),
        GranteePrincipal=ALICE,
        RetiringPrincipal=BOB,
        Operations=["RetireGrant", "Encrypt", "Decrypt", "Encrypt"],
        Constraints={"EncryptionContextSubset": context, "SourceArn": SOURCE_ARN},
        Name="a/name:of_it-1",
    )
    assert made.keys() == {"GrantToken", "GrantId"}
    assert len(bytes.fromhex(made["GrantId"])) == 32
    assert made["GrantId"] == made["GrantId"].lower()
    (listed,) = grants_of(road, key_id)
    assert abs(listed.pop("CreationDate") - road.clock.epoch_seconds()) < 60
    assert listed == {
        "KeyId": key_arn(key_id),
        "GrantId": made["GrantId"],
        "Name": "a/name:of_it-1",
        "GranteePrincipal": ALICE,
        "RetiringPrincipal": BOB,
        "IssuingAccount": ROOT,
        "Operations": ["Decrypt", "Encrypt", "RetireGrant"],
        "Constraints": {"EncryptionContextSubset": context, "SourceArn": SOURCE_ARN},
    }


def test_create_grant_with_little_is_listed_with_an_empty_name_and_no_constraints(
    road: Road, key_id: str
) -> None:
    without: tuple[dict[str, Any], ...] = ({}, {"Constraints": {}})
    for constraints in without:
        made = road.call("CreateGrant", KeyId=key_id, **TO_ALICE, **constraints)
        (listed,) = grants_of(road, key_id, GrantId=made["GrantId"])
        assert listed.keys() == {
            "KeyId", "GrantId", "Name", "CreationDate", "GranteePrincipal", "IssuingAccount", "Operations"
        }  # fmt: skip
        assert listed["Name"] == ""


def test_create_grant_to_a_service_keeps_its_members(road: Road, key_id: str) -> None:
    made = road.call(
        "CreateGrant",
        KeyId=key_id,
        GranteeServicePrincipal=SERVICE,
        RetiringServicePrincipal="other.example.amazonaws.com",
        Operations=["GenerateDataKey"],
        Constraints={"SourceArn": SOURCE_ARN},
    )
    (listed,) = grants_of(road, key_id, GrantId=made["GrantId"])
    assert listed["GranteeServicePrincipal"] == SERVICE
    assert listed["RetiringServicePrincipal"] == "other.example.amazonaws.com"
    assert listed["Constraints"] == {"SourceArn": SOURCE_ARN}
    assert "GranteePrincipal" not in listed


def test_create_grant_with_a_name_again_gives_the_same_id_and_another_token(road: Road, key_id: str) -> None:
    members: dict[str, Any] = {
        "Name": "retried",
        "Constraints": {"EncryptionContextEquals": {"a": "b", "c": "d"}},
    }
    first = road.call("CreateGrant", KeyId=key_id, **TO_ALICE, **members)
    again = road.call(
        "CreateGrant",
        KeyId=key_id,
        GranteePrincipal=ALICE,
        Operations=["Decrypt", "Decrypt"],
        Name="retried",
        Constraints={"EncryptionContextEquals": {"c": "d", "a": "b"}},
    )
    assert again["GrantId"] == first["GrantId"]
    assert again["GrantToken"] != first["GrantToken"]
    assert len(grants_of(road, key_id)) == 1
    for token in (first["GrantToken"], again["GrantToken"]):
        road.call("DescribeKey", KeyId=key_id, GrantTokens=[token])


@pytest.mark.parametrize(
    "other",
    [
        {"GranteePrincipal": BOB},
        {"Operations": ["Decrypt", "Encrypt"]},
        {"RetiringPrincipal": BOB},
        {"RetiringServicePrincipal": SERVICE},
        {"Constraints": {"EncryptionContextEquals": {"a": "b"}}},
        {"Constraints": {"EncryptionContextEquals": {}}},
        {"Constraints": {"SourceArn": SOURCE_ARN}},
    ],
)
def test_create_grant_with_a_name_and_other_parameters_makes_another(
    road: Road, key_id: str, other: dict[str, Any]
) -> None:
    first = road.call("CreateGrant", KeyId=key_id, Name="same", **TO_ALICE)
    second = road.call("CreateGrant", KeyId=key_id, Name="same", **{**TO_ALICE, **other})
    assert second["GrantId"] != first["GrantId"]
    assert len(grants_of(road, key_id)) == 2


def test_create_grant_without_a_name_makes_another_each_time(road: Road, key_id: str) -> None:
    made = {road.call("CreateGrant", KeyId=key_id, **TO_ALICE)["GrantId"] for _ in range(3)}
    assert len(made) == len(grants_of(road, key_id)) == 3


def test_create_grant_of_one_name_many_times_at_once_makes_one(road: Road, key_id: str) -> None:
    answers = at_once(
        road,
        *(answering(road, "CreateGrant", KeyId=key_id, Name="at once", **TO_ALICE) for _ in range(1)),
        *(answering(road, "CreateGrant", KeyId=key_id, Name="at/once", **TO_ALICE) for _ in range(20)),
    )
    assert error_code(answers[0]) == "ValidationException"  # a blank is not in GrantNameType
    made = [json.loads(answer.body) for answer in answers[1:]]
    assert len({grant["GrantId"] for grant in made}) == 1
    assert len({grant["GrantToken"] for grant in made}) == 20


PRINCIPALS = [
    ROOT,
    ALICE,
    BOB,
    f"arn:aws:iam::{STRANGER}:user/of.another+account@example=1,2",
    f"arn:aws:sts::{ACCOUNT}:federated-user/feddie",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/role/session",
]
NO_PRINCIPALS = [
    "x",
    ACCOUNT,
    "AIDACKCEVSQ6C2EXAMPLE",
    "s3.amazonaws.com",
    f"arn:aws:iam::{ACCOUNT}:group/admins",
    f"arn:aws:iam::{ACCOUNT}:user/",
    f"arn:aws:iam::{ACCOUNT}:user",
    f"arn:aws:iam::{ACCOUNT}:user//name",
    f"arn:aws:iam::{ACCOUNT}:role/name/",
    f"arn:aws:iam::{ACCOUNT}:root/x",
    f"arn:aws:iam:{REGION}:{ACCOUNT}:root",
    "arn:aws:iam::12345:root",
    f"arn:aws:sts::{ACCOUNT}:assumed-role/role",
    f"arn:aws:sts::{ACCOUNT}:root",
    f"arn:aws-cn:iam::{ACCOUNT}:root",
    f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{ABSENT_KEY_ID}",
    f"ARN:aws:iam::{ACCOUNT}:root",
]


@pytest.mark.parametrize("principal", PRINCIPALS)
def test_create_grant_takes_every_kind_of_principal(road: Road, key_id: str, principal: str) -> None:
    both = {"GranteePrincipal": principal, "RetiringPrincipal": principal}
    road.call("CreateGrant", KeyId=key_id, Operations=["DescribeKey"], **both)
    assert len(grants_of(road, key_id, GranteePrincipal=principal)) == 1


@pytest.mark.parametrize("principal", NO_PRINCIPALS)
@pytest.mark.parametrize("member", ["GranteePrincipal", "RetiringPrincipal"])
def test_create_grant_for_what_is_no_principal_is_refused(
    road: Road, key_id: str, member: str, principal: str
) -> None:
    assert refused(road, "CreateGrant", KeyId=key_id, **{**TO_ALICE, member: principal}) == (
        "InvalidArnException",
        f"ARN does not refer to a valid principal: {principal}",
    )


SERVICE_GRANT: dict[str, Any] = {
    "GranteeServicePrincipal": SERVICE,
    "RetiringPrincipal": ALICE,
    "Operations": ["Decrypt"],
    "Constraints": {"SourceArn": SOURCE_ARN},
}
CONTEXT = {"EncryptionContextSubset": {"a": "b"}}


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({"Operations": ["Decrypt"]}, "You must specify either GranteePrincipal or GranteeServicePrincipal"),
        ({**SERVICE_GRANT, "GranteePrincipal": ALICE}, "You must specify either GranteePrincipal or"),
        ({**SERVICE_GRANT, "RetiringServicePrincipal": SERVICE}, "You can specify either RetiringPrincipal"),
        ({**SERVICE_GRANT, "Constraints": CONTEXT}, "you must also specify a SourceArn grant constraint."),
        ({**SERVICE_GRANT, "Constraints": None}, "you must also specify a SourceArn grant constraint."),
        ({**SERVICE_GRANT, "RetiringPrincipal": None}, "you must specify either a RetiringPrincipal or"),
        ({**TO_ALICE, "Operations": []}, "Operations must not be empty."),
        ({**TO_ALICE, "Operations": ["CreateGrant"] * 2}, "must not contain only the CreateGrant operation."),
        ({**TO_ALICE, "Operations": ["Sign", "Decrypt", "GetPublicKey"]}, "[Sign, GetPublicKey]"),
        ({**TO_ALICE, "Operations": ["ListGrants"]}, "Member must satisfy enum value set: ["),
        (
            {**TO_ALICE, "Constraints": {**CONTEXT, "EncryptionContextEquals": {}}},
            "More than one constraint supplied",
        ),
        (
            {**TO_ALICE, "Constraints": {"EncryptionContextEquals": {str(n): "" for n in range(9)}}},
            "up to 8 encryption context pairs",
        ),
        (
            {**TO_ALICE, "Constraints": {"EncryptionContextSubset": {"a": "b" * 385}}},
            "cannot exceed 384 characters",
        ),
        (
            {**TO_ALICE, "Constraints": {"EncryptionContextSubset": {"a" * 9000: "b"}}},
            "must not be longer than 8192 bytes",
        ),
        (
            {**TO_ALICE, "Operations": ["DescribeKey", "RetireGrant"], "Constraints": CONTEXT},
            "supported only on grant operations that include an EncryptionContext parameter.",
        ),
        ({**TO_ALICE, "Constraints": {"SourceArn": "arn:aws:s3:::no-account"}}, "constraints.sourceArn"),
        ({**TO_ALICE, "Name": ""}, "at 'name' failed to satisfy constraint"),
        ({**TO_ALICE, "Name": "ä"}, "at 'name' failed to satisfy constraint"),
        ({"GranteePrincipal": ALICE}, "Value null at 'operations'"),
    ],
)
def test_create_grant_that_does_not_fit_together_is_refused(
    road: Road, key_id: str, members: dict[str, Any], sentence: str
) -> None:
    code, message = refused(road, "CreateGrant", KeyId=key_id, **members)
    assert code == "ValidationException"
    assert message is not None
    assert sentence in message
    assert grants_of(road, key_id) == []


def test_create_grant_constraints_at_their_limits_are_kept(road: Road, key_id: str) -> None:
    context = {f"{number}": "v" * 384 for number in range(8)}
    for name in ("EncryptionContextEquals", "EncryptionContextSubset"):
        made = road.call("CreateGrant", KeyId=key_id, **TO_ALICE, Constraints={name: context})
        (listed,) = grants_of(road, key_id, GrantId=made["GrantId"])
        assert listed["Constraints"] == {name: context}


def test_create_grant_of_every_operation_of_a_symmetric_key_is_made(road: Road, key_id: str) -> None:
    sign = {"Sign", "Verify", "GenerateMac", "VerifyMac", "GetPublicKey", "DeriveSharedSecret"}
    rest = {"Encapsulate", "Decapsulate"}
    usable = [operation.value for operation in GrantOperation if operation.value not in sign | rest]
    made = road.call("CreateGrant", KeyId=key_id, GranteePrincipal=ALICE, Operations=usable[::-1])
    (listed,) = grants_of(road, key_id, GrantId=made["GrantId"])
    assert listed["Operations"] == usable


def test_create_grant_on_a_disabled_key_is_refused(road: Road) -> None:
    key = disabled_key(road)
    expected = ("DisabledException", f"{key['Arn']} is disabled.")
    assert refused(road, "CreateGrant", KeyId=key["KeyId"], **TO_ALICE) == expected


def test_create_grant_by_another_account_names_it_as_the_issuing_one(road: Road) -> None:
    policy = (
        policy_for("kms:*")[:-2] + "," + policy_for("kms:*", f"arn:aws:iam::{STRANGER}:root").split("[", 1)[1]
    )
    key = road.create_key(Policy=policy)
    theirs = {"account": STRANGER}
    made = road.call("CreateGrant", KeyId=key["Arn"], **TO_ALICE, **theirs)
    assert grants_of(road, key["Arn"], **theirs) == grants_of(road, key["KeyId"])
    (listed,) = grants_of(road, key["KeyId"])
    assert listed["IssuingAccount"] == f"arn:aws:iam::{STRANGER}:root"
    assert listed["KeyId"] == key["Arn"]
    road.call("RevokeGrant", KeyId=key["Arn"], GrantId=made["GrantId"], **theirs)
    assert grants_of(road, key["KeyId"]) == []


@pytest.mark.parametrize("operation", ["CreateGrant", "ListGrants", "RevokeGrant"])
def test_grant_operation_by_a_stranger_is_denied(road: Road, operation: str) -> None:
    key = road.create_key()
    beside: dict[str, Any] = {"CreateGrant": TO_ALICE, "RevokeGrant": {"GrantId": "0" * 64}}
    for arn in (key["Arn"], key_arn(ABSENT_KEY_ID)):
        expected = denied(f"kms:{operation}", arn, STRANGER)
        members = beside.get(operation, {})
        assert refused(road, operation, account=STRANGER, KeyId=arn, **members) == expected


# ---------------------------------------------------------------- dry runs


DRY_RUN_SUCCEEDED = (
    "DryRunOperationException",
    "The request would have succeeded, but the DryRun option is set.",
)


def test_dry_run_of_a_sound_request_changes_nothing(road: Road, key_id: str) -> None:
    assert refused(road, "CreateGrant", KeyId=key_id, DryRun=True, **TO_ALICE) == DRY_RUN_SUCCEEDED
    assert grants_of(road, key_id) == []
    made = road.call("CreateGrant", KeyId=key_id, DryRun=False, **TO_ALICE)
    grant = {"KeyId": key_id, "GrantId": made["GrantId"]}
    for operation in ("RevokeGrant", "RetireGrant"):
        assert refused(road, operation, DryRun=True, **grant) == DRY_RUN_SUCCEEDED
    assert refused(road, "RetireGrant", DryRun=True, GrantToken=made["GrantToken"]) == DRY_RUN_SUCCEEDED
    assert len(grants_of(road, key_id)) == 1


def test_dry_run_of_a_request_that_would_fail_says_why(road: Road, key_id: str) -> None:
    absent = {"KeyId": key_id, "GrantId": "0" * 64, "DryRun": True}
    for operation in ("RevokeGrant", "RetireGrant"):
        assert refused(road, operation, **absent)[0] == "NotFoundException"
    sign = {"GranteePrincipal": ALICE, "Operations": ["Sign"], "DryRun": True}
    assert refused(road, "CreateGrant", KeyId=key_id, **sign)[0] == "ValidationException"
    assert (
        refused(road, "CreateGrant", KeyId=ABSENT_KEY_ID, DryRun=True, **TO_ALICE)[0] == "NotFoundException"
    )
    disabled = disabled_key(road)["KeyId"]
    assert refused(road, "CreateGrant", KeyId=disabled, DryRun=True, **TO_ALICE)[0] == "DisabledException"


# ---------------------------------------------------------------- revoking


def test_revoke_grant_removes_it_once(road: Road, key_id: str) -> None:
    made = [road.call("CreateGrant", KeyId=key_id, **TO_ALICE)["GrantId"] for _ in range(2)]
    assert road.send("RevokeGrant", json.dumps({"KeyId": key_id, "GrantId": made[0]}).encode()).body in (
        b"",
        b"{}",
    )
    assert [grant["GrantId"] for grant in grants_of(road, key_id)] == made[1:]
    assert refused(road, "RevokeGrant", KeyId=key_id, GrantId=made[0]) == (
        "NotFoundException",
        f"Grant {made[0]} is not found.",
    )


def test_revoke_grant_under_another_key_is_not_found(road: Road, key_id: str) -> None:
    made = road.call("CreateGrant", KeyId=key_id, **TO_ALICE)["GrantId"]
    other = road.create_key()["KeyId"]
    assert refused(road, "RevokeGrant", KeyId=other, GrantId=made)[0] == "NotFoundException"
    assert len(grants_of(road, key_id)) == 1


def test_revoke_grant_many_times_at_once_succeeds_once(road: Road, key_id: str) -> None:
    made = road.call("CreateGrant", KeyId=key_id, **TO_ALICE)["GrantId"]
    answers = at_once(road, *(answering(road, "RevokeGrant", KeyId=key_id, GrantId=made) for _ in range(10)))
    codes = [error_code(answer) for answer in answers]
    assert codes.count(None) == 1
    assert codes.count("NotFoundException") == 9


def test_quota_is_that_of_aws() -> None:
    """That the store counts to it is in the store's contract."""
    assert GRANTS_PER_KEY_MAX == 50_000


def test_records_of_grants_show_what_aws_shows_and_no_token(road: Road, key_id: str) -> None:
    constraints = {"EncryptionContextSubset": {"Department": "IT"}, "SourceArn": SOURCE_ARN}
    made = road.call("CreateGrant", KeyId=key_id, Constraints=constraints, Name="n", **TO_ALICE)
    record = road.last_record
    assert record["requestParameters"] == {
        "keyId": key_id,
        "granteePrincipal": ALICE,
        "operations": ["Decrypt"],
        "constraints": {"encryptionContextSubset": {"Department": "IT"}, "sourceArn": SOURCE_ARN},
        "name": "n",
    }
    assert record["responseElements"] == {"grantId": made["GrantId"]}
    assert record["readOnly"] is False
    road.call("ListGrants", KeyId=key_id)
    assert road.last_record["readOnly"] is True
    road.call("RetireGrant", GrantToken=made["GrantToken"])
    record = road.last_record
    assert record["eventName"] == "RetireGrant"
    assert [resource["ARN"] for resource in record["resources"]] == [key_arn(key_id)]
    assert record["requestParameters"] is None
    assert made["GrantToken"] not in json.dumps(road.audit.records)
