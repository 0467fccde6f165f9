"""Access keys on the road: the secret is in one answer and nowhere else."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.aws.generated import iam_shapes as shapes
from strongroom.aws.generated.iam_enums import statusType
from strongroom.operations import iam_quotas as quotas
from strongroom.operations import policy_sizes
from strongroom.operations.iam import attachments, managed_policies, policy_versions, roles
from strongroom.operations.plan import show_struct
from strongroom.resources.iam import EntityKind, User
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.iam_interface import AccessKeyUse
from strongroom.store.interface import ConcurrentChange

OTHER_ACCOUNT = "111122223333"


def iam(road: Road, operation: str, account: str = ACCOUNT, **members: Any) -> Any:
    return road.call_query("iam", operation, account, **members)


def refusal(
    road: Road, operation: str, account: str = ACCOUNT, **members: Any
) -> tuple[str, str | None, int]:
    with pytest.raises(Refusal) as caught:
        iam(road, operation, account, **members)
    return caught.value.code, caught.value.message, caught.value.status


def no_such_key(access_key_id: str) -> tuple[str, str, int]:
    return ("NoSuchEntity", f"The Access Key with id {access_key_id} cannot be found.", 404)


def test_secret_is_in_the_answer_and_not_in_the_record(
    own_road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    iam(own_road, "CreateUser", UserName="u")
    key = iam(own_road, "CreateAccessKey", UserName="U")["AccessKey"]
    assert re.fullmatch("AKIA[A-Z2-7]{16}", key["AccessKeyId"])
    assert len(key["SecretAccessKey"]) == 40
    assert (key["UserName"], key["Status"]) == ("u", "Active")
    record = own_road.last_record
    assert record["requestParameters"] == {"userName": "U"}
    shown = record["responseElements"]["accessKey"]
    assert shown.keys() == {"userName", "accessKeyId", "status", "createDate"}
    assert (shown["accessKeyId"], shown["status"]) == (key["AccessKeyId"], "Active")
    assert key["SecretAccessKey"] not in json.dumps(own_road.audit.records)
    assert key["SecretAccessKey"] not in caplog.text
    stored = own_road.wait(own_road.store.find_access_key(AccessKeyId(key["AccessKeyId"])))
    assert stored is not None
    assert key["SecretAccessKey"].encode() not in stored.secret_token
    assert key["SecretAccessKey"].encode() not in (own_road.directory / "strongroom.db").read_bytes()


def test_secret_is_in_no_representation_of_the_answer() -> None:
    """INVARIANT A3: also where it stands in a structure within the answer."""
    key = shapes.AccessKey(
        user_name="u",
        access_key_id="AKIAIOSFODNN7EXAMPLE",
        status=statusType.ACTIVE,
        secret_access_key="s3cr3t",
    )
    answer = shapes.CreateAccessKeyResponse(access_key=key)
    assert "s3cr3t" not in repr(answer)
    assert "s3cr3t" not in repr(show_struct(answer))
    assert "AKIAIOSFODNN7EXAMPLE" in repr(show_struct(answer))


def test_user_has_two_access_keys_active_or_not(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    first, _ = (iam(own_road, "CreateAccessKey", UserName="u")["AccessKey"] for _ in range(2))
    iam(own_road, "UpdateAccessKey", UserName="u", AccessKeyId=first["AccessKeyId"], Status="Inactive")
    exceeded = ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2", 409)
    assert refusal(own_road, "CreateAccessKey", UserName="u") == exceeded
    iam(own_road, "DeleteAccessKey", UserName="u", AccessKeyId=first["AccessKeyId"])
    iam(own_road, "CreateAccessKey", UserName="u")


def test_root_makes_its_own(own_road: Road) -> None:
    key = iam(own_road, "CreateAccessKey")["AccessKey"]
    assert key.keys() == {"AccessKeyId", "SecretAccessKey", "Status", "CreateDate"}
    stored = own_road.wait(own_road.store.find_access_key(AccessKeyId(key["AccessKeyId"])))
    assert stored is not None
    assert (stored.principal_type, stored.principal_id) == ("Root", ACCOUNT)
    (listed,) = iam(own_road, "ListAccessKeys")["AccessKeyMetadata"]
    assert listed.keys() == {"AccessKeyId", "Status", "CreateDate"}
    iam(own_road, "UpdateAccessKey", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    (listed,) = iam(own_road, "ListAccessKeys")["AccessKeyMetadata"]
    assert listed["Status"] == "Inactive"
    assert "UserName" not in iam(own_road, "GetAccessKeyLastUsed", AccessKeyId=key["AccessKeyId"])
    iam(own_road, "DeleteAccessKey", AccessKeyId=key["AccessKeyId"])
    assert iam(own_road, "ListAccessKeys") == {"AccessKeyMetadata": [], "IsTruncated": False}


def test_status_is_changed_listed_and_recorded(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    key = iam(own_road, "CreateAccessKey", UserName="u")["AccessKey"]
    for status in ("Inactive", "Active"):
        access_key_id = key["AccessKeyId"]
        assert iam(own_road, "UpdateAccessKey", UserName="u", AccessKeyId=access_key_id, Status=status) == {}
        assert own_road.last_record["requestParameters"] == {
            "userName": "u",
            "accessKeyId": access_key_id,
            "status": status,
        }
        (listed,) = iam(own_road, "ListAccessKeys", UserName="u")["AccessKeyMetadata"]
        assert listed == {**listed, "UserName": "u", "AccessKeyId": access_key_id, "Status": status}
    for wrong, code in (("Expired", "InvalidInput"), ("On", "ValidationError")):
        refused = refusal(own_road, "UpdateAccessKey", UserName="u", AccessKeyId="A" * 20, Status=wrong)
        assert refused[0] == code


@pytest.mark.parametrize("operation", ["UpdateAccessKey", "DeleteAccessKey"])
def test_key_of_another_user_or_account_is_not_found(own_road: Road, operation: str) -> None:
    more = {"Status": "Inactive"} if operation == "UpdateAccessKey" else {}
    for name in ("u", "v"):
        iam(own_road, "CreateUser", UserName=name)
    iam(own_road, "CreateUser", OTHER_ACCOUNT, UserName="u")
    of_v = iam(own_road, "CreateAccessKey", UserName="v")["AccessKey"]["AccessKeyId"]
    of_other = iam(own_road, "CreateAccessKey", OTHER_ACCOUNT, UserName="u")["AccessKey"]["AccessKeyId"]
    of_root = iam(own_road, "CreateAccessKey")["AccessKey"]["AccessKeyId"]
    for wrong in (of_v, of_other, of_root, "AKIAIOSFODNN7EXAMPLE"):
        assert refusal(own_road, operation, UserName="u", AccessKeyId=wrong, **more) == no_such_key(wrong)
    assert refusal(own_road, operation, AccessKeyId=of_v, **more) == no_such_key(of_v)
    missing = ("NoSuchEntity", "The user with name x cannot be found.", 404)
    assert refusal(own_road, operation, UserName="x", AccessKeyId=of_v, **more) == missing
    assert refusal(own_road, "CreateAccessKey", UserName="x") == missing
    assert refusal(own_road, "ListAccessKeys", UserName="x") == missing


def test_access_keys_are_listed_in_pages(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    made = {iam(own_road, "CreateAccessKey", UserName="u")["AccessKey"]["AccessKeyId"] for _ in range(2)}
    first = iam(own_road, "ListAccessKeys", UserName="u", MaxItems=1)
    rest = iam(own_road, "ListAccessKeys", UserName="u", Marker=first["Marker"])
    listed = first["AccessKeyMetadata"] + rest["AccessKeyMetadata"]
    assert [key["AccessKeyId"] for key in listed] == sorted(made)


def test_last_use_is_not_known_until_there_is_one(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    access_key_id = iam(own_road, "CreateAccessKey", UserName="u")["AccessKey"]["AccessKeyId"]
    never = {"UserName": "u", "AccessKeyLastUsed": {"Region": "N/A", "ServiceName": "N/A"}}
    assert iam(own_road, "GetAccessKeyLastUsed", AccessKeyId=access_key_id) == never
    now = own_road.clock.now()
    own_road.rooms.access_key_uses.note(AccessKeyUse(AccessKeyId(access_key_id), now, "eu-central-1", "kms"))
    used = iam(own_road, "GetAccessKeyLastUsed", AccessKeyId=access_key_id)["AccessKeyLastUsed"]
    assert used == {
        "LastUsedDate": now.replace(microsecond=0),
        "Region": "eu-central-1",
        "ServiceName": "kms",
    }


def test_last_use_of_a_key_that_is_not_the_accounts_is_denied(own_road: Road) -> None:
    iam(own_road, "CreateUser", OTHER_ACCOUNT, UserName="u")
    foreign = iam(own_road, "CreateAccessKey", OTHER_ACCOUNT, UserName="u")["AccessKey"]["AccessKeyId"]
    for access_key_id in (foreign, "AKIAIOSFODNN7EXAMPLE"):
        assert refusal(own_road, "GetAccessKeyLastUsed", AccessKeyId=access_key_id) == (
            "AccessDenied",
            f"User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform iam:GetAccessKeyLastUsed"
            f" on resource: access key {access_key_id}",
            403,
        )


def test_key_that_was_deleted_meanwhile_is_not_made_again(own_road: Road) -> None:
    """An update that was judged before the deletion and is written after it."""
    iam(own_road, "CreateUser", UserName="u")
    access_key_id = AccessKeyId(iam(own_road, "CreateAccessKey", UserName="u")["AccessKey"]["AccessKeyId"])
    store = own_road.store
    stored = own_road.wait(store.find_access_key(access_key_id))
    assert stored is not None
    update = store.set_access_key_active(access_key_id, active=True)
    own_road.wait(store.delete_access_key(access_key_id))
    with pytest.raises(ConcurrentChange):
        own_road.wait(update)
    assert own_road.wait(store.find_access_key(access_key_id)) is None
    user = own_road.wait(store.list_entities(User, AccountId(ACCOUNT), "/", None, 1))[0]
    own_road.wait(store.delete_entity(user))
    with pytest.raises(ConcurrentChange):
        own_road.wait(store.insert_access_key(stored, of_principal_max=2))


LEFTOVERS = {
    "ListMFADevices": {"MFADevices": [], "IsTruncated": False},
    "ListSigningCertificates": {"Certificates": [], "IsTruncated": False},
    "ListSSHPublicKeys": {"SSHPublicKeys": [], "IsTruncated": False},
    "ListServiceSpecificCredentials": {"ServiceSpecificCredentials": [], "IsTruncated": False},
}


@pytest.mark.parametrize("operation", sorted(LEFTOVERS))
def test_what_no_user_has_is_listed_as_empty(own_road: Road, operation: str) -> None:
    iam(own_road, "CreateUser", UserName="u")
    assert iam(own_road, operation, UserName="u") == LEFTOVERS[operation]
    assert iam(own_road, operation) == LEFTOVERS[operation]
    assert iam(own_road, operation, UserName="u", MaxItems=1) == LEFTOVERS[operation]
    assert refusal(own_road, operation, UserName="x")[:1] == ("NoSuchEntity",)
    assert refusal(own_road, operation, UserName="u", Marker="m")[1] == "Invalid Marker."
    if operation == "ListServiceSpecificCredentials":
        everything = iam(own_road, operation, AllUsers=True, ServiceName="cassandra.amazonaws.com")
        assert everything == LEFTOVERS[operation]


def test_no_user_has_a_password(own_road: Road) -> None:
    iam(own_road, "CreateUser", UserName="u")
    assert refusal(own_road, "GetLoginProfile", UserName="U") == (
        "NoSuchEntity",
        "Login Profile for User u cannot be found.",
        404,
    )
    assert refusal(own_road, "GetLoginProfile", UserName="x")[1] == "The user with name x cannot be found."
    assert refusal(own_road, "GetLoginProfile")[0] == "NoSuchEntity"


def test_account_summary_counts_what_there_is(own_road: Road) -> None:
    before = iam(own_road, "GetAccountSummary")["SummaryMap"]
    assert len(before) == 34
    assert (before["UsersQuota"], before["GroupsQuota"], before["AccessKeysPerUserQuota"]) == (5000, 300, 2)
    assert before["AccountAccessKeysPresent"] == 0
    for name in ("a", "b"):
        iam(own_road, "CreateUser", UserName=name)
    iam(own_road, "CreateGroup", GroupName="g")
    iam(own_road, "CreateAccessKey")
    iam(own_road, "CreateUser", OTHER_ACCOUNT, UserName="c")
    after = iam(own_road, "GetAccountSummary")["SummaryMap"]
    assert after == {**before, "Users": 2, "Groups": 1, "AccountAccessKeysPresent": 1}


def test_quotas_of_the_summary_are_those_that_operations_hold_to() -> None:
    """IAM's families keep their own; the summary must not say anything else."""
    assert quotas.ROLES_PER_ACCOUNT == roles.ROLES_MAX
    assert quotas.POLICIES_PER_ACCOUNT == managed_policies.POLICIES_MAX
    assert quotas.ATTACHED_POLICIES_PER_ENTITY == attachments.ATTACHED_MAX
    assert quotas.VERSIONS_PER_POLICY == policy_versions.VERSIONS_MAX
    assert quotas.MANAGED_POLICY_CHARACTERS == policy_sizes.MANAGED_POLICY_CHARACTERS_MAX
    assert quotas.TRUST_POLICY_CHARACTERS == policy_sizes.TRUST_POLICY_CHARACTERS_MAX
    assert policy_sizes.INLINE_CHARACTERS_MAX == {
        EntityKind.USER: quotas.USER_POLICY_CHARACTERS,
        EntityKind.GROUP: quotas.GROUP_POLICY_CHARACTERS,
        EntityKind.ROLE: quotas.ROLE_POLICY_CHARACTERS,
    }
