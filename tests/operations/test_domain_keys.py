"""Domain keys follow one another: what was wrapped is wrapped again, and opens at every moment in between."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.operations.road_requests import TEXT
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.audit.interface import AuditUnavailable
from strongroom.boundary.interface import BoundaryError, KeyBinding
from strongroom.boundary.key_hierarchy import wrapping_key_id_of
from strongroom.jobs.domain_keys import (
    PATIENT_SECONDS,
    Pace,
    bring_tokens_up_to_date,
    replace_domain_keys,
)
from strongroom.operations.rules import Rules
from strongroom.request_ids import RequestIds
from strongroom.resources.domain_key import TokenPlace
from strongroom.resources.identifiers import KeyId, Region
from strongroom.store.interface import ConcurrentChange

DAY_SECONDS = 86_400
OTHER_REGION = "us-east-1"


@pytest.fixture
def road(tmp_path: Path) -> Iterator[Road]:
    with Road(tmp_path, Rules(require_policy_principals=False)) as road:
        yield road


def rotate(road: Road, days: float = 1.1) -> int:
    """And re-wrap everything, as the job runner does it; how many new domain keys."""
    road.clock.advance(round(days * DAY_SECONDS))
    made = road.wait(replace_domain_keys(road.rooms, road.audit, RequestIds()))
    road.wait(bring_tokens_up_to_date(road.rooms, road.audit, RequestIds()))
    return made


def tokens_of(road: Road, region: str) -> list[bytes]:
    found = []
    for place in TokenPlace:
        held = road.wait(road.store.list_held_tokens(region, place, None, 10_000))
        found += [one.token for one in held]
    return found


def active_of(road: Road, region: str) -> bytes:
    return road.wait(road.store.list_domain_keys(region))[-1].domain_key_id


def test_rotation_every_token_moves_and_every_blob_opens(road: Road) -> None:
    keys = [road.create_key()["KeyId"] for _ in range(5)]
    blobs = [road.call("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"] for key in keys]
    before = active_of(road, REGION)

    assert rotate(road) >= 1

    assert active_of(road, REGION) != before
    assert {wrapping_key_id_of(token) for token in tokens_of(road, REGION)} == {active_of(road, REGION)}
    for blob in blobs:
        assert road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
    assert len(road.wait(road.store.list_domain_keys(REGION))) == 2  # the older one is kept for backups


def test_rotation_and_deletion_of_a_domain_key_are_on_record(road: Road) -> None:
    road.create_key()
    first = active_of(road, REGION)
    rotate(road)
    rotate(road, days=40)

    made, finished, deleted = (
        [one for one in road.audit.records if one["eventName"] == name and one["awsRegion"] == REGION]
        for name in ("RotateDomainKey", "FinishDomainKeyRotation", "DeleteDomainKey")
    )

    assert [one["serviceEventDetails"]["generation"] for one in made] == [2, 3]
    assert made[0]["serviceEventDetails"]["previousDomainKeyId"] == first.hex()
    assert made[1]["serviceEventDetails"]["domainKeyId"] == active_of(road, REGION).hex()
    assert [one["serviceEventDetails"]["generation"] for one in finished] == [2, 3]
    assert finished[0]["serviceEventDetails"]["rewrappedTokens"] == 1
    assert finished[0]["serviceEventDetails"]["refusedTokens"] == 0
    assert [one["serviceEventDetails"] for one in deleted] == [{"domainKeyId": first.hex(), "generation": 1}]
    assert made[0]["eventType"] == "AwsServiceEvent"


def test_no_domain_key_is_replaced_while_the_audit_trail_takes_no_records(road: Road) -> None:
    road.create_key()
    first = active_of(road, REGION)
    road.audit.accepting = False
    with pytest.raises(AuditUnavailable):
        rotate(road)
    assert active_of(road, REGION) == first


def test_rotation_twice_at_once_makes_one_domain_key(road: Road) -> None:
    road.create_key()
    rotate(road)
    assert rotate(road, days=0) == 0


def test_rotation_after_a_long_standstill_makes_one_domain_key(road: Road) -> None:
    road.create_key()
    rotate(road, days=20)
    assert len(road.wait(road.store.list_domain_keys(REGION))) == 2


def test_rotation_takes_secrets_and_multi_region_keys_along(road: Road) -> None:
    key_id = road.create_key(MultiRegion=True)["KeyId"]
    road.call("ReplicateKey", KeyId=key_id, ReplicaRegion=OTHER_REGION)
    road.wait(road.jobs.run_due())
    road.call_query("iam", "CreateUser", UserName="alice")
    road.call_query("iam", "CreateAccessKey", UserName="alice")
    blob = road.call("Encrypt", KeyId=key_id, Plaintext=TEXT)["CiphertextBlob"]

    assert rotate(road) >= 3

    for region in (REGION, OTHER_REGION, "aws-global"):
        held = tokens_of(road, region)
        assert held
        assert {wrapping_key_id_of(token) for token in held} == {active_of(road, region)}
    opened = road.call("Decrypt", region=OTHER_REGION, CiphertextBlob=blob)
    assert opened["Plaintext"] == TEXT


def test_rotation_broken_off_goes_on_where_it_was(road: Road) -> None:
    """As after a crash: the new domain key is in the store, the boundary wraps under the older one."""
    keys = [road.create_key()["KeyId"] for _ in range(3)]
    road.clock.advance(2 * DAY_SECONDS)
    older = road.wait(road.store.list_domain_keys(REGION))[-1]
    new = road.wait(road.boundary.create_domain_key(REGION, older.generation + 1))
    record = type(older)(REGION, older.generation + 1, new.domain_key_id, road.clock.now())
    assert road.wait(road.store.insert_next_domain_key(record, new.token))
    road.restart_boundary()

    rotate(road, days=0)

    assert {wrapping_key_id_of(token) for token in tokens_of(road, REGION)} == {new.domain_key_id}
    for key in keys:
        road.call("Encrypt", KeyId=key, Plaintext=TEXT)


@pytest.mark.parametrize(
    ("ran_seconds", "at_least", "at_most"), [(0.0, 50, 1e9), (PATIENT_SECONDS + 1, 1, 20)]
)
def test_pass_rests_far_longer_than_it_worked_and_hurries_when_it_is_late(
    road: Road, ran_seconds: float, at_least: float, at_most: float
) -> None:
    pace = Pace(ran_seconds)
    worked_from = time.process_time()
    while time.process_time() < worked_from + 0.02:
        pass
    worked = time.process_time() - worked_from
    began = time.monotonic()
    road.wait(pace.rest())
    assert at_least * worked <= time.monotonic() - began <= at_most * worked + 1


def test_retired_domain_key_goes_when_no_backup_needs_it(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    key = road.create_key()["KeyId"]
    blob = road.call("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]
    rotate(road)
    rotate(road, days=30)
    assert len(road.wait(road.store.list_domain_keys(REGION))) == 3
    rotate(road, days=6)
    kept = road.wait(road.store.list_domain_keys(REGION))
    assert [one.generation for one in kept] == [2, 3, 4]
    assert "did not forget" not in caplog.text
    assert road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT


def test_retired_domain_key_is_kept_for_backups_of_the_days_until_its_tokens_had_moved(road: Road) -> None:
    """They may have moved late: a PKCS#11 token was away, say, and has the only copy of the domain key."""
    road.create_key()
    first = active_of(road, REGION)
    road.clock.advance(round(1.1 * DAY_SECONDS))
    road.wait(replace_domain_keys(road.rooms, road.audit, RequestIds()))
    rotate(road, days=5)  # a backup of just before needs the first
    rotate(road, days=34)
    assert first in {key.domain_key_id for key in road.wait(road.store.list_domain_keys(REGION))}
    rotate(road, days=2)
    assert first not in {key.domain_key_id for key in road.wait(road.store.list_domain_keys(REGION))}
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database:
        marks = database.execute("SELECT value FROM settings WHERE name LIKE ?", (f"%{first.hex()}%",))
        assert marks.fetchall() == []


