"""Grants and pages with unmodified boto3 against a whole server."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.server import ACCOUNT, Server

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
ALICE = f"arn:aws:iam::{ACCOUNT}:user/alice"
BOB = f"arn:aws:iam::{ACCOUNT}:role/bob"


def listed(kms: Any, operation: str, member: str, size: int | None = None, **members: Any) -> list[Any]:
    """All items of a listing, through botocore's own paginator."""
    pages = kms.get_paginator(operation).paginate(
        PaginationConfig={} if size is None else {"PageSize": size}, **members
    )
    return [item for page in pages for item in page[member]]


@pytest.fixture
def key_id(kms: Any) -> str:
    return str(kms.create_key()["KeyMetadata"]["KeyId"])


def test_grant_lives_from_create_to_revoke(kms: Any, key_id: str) -> None:
    made = kms.create_grant(
        KeyId=key_id,
        GranteePrincipal=ALICE,
        RetiringPrincipal=BOB,
        Operations=["Encrypt", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"Department": "IT"}},
        Name="life",
    )
    (grant,) = kms.list_grants(KeyId=key_id)["Grants"]
    assert grant["GrantId"] == made["GrantId"]
    assert grant["Operations"] == ["Decrypt", "Encrypt"]
    assert grant["Constraints"] == {"EncryptionContextSubset": {"Department": "IT"}}
    assert grant["IssuingAccount"] == ROOT
    assert grant["CreationDate"].tzinfo is not None
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x", GrantTokens=[made["GrantToken"]])["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, GrantTokens=[made["GrantToken"]])["Plaintext"] == b"x"
    (retirable,) = listed(kms, "list_retirable_grants", "Grants", RetiringPrincipal=BOB)
    assert retirable == grant
    kms.revoke_grant(KeyId=key_id, GrantId=made["GrantId"])
    assert kms.list_grants(KeyId=key_id)["Grants"] == []
    with pytest.raises(kms.exceptions.NotFoundException):
        kms.retire_grant(GrantToken=made["GrantToken"])


def test_grant_errors_are_those_of_the_client(kms: Any, key_id: str) -> None:
    with pytest.raises(kms.exceptions.InvalidArnException):
        kms.create_grant(KeyId=key_id, GranteePrincipal="nobody", Operations=["Decrypt"])
    with pytest.raises(kms.exceptions.InvalidGrantTokenException):
        kms.encrypt(KeyId=key_id, Plaintext=b"x", GrantTokens=["nothing"])
    with pytest.raises(kms.exceptions.InvalidGrantIdException):
        kms.revoke_grant(KeyId=key_id, GrantId="nothing")
    with pytest.raises(kms.exceptions.InvalidMarkerException):
        kms.list_grants(KeyId=key_id, Marker="nothing")
    with pytest.raises(kms.exceptions.DryRunOperationException):
        kms.create_grant(KeyId=key_id, GranteePrincipal=ALICE, Operations=["Decrypt"], DryRun=True)
    with pytest.raises(ClientError) as caught:
        kms.retire_grant(KeyId=key_id)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_grant_across_accounts_is_retired_by_its_retiring_principal(server: Server, kms: Any) -> None:
    key = kms.create_key()["KeyMetadata"]
    stranger = server.client(access_key_id="111122223333")
    made = kms.create_grant(
        KeyId=key["KeyId"],
        GranteePrincipal=ALICE,
        RetiringPrincipal="arn:aws:iam::111122223333:root",
        Operations=["Decrypt"],
    )
    with pytest.raises(ClientError) as caught:
        server.client(access_key_id="444455556666").retire_grant(GrantToken=made["GrantToken"])
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    stranger.retire_grant(KeyId=key["Arn"], GrantId=made["GrantId"])
    assert kms.list_grants(KeyId=key["KeyId"])["Grants"] == []


@pytest.mark.parametrize("size", [1, 3, 100, None])
def test_paginators_give_every_item_once(kms: Any, key_id: str, size: int | None) -> None:
    grantee = f"{ALICE}-{size}"
    made = [
        kms.create_grant(
            KeyId=key_id, GranteePrincipal=grantee, RetiringPrincipal=grantee, Operations=["Decrypt"]
        )["GrantId"]
        for _ in range(7)
    ]
    for number in range(4):
        kms.create_alias(AliasName=f"alias/{key_id}/{number}", TargetKeyId=key_id)
        kms.tag_resource(KeyId=key_id, Tags=[{"TagKey": str(number), "TagValue": ""}])
    grants = listed(kms, "list_grants", "Grants", size, KeyId=key_id)
    assert [grant["GrantId"] for grant in grants] == sorted(made)
    assert listed(kms, "list_grants", "Grants", size, KeyId=key_id, GranteePrincipal=grantee) == grants
    assert listed(kms, "list_retirable_grants", "Grants", size, RetiringPrincipal=grantee) == grants
    aliases = listed(kms, "list_aliases", "Aliases", size, KeyId=key_id)
    assert [alias["AliasName"] for alias in aliases] == [f"alias/{key_id}/{n}" for n in range(4)]
    tags = listed(kms, "list_resource_tags", "Tags", size, KeyId=key_id)
    assert [tag["TagKey"] for tag in tags] == ["0", "1", "2", "3"]
    assert listed(kms, "list_key_policies", "PolicyNames", size, KeyId=key_id) == ["default"]
    keys = [key["KeyId"] for key in listed(kms, "list_keys", "Keys", size)]
    assert keys == sorted(set(keys))
    assert key_id in keys


def test_markers_and_tokens_of_one_worker_are_read_by_every_other() -> None:
    with Server("--workers", "3") as busy:
        key_id = busy.client().create_key()["KeyMetadata"]["KeyId"]
        made = [
            busy.client().create_grant(KeyId=key_id, GranteePrincipal=ALICE, Operations=["Decrypt"])
            for _ in range(3)
        ]
        marker = busy.client().list_grants(KeyId=key_id, Limit=1)["NextMarker"]
        for _ in range(20):
            client = busy.client()  # a fresh connection: any of the workers
            assert len(client.list_grants(KeyId=key_id, Marker=marker)["Grants"]) == 2
            client.describe_key(KeyId=key_id, GrantTokens=[grant["GrantToken"] for grant in made])
