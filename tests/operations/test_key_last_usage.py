"""GetKeyLastUsage: which requests count as a use, and what becomes of the notes of a worker."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tests.operations.multi_region_keys import primary_key, replicate
from tests.operations.road_requests import (
    OTHER_REGION,
    STRANGER,
    TEXT,
    disabled_key,
    encoded,
    pending_key,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Refusal, Road
from tests.support.store_records import new_key

from strongroom.aws.generated.enums import KeyLastUsageTrackingOperation
from strongroom.operations.last_usage import TRACKING_STARTED_SETTING
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.operations.usage_notes import TRACKED_OPERATIONS, UNWRITTEN_MAX, UsageNotes
from strongroom.resources.identifiers import AccountId, KeyArn, KeyId, Region
from strongroom.resources.key_usage_record import KeyUsageRecord
from strongroom.store.interface import StoreUnavailable

ECDSA = "ECDSA_SHA_256"


def last_usage(road: Road, key: dict[str, Any]) -> dict[str, Any]:
    usage: dict[str, Any] = road.call("GetKeyLastUsage", KeyId=key["KeyId"])["KeyLastUsage"]
    return usage


def sealed(road: Road, key: dict[str, Any]) -> str:
    blob: str = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    return blob


def signing_key(road: Road) -> dict[str, Any]:
    return road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")


def signature_of(road: Road, key: dict[str, Any]) -> str:
    answer = road.call("Sign", KeyId=key["KeyId"], Message=TEXT, SigningAlgorithm=ECDSA)
    signature: str = answer["Signature"]
    return signature


def test_get_key_last_usage_of_an_unused_key_is_an_empty_object(road: Road) -> None:
    key = road.create_key()
    road.call("DescribeKey", KeyId=key["KeyId"])
    assert road.call("GetKeyLastUsage", KeyId=key["KeyId"]) == {
        "KeyId": key["KeyId"],
        "KeyLastUsage": {},
        "TrackingStartDate": key["CreationDate"],
        "KeyCreationDate": key["CreationDate"],
    }


def test_get_key_last_usage_names_the_record_of_the_use(road: Road) -> None:
    key = road.create_key()
    before = road.clock.epoch_seconds()
    sealed(road, key)
    record = road.last_record
    usage = last_usage(road, key)
    assert before - 0.001 <= usage.pop("Timestamp") <= road.clock.epoch_seconds()
    assert usage == {
        "Operation": "Encrypt",
        "CloudTrailEventId": record["eventID"],
        "KmsRequestId": record["requestID"],
    }
    assert road.last_record["requestParameters"] == {"keyId": key["KeyId"]}
    assert road.last_record["readOnly"] is True


SYMMETRIC_USES: dict[str, Callable[[Road, dict[str, Any]], object]] = {
    "Encrypt": sealed,
    "Decrypt": lambda road, key: road.call("Decrypt", CiphertextBlob=sealed(road, key)),
    "ReEncrypt": lambda road, key: road.call(
        "ReEncrypt", CiphertextBlob=sealed(road, key), DestinationKeyId=key["KeyId"]
    ),
    "GenerateDataKey": lambda road, key: road.call("GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256"),
    "GenerateDataKeyWithoutPlaintext": lambda road, key: road.call(
        "GenerateDataKeyWithoutPlaintext", KeyId=key["KeyId"], NumberOfBytes=32
    ),
    "GenerateDataKeyPair": lambda road, key: road.call(
        "GenerateDataKeyPair", KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256"
    ),
    "GenerateDataKeyPairWithoutPlaintext": lambda road, key: road.call(
        "GenerateDataKeyPairWithoutPlaintext", KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256"
    ),
}


@pytest.mark.parametrize("operation", SYMMETRIC_USES)
def test_use_of_a_symmetric_key_is_told_of(road: Road, operation: str) -> None:
    key = road.create_key()
    SYMMETRIC_USES[operation](road, key)
    usage = last_usage(road, key)
    assert usage["Operation"] == KeyLastUsageTrackingOperation(operation) == operation


def test_sign_and_verify_are_told_of_the_later_one_last(road: Road) -> None:
    key = signing_key(road)
    signature = signature_of(road, key)
    assert last_usage(road, key)["Operation"] == "Sign"
    road.call("Verify", KeyId=key["KeyId"], Message=TEXT, Signature=signature, SigningAlgorithm=ECDSA)
    assert last_usage(road, key)["Operation"] == "Verify"


def test_macs_are_told_of_and_a_wrong_one_is_not(road: Road) -> None:
    key = road.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    named = {"KeyId": key["KeyId"], "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}
    mac = road.call("GenerateMac", **named)["Mac"]
    generated = last_usage(road, key)
    assert generated["Operation"] == "GenerateMac"
    with pytest.raises(Refusal):
        road.call("VerifyMac", Mac=encoded(bytes(32)), **named)
    assert last_usage(road, key) == generated
    road.call("VerifyMac", Mac=mac, **named)
    assert last_usage(road, key)["Operation"] == "VerifyMac"


def test_key_agreement_and_encapsulation_are_told_of(road: Road) -> None:
    agreeing = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")
    public_key = road.call("GetPublicKey", KeyId=agreeing["KeyId"])["PublicKey"]
    assert last_usage(road, agreeing) == {}, "a public key is not a use of the key"
    road.call(
        "DeriveSharedSecret", KeyId=agreeing["KeyId"], PublicKey=public_key, KeyAgreementAlgorithm="ECDH"
    )
    assert last_usage(road, agreeing)["Operation"] == "DeriveSharedSecret"
    kem = road.create_key(KeySpec="ML_KEM_512", KeyUsage="ENCAPSULATE_DECAPSULATE")
    named = {"KeyId": kem["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
    blob = road.call("Encapsulate", **named)["SharedSecretCiphertextBlob"]
    assert last_usage(road, kem)["Operation"] == "Encapsulate"
    road.call("Decapsulate", SharedSecretCiphertextBlob=blob, **named)
    assert last_usage(road, kem)["Operation"] == "Decapsulate"


def test_primary_and_replica_are_told_of_apart(road: Road) -> None:
    primary = primary_key(road)
    replicate(road, primary, OTHER_REGION)
    assert last_usage(road, primary) == {}, "to replicate a key is no use of it"
    road.call("Encrypt", region=OTHER_REGION, KeyId=primary["KeyId"], Plaintext=TEXT)
    assert last_usage(road, primary) == {}
    replica = road.call("GetKeyLastUsage", region=OTHER_REGION, KeyId=primary["KeyId"])
    assert replica["KeyLastUsage"]["Operation"] == "Encrypt"


def test_every_tracked_operation_is_an_operation_on_a_key() -> None:
    for name in TRACKED_OPERATIONS:
        assert KMS_OPERATIONS[name].usage is not None or name in ("Decrypt", "ReEncrypt")


def test_re_encrypt_is_told_of_for_both_keys(road: Road) -> None:
    source, destination = road.create_key(), road.create_key()
    road.call("ReEncrypt", CiphertextBlob=sealed(road, source), DestinationKeyId=destination["KeyId"])
    assert last_usage(road, source) == last_usage(road, destination)
    assert last_usage(road, source)["Operation"] == "ReEncrypt"


def test_requests_that_are_not_successful_uses_leave_the_last_usage(road: Road) -> None:
    key, signing = road.create_key(), signing_key(road)
    blob = sealed(road, key)
    signature = signature_of(road, signing)
    used, signed = last_usage(road, key), last_usage(road, signing)
    for operation, members in (
        ("Encrypt", {"KeyId": key["KeyId"], "Plaintext": TEXT, "DryRun": True}),
        ("Decrypt", {"CiphertextBlob": blob, "EncryptionContext": {"another": "one"}}),
        ("Decrypt", {"CiphertextBlob": encoded(base64.b64decode(blob)[:-1])}),
        ("Sign", {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": ECDSA}),
        (
            "Verify",
            {"KeyId": signing["KeyId"], "Message": encoded(b"x"), "Signature": signature}
            | {"SigningAlgorithm": ECDSA},
        ),
    ):
        with pytest.raises(Refusal):
            road.call(operation, **members)
    for operation in ("DescribeKey", "GetKeyPolicy", "GetKeyLastUsage", "GetKeyRotationStatus"):
        road.call(operation, KeyId=key["KeyId"])
    road.call("GetPublicKey", KeyId=signing["KeyId"])
    assert last_usage(road, key) == used
    assert last_usage(road, signing) == signed


def test_use_whose_record_was_not_taken_is_not_told_of(own_road: Road) -> None:
    key = own_road.create_key()
    own_road.audit.accepting = False
    with pytest.raises(Refusal):
        sealed(own_road, key)
    own_road.audit.accepting = True
    assert last_usage(own_road, key) == {}


@pytest.mark.parametrize("make", [disabled_key, pending_key])
def test_get_key_last_usage_works_in_every_state(road: Road, make: Callable[[Road], dict[str, Any]]) -> None:
    assert last_usage(road, make(road)) == {}


def test_get_key_last_usage_of_an_alias_is_refused(road: Road) -> None:
    assert refused(road, "GetKeyLastUsage", KeyId="alias/any")[0] == "InvalidArnException"


def test_get_key_last_usage_by_another_account_is_denied_whatever_the_policy(road: Road) -> None:
    everybody = policy_for("kms:*", "*")
    key = road.create_key(Policy=everybody, BypassPolicyLockoutSafetyCheck=True)
    assert refused(road, "GetKeyLastUsage", account=STRANGER, KeyId=key["Arn"])[0] == "AccessDeniedException"


def test_get_key_last_usage_needs_its_own_action(road: Road) -> None:
    key = road.create_key(Policy=policy_for(["kms:PutKeyPolicy", "kms:DescribeKey"]))
    assert refused(road, "GetKeyLastUsage", KeyId=key["KeyId"])[0] == "AccessDeniedException"


def test_use_in_one_region_is_of_no_other_region(road: Road) -> None:
    here, there = road.create_key(), road.call("CreateKey", region=OTHER_REGION)["KeyMetadata"]
    road.call("Encrypt", region=OTHER_REGION, KeyId=there["KeyId"], Plaintext=TEXT)
    assert last_usage(road, here) == {}
    elsewhere = road.call("GetKeyLastUsage", region=OTHER_REGION, KeyId=there["KeyId"])
    assert elsewhere["KeyLastUsage"]["Operation"] == "Encrypt"


def test_tracking_start_date_is_the_later_of_key_and_tracking(own_road: Road) -> None:
    key = own_road.create_key()
    began = key["CreationDate"] + 3600.5
    own_road.wait(own_road.store.put_setting(TRACKING_STARTED_SETTING, repr(began)))
    answer = own_road.call("GetKeyLastUsage", KeyId=key["KeyId"])
    assert answer["TrackingStartDate"] == began
    assert answer["KeyCreationDate"] == key["CreationDate"]
    own_road.clock.advance(7200)
    later = own_road.create_key()
    answer = own_road.call("GetKeyLastUsage", KeyId=later["KeyId"])
    assert answer["TrackingStartDate"] == later["CreationDate"]


def test_flush_of_a_key_that_was_destroyed_meanwhile_keeps_the_others(own_road: Road) -> None:
    doomed, other = own_road.create_key(), own_road.create_key()
    sealed(own_road, doomed)
    own_road.call("ScheduleKeyDeletion", KeyId=doomed["KeyId"], PendingWindowInDays=7)
    sealed(own_road, other)
    own_road.clock.advance(8 * 86_400)
    own_road.wait(own_road.jobs.run_due())
    assert last_usage(own_road, other)["Operation"] == "Encrypt"
    assert own_road.wait(own_road.store.find_key_usage(Region(REGION), KeyId(doomed["KeyId"]))) is None


# ---------------------------------------------------------------- the notes and the store


def used(key_id: str, used_at: float, event_id: str = "event") -> KeyUsageRecord:
    return KeyUsageRecord(
        AccountId(ACCOUNT),
        Region(REGION),
        KeyId(key_id),
        KeyLastUsageTrackingOperation.DECRYPT,
        used_at,
        event_id,
        "request",
    )


def test_later_use_of_another_worker_is_not_overwritten(own_road: Road) -> None:
    key = own_road.create_key()
    now = float(int(time.time()))
    for used_at, event_id, kept in ((now, "b", "b"), (now - 5, "a", "b"), (now + 5, "c", "c")):
        own_road.wait(own_road.store.keep_key_usages([used(key["KeyId"], used_at, event_id)]))
        found = own_road.wait(own_road.store.find_key_usage(Region(REGION), KeyId(key["KeyId"])))
        assert found is not None
        assert found.event_id == kept
    assert found == used(key["KeyId"], now + 5, "c")


def test_use_of_a_key_id_in_another_account_is_not_kept(own_road: Road) -> None:
    key = own_road.create_key()
    foreign = used(key["KeyId"], 1.0)._replace(account_id=AccountId(STRANGER))
    own_road.wait(own_road.store.keep_key_usages([foreign]))
    assert own_road.wait(own_road.store.find_key_usage(Region(REGION), KeyId(key["KeyId"]))) is None


class SlowStore:
    """The one method that notes are flushed to: it waits until it is told how to end."""

    def __init__(self) -> None:
        self.kept: list[set[str]] = []
        self.ends: list[asyncio.Future[None]] = []

    async def keep_key_usages(self, usages: list[KeyUsageRecord]) -> None:
        end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        await end
        self.kept.append({usage.event_id for usage in usages})


def note(notes: UsageNotes, number: int, event_id: str) -> None:
    key = new_key(f"00000000-0000-4000-8000-{number:012d}")
    notes.note(key, KeyLastUsageTrackingOperation.SIGN, float(number), event_id, "request")


def test_flush_does_not_return_before_what_another_flush_is_writing_is_there() -> None:
    async def play() -> None:
        notes, store = UsageNotes(), SlowStore()
        note(notes, 1, "first")
        flushing = asyncio.create_task(notes.flush(store))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        second = asyncio.create_task(notes.flush(store))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        assert not second.done()
        store.ends[0].set_exception(StoreUnavailable("full"))
        with pytest.raises(StoreUnavailable):
            await flushing
        assert not second.done()
        store.ends[1].set_result(None)
        await second
        assert store.kept == [{"first"}]
        await notes.flush(store)  # type: ignore[arg-type]
        assert len(store.ends) == 2, "what was written is not written again"

    asyncio.run(play())


def test_flush_that_failed_is_made_up_for_by_the_next_with_the_later_use() -> None:
    async def play() -> None:
        notes, store = UsageNotes(), SlowStore()
        note(notes, 1, "early")
        note(notes, 2, "other")
        failing = asyncio.create_task(notes.flush(store))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        store.ends[0].set_exception(StoreUnavailable("full"))
        with pytest.raises(StoreUnavailable):
            await failing
        note(notes, 1, "late")
        again = asyncio.create_task(notes.flush(store))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        store.ends[1].set_result(None)
        await again
        assert store.kept == [{"late", "other"}]

    asyncio.run(play())


def test_notes_that_the_store_does_not_take_are_bounded() -> None:
    async def play() -> None:
        notes, store = UsageNotes(), SlowStore()
        key = new_key()
        for number in range(UNWRITTEN_MAX + 1):
            other = replace(key, arn=KeyArn(str(number)))
            notes.note(other, KeyLastUsageTrackingOperation.ENCRYPT, 0.0, "event", "request")
        failing = asyncio.create_task(notes.flush(store))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        store.ends[0].set_exception(StoreUnavailable("full"))
        with pytest.raises(StoreUnavailable):
            await failing
        await notes.flush(store)  # type: ignore[arg-type]
        assert len(store.ends) == 1

    asyncio.run(play())


class FullStore:
    """A store that takes nothing."""

    tries = 0

    async def keep_key_usages(self, usages: list[KeyUsageRecord]) -> None:
        self.tries += 1
        raise StoreUnavailable("full")


def test_flush_until_tells_once_of_a_store_that_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        notes, store, stopped = UsageNotes(), FullStore(), asyncio.Event()
        note(notes, 1, "never")
        flushing = asyncio.create_task(notes.flush_until(store, stopped))  # type: ignore[arg-type]
        while store.tries < 2:
            await asyncio.sleep(0.05)
        stopped.set()
        await asyncio.wait_for(flushing, 5)
        assert store.tries == 3

    asyncio.run(play())
    assert [record.message for record in caplog.records] == [
        "the last uses of keys were not written (StoreUnavailable)"
    ]


def test_flush_until_writes_what_is_noted_when_it_is_stopped() -> None:
    async def play() -> None:
        notes, store, stopped = UsageNotes(), SlowStore(), asyncio.Event()
        flushing = asyncio.create_task(notes.flush_until(store, stopped))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        note(notes, 1, "last")
        stopped.set()
        while not store.ends:
            await asyncio.sleep(0.01)
        store.ends[0].set_result(None)
        await asyncio.wait_for(flushing, 5)
        assert store.kept == [{"last"}]

    asyncio.run(play())
