"""What one worker has answered, every worker obeys at once: no cache serves an older row.

A server with three workers; each refusal is asked for over a hundred fresh connections, which the kernel
spreads over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.conformance.raw_calls import RawAnswer, call
from tests.operations.road_requests import policy_for
from tests.support.server import Server

WORKERS = 3
FRESH_CONNECTIONS = 100
RACERS = 3
TEXT = "dGV4dA=="


@pytest.fixture(scope="module")
def busy() -> Iterator[Server]:
    with Server("--workers", str(WORKERS)) as running:
        yield running


def new_key(server: Server) -> str:
    return str(call(server, "CreateKey").content["KeyMetadata"]["KeyId"])


def encrypt(server: Server, identifier: str) -> RawAnswer:
    return call(server, "Encrypt", KeyId=identifier, Plaintext=TEXT)


def warm(server: Server, identifier: str) -> None:
    """Every worker has used the key, and remembers it."""
    for _ in range(WORKERS * 8):
        assert encrypt(server, identifier).status == 200


def outcomes(server: Server, identifier: str) -> list[str | None]:
    return [encrypt(server, identifier).error for _ in range(FRESH_CONNECTIONS)]


def test_server_has_its_workers_and_connections_reach_them_all(busy: Server) -> None:
    """What the tests below stand on."""
    workers = {title: pids for title, pids in busy.processes().items() if "worker" in title}
    assert sum(len(pids) for pids in workers.values()) == WORKERS, busy.processes()


def test_disabled_and_enabled_key_at_once(busy: Server) -> None:
    key_id = new_key(busy)
    warm(busy, key_id)
    for _ in range(3):
        assert call(busy, "DisableKey", KeyId=key_id).status == 200
        assert outcomes(busy, key_id) == ["DisabledException"] * FRESH_CONNECTIONS
        assert call(busy, "EnableKey", KeyId=key_id).status == 200
        assert outcomes(busy, key_id) == [None] * FRESH_CONNECTIONS


def test_key_policy_at_once(busy: Server) -> None:
    key_id = new_key(busy)
    warm(busy, key_id)
    closed, opened = policy_for("kms:PutKeyPolicy"), policy_for("kms:*")
    for _ in range(3):
        assert call(busy, "PutKeyPolicy", KeyId=key_id, Policy=closed).status == 200
        assert outcomes(busy, key_id) == ["AccessDeniedException"] * FRESH_CONNECTIONS
        assert call(busy, "PutKeyPolicy", KeyId=key_id, Policy=opened).status == 200
        assert outcomes(busy, key_id) == [None] * FRESH_CONNECTIONS


def test_alias_moved_and_deleted_at_once(busy: Server) -> None:
    first, second = new_key(busy), new_key(busy)
    name = f"alias/{first}"
    assert call(busy, "CreateAlias", AliasName=name, TargetKeyId=first).status == 200
    warm(busy, name)
    assert call(busy, "UpdateAlias", AliasName=name, TargetKeyId=second).status == 200
    used = {encrypt(busy, name).content["KeyId"].rsplit("/", 1)[1] for _ in range(FRESH_CONNECTIONS)}
    assert used == {second}
    assert call(busy, "DeleteAlias", AliasName=name).status == 200
    assert outcomes(busy, name) == ["NotFoundException"] * FRESH_CONNECTIONS
    assert call(busy, "CreateAlias", AliasName=name, TargetKeyId=first).status == 200
    used = {encrypt(busy, name).content["KeyId"].rsplit("/", 1)[1] for _ in range(FRESH_CONNECTIONS)}
    assert used == {first}


def test_scheduled_and_cancelled_deletion_at_once(busy: Server) -> None:
    key_id = new_key(busy)
    warm(busy, key_id)
    blob = encrypt(busy, key_id).content["CiphertextBlob"]
    assert call(busy, "ScheduleKeyDeletion", KeyId=key_id).status == 200
    assert outcomes(busy, key_id) == ["KMSInvalidStateException"] * FRESH_CONNECTIONS
    opened = [call(busy, "Decrypt", CiphertextBlob=blob).error for _ in range(FRESH_CONNECTIONS)]
    assert opened == ["KMSInvalidStateException"] * FRESH_CONNECTIONS
    assert call(busy, "CancelKeyDeletion", KeyId=key_id).status == 200
    assert outcomes(busy, key_id) == ["DisabledException"] * FRESH_CONNECTIONS


def test_new_key_is_there_for_every_worker_at_once(busy: Server) -> None:
    for _ in range(20):
        key_id = new_key(busy)
        found = [call(busy, "DescribeKey", KeyId=key_id).error for _ in range(10)]
        assert found == [None] * 10


def test_tags_and_description_at_once(busy: Server) -> None:
    key_id = new_key(busy)
    warm(busy, key_id)
    for number in range(5):
        tag = {"TagKey": "n", "TagValue": str(number)}
        assert call(busy, "TagResource", KeyId=key_id, Tags=[tag]).status == 200
        assert call(busy, "UpdateKeyDescription", KeyId=key_id, Description=str(number)).status == 200
        for _ in range(20):
            assert call(busy, "ListResourceTags", KeyId=key_id).content["Tags"] == [tag]
            described = call(busy, "DescribeKey", KeyId=key_id).content["KeyMetadata"]
            assert described["Description"] == str(number)


def test_changes_of_one_key_on_several_workers_at_once_all_happen(busy: Server) -> None:
    """INVARIANT O2 over processes: who is overtaken takes the road again, and nothing is lost."""
    key_id = new_key(busy)

    def change(number: int) -> list[str | None]:
        tag = {"TagKey": str(number), "TagValue": "put"}
        return [
            call(busy, "TagResource", KeyId=key_id, Tags=[tag]).error,
            call(busy, "UpdateKeyDescription", KeyId=key_id, Description=str(number)).error,
        ]

    with ThreadPoolExecutor(RACERS) as racers:
        found = list(racers.map(change, range(24)))
    assert found == [[None, None]] * 24
    listed = call(busy, "ListResourceTags", KeyId=key_id).content["Tags"]
    assert sorted(int(tag["TagKey"]) for tag in listed) == list(range(24))
    described = call(busy, "DescribeKey", KeyId=key_id).content["KeyMetadata"]
    assert int(described["Description"]) in range(24)


def test_state_changes_on_several_workers_at_once_end_in_one_state(busy: Server) -> None:
    key_id = new_key(busy)
    operations = ["DisableKey", "ScheduleKeyDeletion", "EnableKey"]
    with ThreadPoolExecutor(RACERS) as racers:
        found = list(racers.map(lambda name: call(busy, name, KeyId=key_id).error, operations))
    assert found[1] is None
    assert set(found) <= {None, "KMSInvalidStateException"}
    assert outcomes(busy, key_id) == ["KMSInvalidStateException"] * FRESH_CONNECTIONS


def test_alias_name_asked_for_on_several_workers_at_once_goes_to_one(busy: Server) -> None:
    keys = [new_key(busy) for _ in range(RACERS)]
    name = f"alias/{keys[0]}"
    with ThreadPoolExecutor(RACERS) as racers:
        found = list(
            racers.map(lambda key: call(busy, "CreateAlias", AliasName=name, TargetKeyId=key).error, keys)
        )
    assert sorted(map(str, found)) == ["AlreadyExistsException"] * (RACERS - 1) + ["None"]
    described = call(busy, "DescribeKey", KeyId=name).content["KeyMetadata"]
    assert described["KeyId"] == keys[found.index(None)]