def test_retired_domain_key_that_the_boundary_keeps_is_named_in_the_log(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    """It is deleted all the same; an operator may have to look for it in a PKCS#11 token."""
    road.create_key()
    first = active_of(road, REGION)
    rotate(road)
    road.boundary.attach(road.running_boundary.new_channel("worker 1"))  # which may not
    rotate(road, days=40)
    assert f"did not forget domain key {first.hex()} (BoundaryRefused)" in caplog.text
    assert any(one["eventName"] == "DeleteDomainKey" for one in road.audit.records)


def test_retired_domain_key_that_a_token_names_is_kept(road: Road) -> None:
    """A row put back by hand is not re-wrapped after the pass, and its domain key stays."""
    key = road.create_key()["KeyId"]
    old = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))[0]
    rotate(road)
    new = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))[0]
    road.wait(road.store.replace_held_tokens([(new, old.token)]))
    road.clock.advance(40 * DAY_SECONDS)
    still = road.wait(road.store.list_domain_keys(REGION))[0].generation
    rotate(road, days=0)
    assert still == 1
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)  # rolled back or not, it is the same key


def test_token_whose_origin_was_switched_in_the_database_is_not_rewrapped(road: Road) -> None:
    """A re-wrapping does not make the switched origin the token's own."""
    key = road.create_key()["KeyId"]
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database, database:
        database.execute("UPDATE keys SET origin = 'EXTERNAL_KEY_STORE' WHERE key_id = ?", (key,))
    rotate(road)
    held = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))
    assert wrapping_key_id_of(held[0].token) != active_of(road, REGION)


