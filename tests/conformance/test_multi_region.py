"""Multi-Region keys with unmodified boto3 clients of two Regions, against a real development server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.conformance.raw_calls import control
from tests.support.server import ACCOUNT, REGION, Server

OTHER_REGION = "us-west-2"
SECONDS_MAX = 30.0


@pytest.fixture
def there(server: Server) -> Any:
    """A client of the other Region."""
    return server.client(region=OTHER_REGION)


def in_state(client: Any, key_id: str, state: str) -> dict[str, Any]:
    """The metadata once the key is in a state, which it is soon."""
    deadline = time.monotonic() + SECONDS_MAX
    while True:
        metadata: dict[str, Any] = client.describe_key(KeyId=key_id)["KeyMetadata"]
        if metadata["KeyState"] == state:
            return metadata
        assert time.monotonic() < deadline, metadata
        time.sleep(0.1)


def replicated(kms: Any, there: Any) -> dict[str, Any]:
    """The metadata of a primary key whose replica in the other Region is ready."""
    key: dict[str, Any] = kms.create_key(MultiRegion=True)["KeyMetadata"]
    kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)
    in_state(there, key["KeyId"], "Enabled")
    return key


def test_replicated_key_works_in_both_regions(kms: Any, there: Any) -> None:
    key = kms.create_key(MultiRegion=True, Description="primary")["KeyMetadata"]
    made = kms.replicate_key(KeyId=key["Arn"], ReplicaRegion=OTHER_REGION, Description="replica")
    metadata = made["ReplicaKeyMetadata"]
    assert metadata["Arn"] == f"arn:aws:kms:{OTHER_REGION}:{ACCOUNT}:key/{key['KeyId']}"
    assert metadata["KeyState"] == "Creating"
    ready = in_state(there, key["KeyId"], "Enabled")
    assert ready["MultiRegionConfiguration"]["PrimaryKey"] == {"Arn": key["Arn"], "Region": REGION}
    for sealer, opener in ((kms, there), (there, kms)):
        sealed = sealer.encrypt(KeyId=key["KeyId"], Plaintext=b"both", EncryptionContext={"a": "b"})
        opened = opener.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext={"a": "b"})
        assert opened["Plaintext"] == b"both"
        assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"]


def test_data_key_of_one_region_opens_in_the_other(kms: Any, there: Any) -> None:
    """What the AWS Encryption SDK does with an MRK-aware keyring."""
    key = replicated(kms, there)
    data_key = kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    arn = key["Arn"].replace(REGION, OTHER_REGION)
    opened = there.decrypt(KeyId=arn, CiphertextBlob=data_key["CiphertextBlob"])
    assert opened["Plaintext"] == data_key["Plaintext"]


def test_replica_cannot_be_replicated_and_says_so(kms: Any, there: Any) -> None:
    key = replicated(kms, there)
    with pytest.raises(there.exceptions.UnsupportedOperationException) as caught:
        there.replicate_key(KeyId=key["KeyId"], ReplicaRegion="ap-south-1")
    assert "is not a multi-region primary key." in str(caught.value)
    with pytest.raises(kms.exceptions.AlreadyExistsException):
        kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)


def test_primary_region_moves_and_both_keys_work_on(kms: Any, there: Any) -> None:
    key = replicated(kms, there)
    kms.update_primary_region(KeyId=key["KeyId"], PrimaryRegion=OTHER_REGION)
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"meanwhile")["CiphertextBlob"]
    assert there.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"meanwhile"
    for client, kind in ((kms, "REPLICA"), (there, "PRIMARY")):
        metadata = in_state(client, key["KeyId"], "Enabled")
        configuration = metadata["MultiRegionConfiguration"]
        assert configuration["MultiRegionKeyType"] == kind
        assert configuration["PrimaryKey"]["Region"] == OTHER_REGION
        assert [replica["Region"] for replica in configuration["ReplicaKeys"]] == [REGION]


def test_single_region_key_is_not_there(kms: Any, there: Any) -> None:
    key = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"here")["CiphertextBlob"]
    with pytest.raises(ClientError) as caught:
        there.decrypt(CiphertextBlob=blob)
    assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
    with pytest.raises(kms.exceptions.UnsupportedOperationException):
        kms.replicate_key(KeyId=key["KeyId"], ReplicaRegion=OTHER_REGION)


def test_deletion_of_a_primary_waits_for_its_replica_on_a_whole_server() -> None:
    with Server() as server:
        kms, there = server.client(), server.client(region=OTHER_REGION)
        key_id = replicated(kms, there)["KeyId"]
        answer = kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=8)
        assert answer["KeyState"] == "PendingReplicaDeletion"
        assert "DeletionDate" not in answer
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["PendingDeletionWindowInDays"] == 8
        there.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
        advance_days(server, 7)
        with pytest.raises(there.exceptions.NotFoundException):
            there.describe_key(KeyId=key_id)
        metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        assert metadata["KeyState"] == "PendingDeletion"
        assert "DeletionDate" in metadata
        advance_days(server, 8)
        with pytest.raises(kms.exceptions.NotFoundException):
            kms.describe_key(KeyId=key_id)


def test_replica_and_roles_are_finished_after_a_crash(tmp_path: Path) -> None:
    """kill -9 of every process right after the answers: what was Creating or Updating is not stuck."""
    with Server(data_dir=tmp_path / "data") as server:
        kms = server.client()
        settled = replicated(kms, server.client(region=OTHER_REGION))["KeyId"]
        fresh = kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=fresh, Plaintext=b"before")["CiphertextBlob"]
        kms.replicate_key(KeyId=fresh, ReplicaRegion=OTHER_REGION)
        kms.update_primary_region(KeyId=settled, PrimaryRegion=OTHER_REGION)
        server.kill()
    with Server(data_dir=tmp_path / "data") as server:
        kms, there = server.client(), server.client(region=OTHER_REGION)
        in_state(there, fresh, "Enabled")
        assert there.decrypt(CiphertextBlob=blob)["Plaintext"] == b"before"
        for client in (kms, there):
            metadata = in_state(client, settled, "Enabled")
            assert metadata["MultiRegionConfiguration"]["PrimaryKey"]["Region"] == OTHER_REGION


def advance_days(server: Server, days: int) -> None:
    answer = control(server, "clock", advance_seconds=days * 86_400 + 1)
    assert answer.status == 200, answer
