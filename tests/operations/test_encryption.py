"""Encrypt, Decrypt and ReEncrypt."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    CIPHERTEXT_KEY_INACCESSIBLE,
    OTHER_REGION,
    STRANGER,
    TEXT,
    decoded,
    denied,
    disabled_key,
    encoded,
    invalid,
    key_arn,
    pending_key,
    policy_for,
    refused,
)
from tests.support.road import ACCOUNT, Road

from strongroom.boundary.ciphertext_format import HEADER_BYTES, OVERHEAD_BYTES

INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)
INCORRECT_KEY = (
    "IncorrectKeyException",
    "The key ID in the request does not identify a CMK that can perform this operation.",
)
DRY_RUN = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
REFUSED_CODES = {"InvalidCiphertextException", "AccessDeniedException"}


@pytest.fixture
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


def seal(road: Road, key: dict[str, Any], plaintext: bytes = b"text", **members: Any) -> bytes:
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=encoded(plaintext), **members)
    return decoded(sealed["CiphertextBlob"])


# ---------------------------------------------------------------- what works


def test_encrypt_and_decrypt_answers_have_the_members_of_aws_and_no_others(
    road: Road, key: dict[str, Any]
) -> None:
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    assert sealed == {
        "CiphertextBlob": sealed["CiphertextBlob"],
        "KeyId": key["Arn"],
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    assert road.call("Decrypt", CiphertextBlob=sealed["CiphertextBlob"]) == {
        "KeyId": key["Arn"],
        "Plaintext": TEXT,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "KeyMaterialId": key["CurrentKeyMaterialId"],
    }


@pytest.mark.parametrize("size", [1, 2, 4095, 4096])
def test_encrypt_plaintext_of_every_allowed_size_opens(road: Road, key: dict[str, Any], size: int) -> None:
    plaintext = bytes(index % 251 for index in range(size))
    blob = seal(road, key, plaintext)
    assert len(blob) == size + OVERHEAD_BYTES
    assert decoded(road.call("Decrypt", CiphertextBlob=encoded(blob))["Plaintext"]) == plaintext


def test_encrypt_same_plaintext_twice_gives_different_blobs(road: Road, key: dict[str, Any]) -> None:
    assert seal(road, key) != seal(road, key)


def test_re_encrypt_answer_names_both_keys_and_materials(road: Road, key: dict[str, Any]) -> None:
    other = road.create_key()
    moved = road.call("ReEncrypt", CiphertextBlob=encoded(seal(road, key)), DestinationKeyId=other["Arn"])
    blob = moved.pop("CiphertextBlob")
    assert moved == {
        "SourceKeyId": key["Arn"],
        "KeyId": other["Arn"],
        "SourceEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "DestinationEncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        "SourceKeyMaterialId": key["CurrentKeyMaterialId"],
        "DestinationKeyMaterialId": other["CurrentKeyMaterialId"],
    }
    assert road.call("Decrypt", CiphertextBlob=blob, KeyId=other["KeyId"])["Plaintext"] == TEXT
    assert refused(road, "Decrypt", CiphertextBlob=blob, KeyId=key["KeyId"]) == INCORRECT_KEY


def test_re_encrypt_to_the_same_key_changes_the_context(road: Road, key: dict[str, Any]) -> None:
    blob = encoded(seal(road, key, EncryptionContext={"a": "1"}))
    moved = road.call(
        "ReEncrypt",
        CiphertextBlob=blob,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=key["KeyId"],
        DestinationEncryptionContext={"b": "2"},
    )["CiphertextBlob"]
    assert refused(road, "Decrypt", CiphertextBlob=moved, EncryptionContext={"a": "1"}) == INVALID_CIPHERTEXT
    assert road.call("Decrypt", CiphertextBlob=moved, EncryptionContext={"b": "2"})["Plaintext"] == TEXT


# ---------------------------------------------------------------- limits and missing members


def test_encrypt_without_members_gets_both_sentences(road: Road) -> None:
    assert refused(road, "Encrypt") == (
        "ValidationException",
        "2 validation errors detected: "
        "Value null at 'keyId' failed to satisfy constraint: Member must not be null; "
        "Value at 'plaintext' failed to satisfy constraint: Member must not be null",
    )


def test_encrypt_plaintext_empty_or_too_long_gets_aws_sentence(road: Road, key: dict[str, Any]) -> None:
    for size, rule in (
        (0, "Member must have length greater than or equal to 1"),
        (4097, "Member must have length less than or equal to 4096"),
    ):
        assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=encoded(bytes(size))) == invalid(
            "plaintext", rule
        )


def test_decrypt_blob_empty_too_long_or_absent_gets_aws_sentence(road: Road) -> None:
    for size, rule in (
        (0, "Member must have length greater than or equal to 1"),
        (6145, "Member must have length less than or equal to 6144"),
    ):
        assert refused(road, "Decrypt", CiphertextBlob=encoded(bytes(size))) == invalid(
            "ciphertextBlob", rule
        )
    absent = invalid("ciphertextBlob", "Member must not be null", " null")
    assert refused(road, "Decrypt") == absent
    assert refused(road, "Decrypt", KeyId=ABSENT_KEY_ID) == absent
    assert refused(road, "Decrypt", DryRun=True, DryRunModifiers=[]) == absent
    assert refused(road, "ReEncrypt", DestinationKeyId=ABSENT_KEY_ID) == absent


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"])
def test_algorithm_that_the_key_cannot_do_is_refused(road: Road, key: dict[str, Any], algorithm: str) -> None:
    expected = (
        "InvalidKeyUsageException",
        f"Algorithm {algorithm} is incompatible with key spec SYMMETRIC_DEFAULT.",
    )
    blob = encoded(seal(road, key))
    named = {"KeyId": key["KeyId"]}
    assert refused(road, "Encrypt", **named, Plaintext=TEXT, EncryptionAlgorithm=algorithm) == expected
    assert refused(road, "Decrypt", CiphertextBlob=blob, EncryptionAlgorithm=algorithm) == expected
    for side in ("Source", "Destination"):
        members = {f"{side}EncryptionAlgorithm": algorithm, "DestinationKeyId": key["KeyId"]}
        assert refused(road, "ReEncrypt", CiphertextBlob=blob, **members) == expected


# ---------------------------------------------------------------- forged and damaged blobs


def test_decrypt_with_any_bit_of_a_short_blob_flipped_is_refused(road: Road, key: dict[str, Any]) -> None:
    """Every bit: header, key id, material id, nonces, ciphertext and tag."""
    blob = seal(road, key, b"!")
    assert len(blob) == OVERHEAD_BYTES + 1
    for bit in range(len(blob) * 8):
        forged = bytearray(blob)
        forged[bit // 8] ^= 1 << bit % 8
        code, message = refused(road, "Decrypt", CiphertextBlob=encoded(bytes(forged)))
        assert code in REFUSED_CODES, bit
        # Which key a blob names is public; that it does not open must look the same everywhere else.
        names_another_key = 3 * 8 <= bit < 20 * 8
        if names_another_key and code == "AccessDeniedException":
            assert (code, message) == CIPHERTEXT_KEY_INACCESSIBLE
        else:
            assert (code, message) == INVALID_CIPHERTEXT, bit


def test_decrypt_with_any_bit_of_the_header_flipped_is_refused_for_the_named_key(
    road: Road, key: dict[str, Any]
) -> None:
    """The key id in the request does not save a blob whose header was changed."""
    blob = seal(road, key, b"a longer secret" * 20)
    for bit in range(HEADER_BYTES * 8):
        forged = bytearray(blob)
        forged[bit // 8] ^= 1 << bit % 8
        found = refused(road, "Decrypt", KeyId=key["KeyId"], CiphertextBlob=encoded(bytes(forged)))
        assert found in (INVALID_CIPHERTEXT, INCORRECT_KEY), bit
        assert (found == INCORRECT_KEY) <= (3 * 8 <= bit < 20 * 8), bit


def test_decrypt_truncated_or_extended_at_every_length_is_refused(road: Road, key: dict[str, Any]) -> None:
    blob = seal(road, key, b"truncate me")
    for length in range(1, len(blob)):
        assert refused(road, "Decrypt", CiphertextBlob=encoded(blob[:length])) == INVALID_CIPHERTEXT, length
        ending = encoded(blob[-length:])
        assert refused(road, "Decrypt", CiphertextBlob=ending)[0] in REFUSED_CODES, length
    for more in (1, 2, 15, 16, 17, 1000, 6144 - len(blob)):
        for filling in (bytes(more), (blob * 70)[:more]):
            longer = encoded(blob + filling)
            assert refused(road, "Decrypt", CiphertextBlob=longer) == INVALID_CIPHERTEXT, more


def test_decrypt_of_parts_of_two_blobs_is_refused(road: Road, key: dict[str, Any]) -> None:
    first, second = seal(road, key, b"first secret"), seal(road, key, b"other secret")
    for cut in (53, 68, 80, 85, len(first) - 16):
        forged = encoded(first[:cut] + second[cut:])
        assert refused(road, "Decrypt", CiphertextBlob=forged) == INVALID_CIPHERTEXT, cut


def test_decrypt_with_the_header_of_another_key_is_refused(road: Road, key: dict[str, Any]) -> None:
    other = road.create_key()
    blob, prefix = seal(road, key), seal(road, other)[:52]
    assert refused(road, "Decrypt", CiphertextBlob=encoded(prefix + blob[52:])) == INVALID_CIPHERTEXT
    mixed = blob[:20] + prefix[20:52] + blob[52:]  # this key's id, the other one's material
    assert refused(road, "Decrypt", CiphertextBlob=encoded(mixed)) == INVALID_CIPHERTEXT


# A data key of AWS KMS as public samples have it: 01 02 .. 00 78, then PKCS #7.
AWS_BLOB = (
    bytes.fromhex("0102020078") + bytes(32) + b"\x01" + bytes(16) + bytes.fromhex("0000007e") + bytes(126)
)


@pytest.mark.parametrize(
    "blob", [b"\0", b"SR", b"SR\1\0", b"garbage", bytes(97), bytes(6144), b"SR\1\2" + bytes(200), AWS_BLOB]
)
def test_decrypt_of_what_is_no_blob_of_ours_is_refused(road: Road, key: dict[str, Any], blob: bytes) -> None:
    assert refused(road, "Decrypt", CiphertextBlob=encoded(blob)) == INVALID_CIPHERTEXT
    named = {"CiphertextBlob": encoded(blob)}
    assert refused(road, "Decrypt", KeyId=key["KeyId"], **named) == INVALID_CIPHERTEXT
    assert refused(road, "ReEncrypt", DestinationKeyId=key["KeyId"], **named) == INVALID_CIPHERTEXT


# ---------------------------------------------------------------- which key


def test_decrypt_with_the_wrong_key_named_is_incorrect_key(road: Road, key: dict[str, Any]) -> None:
    blob = encoded(seal(road, key))
    other = road.create_key()
    assert refused(road, "Decrypt", CiphertextBlob=blob, KeyId=other["KeyId"]) == INCORRECT_KEY
    assert (
        refused(
            road, "ReEncrypt", CiphertextBlob=blob, SourceKeyId=other["Arn"], DestinationKeyId=key["KeyId"]
        )
        == INCORRECT_KEY
    )


def test_decrypt_without_key_id_of_a_key_out_of_reach_tells_nothing(road: Road, key: dict[str, Any]) -> None:
    blob = seal(road, key)
    absent = encoded(blob[:4] + bytes.fromhex(ABSENT_KEY_ID.replace("-", "")) + blob[20:])
    assert refused(road, "Decrypt", CiphertextBlob=absent) == CIPHERTEXT_KEY_INACCESSIBLE
    reached = {"CiphertextBlob": encoded(blob)}
    assert refused(road, "Decrypt", region=OTHER_REGION, **reached) == CIPHERTEXT_KEY_INACCESSIBLE
    assert refused(road, "Decrypt", account=STRANGER, **reached) == CIPHERTEXT_KEY_INACCESSIBLE
    assert (
        refused(road, "ReEncrypt", account=STRANGER, DestinationKeyId=key["Arn"], **reached)
        == CIPHERTEXT_KEY_INACCESSIBLE
    )


def test_decrypt_by_another_account_works_when_the_key_policy_allows_it(road: Road) -> None:
    key = road.create_key(
        Policy=policy_for("kms:Decrypt", "*"), BypassPolicyLockoutSafetyCheck=True, Description="shared"
    )
    owned = road.create_key(account=STRANGER)
    # Sealed by its owner while the policy allowed it.
    source = road.create_key()
    blob = encoded(seal(road, source))
    road.call("PutKeyPolicy", KeyId=source["KeyId"], Policy=policy_for(["kms:*"], "*"))
    opened = road.call("Decrypt", account=STRANGER, CiphertextBlob=blob)
    assert (opened["Plaintext"], opened["KeyId"]) == (TEXT, source["Arn"])
    moved = road.call("ReEncrypt", account=STRANGER, CiphertextBlob=blob, DestinationKeyId=owned["KeyId"])
    assert moved["KeyId"] == owned["Arn"] == key_arn(owned["KeyId"], account=STRANGER)
    assert refused(road, "Encrypt", account=STRANGER, KeyId=key["Arn"], Plaintext=TEXT) == denied(
        "kms:Encrypt", key["Arn"], STRANGER
    )


def test_re_encrypt_needs_from_on_the_source_and_to_on_the_destination(road: Road) -> None:
    source, destination = road.create_key(), road.create_key()
    blob = encoded(seal(road, source))
    members = {"CiphertextBlob": blob, "DestinationKeyId": destination["KeyId"]}
    rights = ["kms:PutKeyPolicy", "kms:ReEncryptFrom"]
    road.call("PutKeyPolicy", KeyId=source["KeyId"], Policy=policy_for(rights))
    road.call("PutKeyPolicy", KeyId=destination["KeyId"], Policy=policy_for(rights))
    assert refused(road, "ReEncrypt", **members) == denied("kms:ReEncryptTo", destination["Arn"])
    road.call(
        "PutKeyPolicy",
        KeyId=destination["KeyId"],
        Policy=policy_for(["kms:PutKeyPolicy", "kms:ReEncryptTo"]),
    )
    assert road.call("ReEncrypt", **members)["KeyId"] == destination["Arn"]
    road.call(
        "PutKeyPolicy", KeyId=source["KeyId"], Policy=policy_for(["kms:PutKeyPolicy", "kms:ReEncryptTo"])
    )
    named = {**members, "SourceKeyId": source["KeyId"]}
    assert refused(road, "ReEncrypt", **named) == denied("kms:ReEncryptFrom", source["Arn"])
    assert refused(road, "ReEncrypt", **members) == CIPHERTEXT_KEY_INACCESSIBLE


# ---------------------------------------------------------------- state, dry run, what is not built


def test_disabled_key_refuses_every_use(road: Road, key: dict[str, Any]) -> None:
    blob = encoded(seal(road, key))
    other = disabled_key(road)
    assert refused(road, "Encrypt", KeyId=other["KeyId"], Plaintext=TEXT) == (
        "DisabledException",
        f"{other['Arn']} is disabled.",
    )
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=other["KeyId"]) == (
        "DisabledException",
        f"{other['Arn']} is disabled.",
    )
    road.call("DisableKey", KeyId=key["KeyId"])
    expected = ("DisabledException", f"{key['Arn']} is disabled.")
    assert refused(road, "Decrypt", CiphertextBlob=blob) == expected
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key["KeyId"]) == expected


def test_key_pending_deletion_refuses_every_use(road: Road, key: dict[str, Any]) -> None:
    blob = encoded(seal(road, key))
    other = pending_key(road)
    expected = ("KMSInvalidStateException", f"{other['Arn']} is pending deletion.")
    assert refused(road, "Encrypt", KeyId=other["KeyId"], Plaintext=TEXT) == expected
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=other["KeyId"]) == expected
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    expected = ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")
    assert refused(road, "Decrypt", CiphertextBlob=blob) == expected
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=key["KeyId"]) == expected


def test_dry_run_says_what_the_request_would_have_got(road: Road, key: dict[str, Any]) -> None:
    named = {"KeyId": key["KeyId"], "DryRun": True}
    blob = seal(road, key, EncryptionContext={"a": "b"})
    whole = {"CiphertextBlob": encoded(blob), "EncryptionContext": {"a": "b"}}
    assert refused(road, "Encrypt", Plaintext=TEXT, **named) == DRY_RUN
    assert refused(road, "Decrypt", DryRun=True, **whole) == DRY_RUN
    broken = {"CiphertextBlob": encoded(blob[:-1] + bytes([blob[-1] ^ 1])), "EncryptionContext": {"a": "b"}}
    assert refused(road, "Decrypt", DryRun=True, **broken) == INVALID_CIPHERTEXT
    ignoring = {**named, "DryRunModifiers": ["IGNORE_CIPHERTEXT"]}
    assert refused(road, "Decrypt", **ignoring) == DRY_RUN
    assert refused(road, "Decrypt", **ignoring, **broken) == DRY_RUN
    road.call("DisableKey", KeyId=key["KeyId"])
    assert refused(road, "Decrypt", **ignoring) == ("DisabledException", f"{key['Arn']} is disabled.")


def test_dry_run_false_is_a_real_run(road: Road, key: dict[str, Any]) -> None:
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, DryRun=False)
    assert road.call("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], DryRun=False)["Plaintext"] == TEXT


def test_grant_token_is_refused_before_the_key_is_looked_up(road: Road) -> None:
    expected = (
        "InvalidGrantTokenException",
        "The request was rejected because the specified grant token is not valid.",
    )
    assert refused(road, "Encrypt", KeyId=ABSENT_KEY_ID, Plaintext=TEXT, GrantTokens=["t"]) == expected
    assert refused(road, "Encrypt", KeyId=ABSENT_KEY_ID, Plaintext=TEXT, GrantTokens=[]) == (
        "NotFoundException",
        f"Key '{key_arn(ABSENT_KEY_ID, account=ACCOUNT)}' does not exist",
    )