def test_tokens_swapped_between_keys_in_the_database_are_refused(road: Road) -> None:
    keys = [road.create_key()["KeyId"] for _ in range(2)]
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database, database:
        rows = dict(database.execute("SELECT key_id, exported_token FROM key_materials").fetchall())
        for key, other in zip(keys, reversed(keys), strict=True):
            database.execute(
                "UPDATE key_materials SET exported_token = ? WHERE key_id = ?", (rows[other], key)
            )
    road.read_database_anew()
    for key in keys:
        with pytest.raises(Refusal) as refused:
            road.call("Encrypt", KeyId=key, Plaintext=TEXT)
        assert refused.value.status == 500


def test_key_of_a_key_store_made_one_of_ours_in_the_database_is_not_used(road: Road) -> None:
    """Who can write the database could else have ciphertexts made that need no key outside."""
    key = road.create_key()["KeyId"]
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database, database:
        database.execute("UPDATE keys SET origin = 'EXTERNAL' WHERE key_id = ?", (key,))
    road.read_database_anew()
    with pytest.raises(Refusal) as refused:
        road.call("Encrypt", KeyId=key, Plaintext=TEXT)
    assert refused.value.status == 500
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database, database:
        database.execute("UPDATE keys SET origin = 'AWS_KMS' WHERE key_id = ?", (key,))
    road.read_database_anew()
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)


@pytest.mark.parametrize(("account", "region"), [("999999999999", REGION), (ACCOUNT, OTHER_REGION)])
@pytest.mark.parametrize(
    ("spec", "usage", "operation", "words"),
    [
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "Encrypt", {"Plaintext": TEXT}),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "GenerateDataKey", {"KeySpec": "AES_256"}),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "GenerateMac", {"Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}),
        ("ECC_NIST_P256", "SIGN_VERIFY", "Sign", {"Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}),
        ("ECC_NIST_P256", "SIGN_VERIFY", "GetPublicKey", {}),
    ],
)
def test_key_of_another_account_or_region_put_into_ones_own_is_not_used(
    road: Road, account: str, region: str, spec: str, usage: str, operation: str, words: dict[str, str]
) -> None:
    """A copy of a key's rows under other names; its id stays, or the boundary would not open the token."""
    key = road.create_key(KeySpec=spec, KeyUsage=usage)["KeyId"]
    (held,) = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))
    for place, status in (((ACCOUNT, REGION), 200), ((account, region), 500)):
        made = road.wait(road.boundary.generate_key(KeyBinding(*place, key, spec, usage, "AWS_KMS")))
        road.wait(road.store.replace_held_tokens([(held, made.exported_token)]))
        held = replace(held, token=made.exported_token)
        if status == 200:
            road.call(operation, KeyId=key, **words)
        else:
            with pytest.raises(Refusal) as refused:
                road.call(operation, KeyId=key, **words)
            assert refused.value.status == status


def test_older_material_of_another_account_decrypts_nothing(road: Road) -> None:
    key = road.create_key()["KeyId"]
    blob = road.call("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]
    (older,) = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))
    road.call("RotateKeyOnDemand", KeyId=key)
    road.wait(road.jobs.run_due())
    assert road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT
    binding = KeyBinding("999999999999", REGION, key, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "AWS_KMS")
    made = road.wait(road.boundary.generate_key(binding))
    road.wait(road.store.replace_held_tokens([(older, made.exported_token)]))
    with pytest.raises(Refusal) as refused:
        road.call("Decrypt", CiphertextBlob=blob)
    assert refused.value.status == 500  # not the 400 of a ciphertext that does not open
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)


def test_change_of_a_key_read_before_its_token_moved_is_judged_again(road: Road) -> None:
    """Or it would put the older token back, whose domain key may be gone by then (INVARIANT S3)."""
    key = road.create_key()["KeyId"]
    read = road.wait(road.store.find_key(Region(REGION), KeyId(key)))
    assert read is not None
    rotate(road)
    with pytest.raises(ConcurrentChange):
        road.wait(road.store.update_key(replace(read, description="changed")))
    road.call("UpdateKeyDescription", KeyId=key, Description="changed")
    assert {wrapping_key_id_of(token) for token in tokens_of(road, REGION)} == {active_of(road, REGION)}


