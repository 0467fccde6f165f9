"""Condition keys with names of their own, those of attestation, and those that are looked up in the store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.operations.condition_questions import SIGNING, SYMMETRIC, question, values
from tests.support.road import Road
from tests.support.store_records import ACCOUNT, OTHER_REGION, REGION, new_alias, new_key

from strongroom.attestation.verification import Recipient
from strongroom.authorization.ask import AmbiguousCondition
from strongroom.aws.generated import shapes as s
from strongroom.operations.circumstances import NotPrepared
from strongroom.resources.key import Key


def encryption(context: dict[str, str] | None = None) -> s.EncryptRequest:
    return s.EncryptRequest(key_id=SYMMETRIC.arn, plaintext=b"x", encryption_context=context)


def re_encryption(**members: Any) -> s.ReEncryptRequest:
    return s.ReEncryptRequest(**{"ciphertext_blob": b"x", "destination_key_id": "alias/new", **members})


# ---------------------------------------------------------------- names that differ only in case


@pytest.mark.parametrize("name", ["App", "app", "APP"])
def test_encryption_context_with_two_names_that_differ_in_case_is_ambiguous(road: Road, name: str) -> None:
    """Whichever value was taken, a Deny on the other could be dodged or an Allow on it tricked."""
    request = encryption({"App": "allowed", "aPP": "denied"})
    asked = question(road, "kms:Encrypt", request, SYMMETRIC)
    with pytest.raises(AmbiguousCondition):
        values(road, asked, f"kms:EncryptionContext:{name}")
    assert values(road, asked, "kms:EncryptionContextKeys") == ("App", "aPP")


def test_encryption_context_with_two_names_and_one_value_is_that_value(road: Road) -> None:
    asked = question(road, "kms:Encrypt", encryption({"App": "x", "aPP": "x"}), SYMMETRIC)
    assert values(road, asked, "kms:EncryptionContext:app") == ("x",)


def test_encryption_context_of_the_other_key_does_not_make_a_re_encryption_ambiguous(road: Road) -> None:
    request = re_encryption(source_encryption_context={"a": "1"}, destination_encryption_context={"A": "2"})
    assert values(
        road, question(road, "kms:ReEncryptFrom", request, SYMMETRIC), "kms:EncryptionContext:a"
    ) == ("1",)
    assert values(road, question(road, "kms:ReEncryptTo", request, SYMMETRIC), "kms:EncryptionContext:a") == (
        "2",
    )


# ---------------------------------------------------------------- attestation


def attested(**registers: bytes) -> Recipient:
    return Recipient(b"", "module", {int(name[1:]): value for name, value in registers.items()}, "TEST")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ImageSha384", "aa" * 48),
        ("PCR0", "aa" * 48),
        ("pcr8", "0b" * 48),
        ("PCR31", "1f" * 48),
        ("PCR4", None),
        ("PCR3", None),
        ("PCR32", None),
        ("PCR08", None),
        ("PCR-8", None),
        ("PCR", None),
        ("PCR" + "9" * 5000, None),
        ("PCR٨", None),
        ("PCR8:ServiceName", None),
        ("NitroTPMPCR8", None),
        ("", None),
    ],
    ids=lambda value: None if value is None else str(value)[:20],
)
def test_recipient_attestation_compares_what_was_verified(
    road: Road, name: str, expected: str | None
) -> None:
    """A register of zeros (PCR4) is that of an enclave in debug mode: it is no measurement."""
    recipient = attested(r0=b"\xaa" * 48, r4=bytes(48), r8=b"\x0b" * 48, r31=b"\x1f" * 48)
    asked = question(road, "kms:Decrypt", s.DecryptRequest(), SYMMETRIC, recipient=recipient)
    expected_values = None if expected is None else (expected,)
    assert values(road, asked, f"kms:RecipientAttestation:{name}") == expected_values


def test_recipient_attestation_without_a_verified_document_is_absent(road: Road) -> None:
    info = s.RecipientInfo(attestation_document=b"not verified")
    asked = question(road, "kms:Decrypt", s.DecryptRequest(ciphertext_blob=b"x", recipient=info), SYMMETRIC)
    assert values(road, asked, "kms:RecipientAttestation:ImageSha384") is None


# ---------------------------------------------------------------- what is looked up in the store


def test_resource_aliases_are_those_of_the_key_now(road: Road) -> None:
    key, other = new_key(), new_key()
    for record in (key, other):
        road.wait(road.store.insert_key(record))
    asked = question(road, "kms:EnableKey", s.EnableKeyRequest(key_id=key.arn), key)
    assert values(road, asked, "kms:ResourceAliases") is None
    for name in ("alias/one-of-key", "alias/two-of-key"):
        road.wait(road.store.insert_alias(new_alias(name, key)))
    road.wait(road.store.insert_alias(new_alias("alias/of-other", other)))
    assert values(road, asked, "kms:ResourceAliases") == ("alias/one-of-key", "alias/two-of-key")


def test_resource_aliases_of_more_than_a_page_are_all_there(road: Road) -> None:
    """More than the quota could only have been stored by another version; none may be left out."""
    key = new_key()
    road.wait(road.store.insert_key(key))
    names = tuple(f"alias/page-{number:03}" for number in range(201))
    for name in names:
        road.wait(road.store.insert_alias(new_alias(name, key)))
    asked = question(road, "kms:EnableKey", s.EnableKeyRequest(key_id=key.arn), key)
    assert values(road, asked, "kms:ResourceAliases") == names


def test_resource_aliases_unprepared_cannot_be_decided(road: Road) -> None:
    asked = question(road, "kms:Encrypt", encryption(), SYMMETRIC)
    with pytest.raises(NotPrepared):
        asked.values_of("kms:resourcealiases")


def same_key(road: Road, action: str, destination: str, *keys: Key) -> Any:
    request = re_encryption(destination_key_id=destination)
    return values(road, question(road, action, request, *keys), "kms:ReEncryptOnSameKey")


def test_re_encrypt_on_same_key_knows_every_spelling_of_the_destination(road: Road) -> None:
    key, other = new_key(), new_key()
    for record in (key, other):
        road.wait(road.store.insert_key(record))
    mine, others = f"alias/same-{key.key_id}", f"alias/other-{other.key_id}"
    road.wait(road.store.insert_alias(new_alias(mine, key)))
    road.wait(road.store.insert_alias(new_alias(others, other)))
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:"
    for same in (key.key_id, key.arn, mine, arn + mine):
        assert same_key(road, "kms:ReEncryptFrom", same, key) == ("true",), same
    elsewhere = key.arn.replace(REGION, OTHER_REGION)
    foreign = key.arn.replace(ACCOUNT, "999999999999")
    for different in (other.key_id, other.arn, others, arn + others, "alias/none", elsewhere, foreign):
        assert same_key(road, "kms:ReEncryptFrom", different, key) == ("false",), different


def test_re_encrypt_on_same_key_of_the_destination_compares_the_keys_found(road: Road) -> None:
    assert same_key(road, "kms:ReEncryptTo", "alias/any", SYMMETRIC, SYMMETRIC) == ("true",)
    assert same_key(road, "kms:ReEncryptTo", "alias/any", SIGNING, SYMMETRIC) == ("false",)
    assert same_key(road, "kms:Encrypt", "alias/any", SYMMETRIC) is None


def test_trailing_days_without_key_usage_count_whole_days(own_road: Road) -> None:
    """From the key's creation until its first use; then from the last use, noted or written."""
    metadata = own_road.create_key()
    key = own_road.wait(own_road.store.find_key(REGION, metadata["KeyId"]))
    assert key is not None

    def days(action: str = "kms:DisableKey") -> Any:
        request = s.DisableKeyRequest(key_id=key.arn)
        return values(own_road, question(own_road, action, request, key), "kms:TrailingDaysWithoutKeyUsage")

    assert days() == ("0",)
    own_road.clock.advance(29.9 * 86400)
    assert days() == days("kms:ScheduleKeyDeletion") == ("29",)
    assert days("kms:EnableKey") is None
    own_road.call("Encrypt", KeyId=key.key_id, Plaintext="eA==")
    assert days() == ("0",)
    own_road.clock.advance(86400)
    assert days() == ("1",)


def test_trailing_days_of_an_older_key_count_from_the_beginning_of_tracking(own_road: Road) -> None:
    key = replace(new_key(), created_at=own_road.clock.now().replace(year=2020))
    own_road.wait(own_road.store.insert_key(key))
    since = str(own_road.clock.epoch_seconds() - 3 * 86400 - 60)
    own_road.wait(own_road.store.put_setting("key_usage_tracking_started_at", since))
    asked = question(own_road, "kms:DisableKey", s.DisableKeyRequest(key_id=key.arn), key)
    assert values(own_road, asked, "kms:TrailingDaysWithoutKeyUsage") == ("3",)