def test_domain_key_that_a_token_names_is_not_deleted_whoever_asks(road: Road) -> None:
    road.create_key()
    first = active_of(road, REGION)
    rotate(road)
    rotate(road)
    kept = road.wait(road.store.list_domain_keys(REGION))
    held = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))[0]
    assert not road.wait(road.store.delete_domain_key(active_of(road, REGION)))
    under_first = held.token[:2] + first + held.token[18:]
    road.wait(road.store.replace_held_tokens([(held, under_first)]))
    assert not road.wait(road.store.delete_domain_key(first))
    assert road.wait(road.store.list_domain_keys(REGION)) == kept
    assert road.wait(road.store.delete_domain_key(kept[1].domain_key_id))


def test_domain_key_dated_in_the_future_is_replaced_when_the_clock_is_right_again(road: Road) -> None:
    road.create_key()
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database, database:
        database.execute("UPDATE domain_keys SET created_at = created_at + 3650 * 86400 * 1000000")
    assert rotate(road, days=0) >= 1
    assert rotate(road, days=0) == 0


def test_token_that_does_not_open_keeps_no_other_from_moving(road: Road) -> None:
    keys = [road.create_key()["KeyId"] for _ in range(4)]
    held = road.wait(road.store.list_held_tokens(REGION, TokenPlace.KEY_MATERIAL, None, 10))
    damaged = [held[0].token[:-1] + bytes([held[0].token[-1] ^ 1]), b"\x02\x01" + bytes(60)]
    road.wait(road.store.replace_held_tokens(list(zip(held, damaged, strict=False))))
    rotate(road)
    moved = {wrapping_key_id_of(token) for token in tokens_of(road, REGION)[2:]}
    assert moved == {active_of(road, REGION)}
    for key in sorted(keys)[2:]:
        road.call("Encrypt", KeyId=key, Plaintext=TEXT)


@pytest.mark.parametrize("origin", ["EXTERNAL_KEY_STORE", "AWS_CLOUDHSM"])
@pytest.mark.parametrize("takes_the_rows_away", [False, True])
def test_key_whose_origin_was_switched_gets_no_new_material_of_ours(
    road: Road, origin: str, takes_the_rows_away: bool
) -> None:
    """Or a rotation would make the switched origin true: new material that needs no key outside."""
    key = road.create_key()["KeyId"]
    binding = KeyBinding(ACCOUNT, REGION, key, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", origin)
    made = road.wait(road.boundary.generate_key(binding))
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database, database:
        # The key of a key store, as its rows would be after somebody wrote AWS_KMS into them.
        database.execute(
            "UPDATE key_materials SET exported_token = ?, material_id = ?",
            (made.exported_token, made.material_id),
        )
        database.execute("UPDATE keys SET current_material_id = ?", (made.material_id,))
        if takes_the_rows_away:
            database.execute("DELETE FROM key_materials")
        database.execute("UPDATE keys SET rotation_started_at = 1, next_rotation_at = 1")
    with contextlib.suppress(BoundaryError):
        road.wait(road.jobs.run_due())
    with contextlib.closing(sqlite3.connect(road.directory / "strongroom.db")) as database:
        materials = database.execute("SELECT material_id FROM key_materials").fetchall()
    assert materials == ([] if takes_the_rows_away else [(made.material_id,)])


def test_region_whose_domain_key_does_not_open_holds_up_no_other(road: Road) -> None:
    key = road.create_key()["KeyId"]
    road.call("CreateKey", region="ap-east-1")  # before the other in every order
    road.clock.advance(2 * DAY_SECONDS)
    assert road.wait(replace_domain_keys(road.rooms, road.audit, RequestIds())) == 2
    newest = active_of(road, "ap-east-1")
    path = road.directory / "strongroom.db"
    with contextlib.closing(sqlite3.connect(path, timeout=10)) as database, database:
        database.execute("UPDATE domain_keys SET token = x'00' WHERE domain_key_id = ?", (newest,))
    with pytest.raises(BoundaryError):
        road.wait(bring_tokens_up_to_date(road.rooms, road.audit, RequestIds()))
    assert {wrapping_key_id_of(token) for token in tokens_of(road, REGION)} == {active_of(road, REGION)}
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)
