"""Keys of an external key store: encrypted twice, and no lie of the proxy becomes a plaintext."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest
from tests.operations.external_key_scene import ExternalScene
from tests.operations.road_requests import TEXT, decoded, refused
from tests.support.xks_proxy import HOSTILE_MODES

from strongroom.operations.encryption_context import canonical_encryption_context

CONTEXT = {"purpose": "test"}
INVALID = "KMSInvalidStateException"


class Used:
    """A connected store with one key."""

    def __init__(self, external: ExternalScene) -> None:
        self.external, self.road, self.proxy = external, external.road, external.proxy
        self.store_id = external.connected()
        self.key = external.create_key(self.store_id)
        self.key_id = str(self.key["KeyId"])

    def encrypt(self) -> bytes:
        answer = self.road.call("Encrypt", KeyId=self.key_id, Plaintext=TEXT, EncryptionContext=CONTEXT)
        return decoded(answer["CiphertextBlob"])

    def decrypt(self, blob: bytes, **members: Any) -> Any:
        text = base64.b64encode(blob).decode()
        members = {"CiphertextBlob": text, "EncryptionContext": CONTEXT} | members
        return self.road.call("Decrypt", **members)

    def refusal(self, blob: bytes, **members: Any) -> tuple[str, str | None]:
        text = base64.b64encode(blob).decode()
        members = {"CiphertextBlob": text, "EncryptionContext": CONTEXT} | members
        return refused(self.road, "Decrypt", **members)


@pytest.fixture
def used(external: ExternalScene) -> Used:
    return Used(external)


def test_key_of_an_external_key_store_is_described_without_material(used: Used) -> None:
    assert (used.key["Origin"], used.key["KeyState"]) == ("EXTERNAL_KEY_STORE", "Enabled")
    for metadata in (used.key, used.road.call("DescribeKey", KeyId=used.key_id)["KeyMetadata"]):
        assert metadata["XksKeyConfiguration"] == {"Id": "key-1"}
        assert "CurrentKeyMaterialId" not in metadata


@pytest.mark.parametrize(("iv_bytes", "metadata"), [(12, b""), (12, b"version=1"), (16, b"m" * 20)])
def test_ciphertext_is_encrypted_twice_and_decrypts(used: Used, iv_bytes: int, metadata: bytes) -> None:
    used.proxy.iv_bytes, used.proxy.ciphertext_metadata = iv_bytes, metadata
    blob = used.encrypt()
    answer = used.decrypt(blob)
    assert answer == {
        "KeyId": used.key["Arn"],
        "Plaintext": TEXT,
        "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
    }
    (inner,) = used.proxy.plaintexts
    assert decoded(TEXT) not in inner  # what the proxy sees
    assert inner not in blob
    # What the proxy sees opens nothing here by itself (X1).
    assert used.refusal(inner)[0] == "InvalidCiphertextException"


def test_proxy_is_told_of_the_request_as_the_specification_says(used: Used) -> None:
    blob = used.encrypt()
    what, request = used.proxy.requests[-1]
    assert what == "encrypt"
    record = used.road.audit.records[-1]
    assert request["requestMetadata"] == {
        "awsPrincipalArn": record["userIdentity"]["arn"],
        "kmsKeyArn": used.key["Arn"],
        "kmsOperation": "Encrypt",
        "kmsRequestId": record["requestID"],
    }
    assert record.get("additionalEventData") is None
    aad = decoded(request["additionalAuthenticatedData"])
    assert aad == blob[:84] + sha256(canonical_encryption_context(CONTEXT)).digest()
    used.decrypt(blob)
    assert used.proxy.requests[-1][1]["requestMetadata"]["kmsOperation"] == "Decrypt"
    metadata = [request["requestMetadata"] for what, request in used.proxy.requests if what == "metadata"]
    assert set(metadata[0]) == {"awsPrincipalArn", "kmsOperation", "kmsRequestId"}


def test_data_keys_and_pairs_come_from_the_boundary_and_open_again(used: Used) -> None:
    key: dict[str, Any] = {"KeyId": used.key_id, "EncryptionContext": CONTEXT}
    whole = used.road.call("GenerateDataKey", KeySpec="AES_256", **key)
    assert "KeyMaterialId" not in whole
    assert used.decrypt(decoded(whole["CiphertextBlob"]))["Plaintext"] == whole["Plaintext"]
    blob = used.road.call("GenerateDataKeyWithoutPlaintext", NumberOfBytes=1024, **key)["CiphertextBlob"]
    assert len(decoded(used.decrypt(decoded(blob))["Plaintext"])) == 1024
    pair = used.road.call("GenerateDataKeyPair", KeyPairSpec="ECC_NIST_P256", **key)
    private_key = used.decrypt(decoded(pair["PrivateKeyCiphertextBlob"]))["Plaintext"]
    assert private_key == pair["PrivateKeyPlaintext"]
    blob = used.road.call("GenerateDataKeyPairWithoutPlaintext", KeyPairSpec="ECC_NIST_P256", **key)
    assert used.decrypt(decoded(blob["PrivateKeyCiphertextBlob"]))["Plaintext"]
    assert {what for what, _ in used.proxy.requests} == {"health", "metadata", "encrypt", "decrypt"}


def test_largest_plaintext_fits(used: Used) -> None:
    text = base64.b64encode(b"x" * 4096).decode()
    blob = used.road.call("Encrypt", KeyId=used.key_id, Plaintext=text)["CiphertextBlob"]
    assert used.road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == text
    assert len(used.proxy.plaintexts[-1]) <= 4300


def test_re_encrypt_goes_into_and_out_of_an_external_key_store(used: Used) -> None:
    inside = used.external.create_key(used.store_id, "key-2")["KeyId"]
    own = used.road.create_key()["KeyId"]
    blob = base64.b64encode(used.encrypt()).decode()
    context: dict[str, Any] = {"SourceEncryptionContext": CONTEXT}
    for destination in (inside, own, used.key_id, own):
        answer = used.road.call(
            "ReEncrypt",
            CiphertextBlob=blob,
            DestinationKeyId=destination,
            DestinationEncryptionContext=CONTEXT,
            **context,
        )
        assert ("DestinationKeyMaterialId" in answer) is (destination == own)
        blob = answer["CiphertextBlob"]
        assert used.decrypt(decoded(blob))["Plaintext"] == TEXT


@pytest.mark.parametrize("mode", ["lies about the plaintext", "gives the last plaintext"])
def test_plaintext_that_a_proxy_makes_up_is_never_given_out(used: Used, mode: str) -> None:
    blob = used.encrypt()
    used.encrypt()  # an authentic one, of the same key and context, for the proxy to give
    used.proxy.mode = mode
    code, sentence = used.refusal(blob)
    assert code == INVALID
    assert str(sentence).startswith("The ciphertext that the external key store proxy submitted")
    own = used.road.create_key()["KeyId"]
    code, _ = refused(
        used.road,
        "ReEncrypt",
        CiphertextBlob=base64.b64encode(blob).decode(),
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=own,
    )
    assert code == INVALID


@pytest.mark.parametrize("mode", [*HOSTILE_MODES, "wrong integrity value", "encrypts nothing"])
def test_encrypt_before_a_hostile_proxy_is_refused(used: Used, mode: str) -> None:
    used.proxy.mode = mode
    request = {"KeyId": used.key_id, "Plaintext": TEXT}
    code, sentence = refused(used.road, "Encrypt", **request)
    assert code == INVALID
    assert str(sentence).startswith("AWS KMS cannot interpret the response")
    used.proxy.mode = "honest"
    used.encrypt()


@pytest.mark.parametrize("mode", [*HOSTILE_MODES, "short plaintext"])
def test_decrypt_before_a_hostile_proxy_is_refused(used: Used, mode: str) -> None:
    blob = used.encrypt()
    used.proxy.mode = mode
    code, sentence = used.refusal(blob)
    assert code == INVALID
    assert str(sentence).startswith("AWS KMS cannot interpret the response")
    used.proxy.mode = "honest"
    assert used.decrypt(blob)["Plaintext"] == TEXT


def test_tag_that_a_proxy_lied_about_opens_nothing(used: Used) -> None:
    used.proxy.mode = "lies about the tag"
    blob = used.encrypt()
    assert used.refusal(blob) == (
        INVALID,
        "The external key store proxy rejected the request because the specified ciphertext or encryption "
        "context is corrupted, missing, or otherwise invalid.",
    )


def test_other_encryption_context_is_refused(used: Used) -> None:
    blob = used.encrypt()
    for context in ({"purpose": "other"}, {}):
        assert used.refusal(blob, EncryptionContext=context)[0] == INVALID


def test_altered_and_swapped_blobs_are_refused(used: Used) -> None:
    other = used.external.create_key(used.store_id, "key-2")["KeyId"]
    own = used.road.create_key()["KeyId"]
    blob = used.encrypt()
    text: dict[str, Any] = {"Plaintext": TEXT, "EncryptionContext": CONTEXT}
    others = decoded(used.road.call("Encrypt", KeyId=other, **text)["CiphertextBlob"])
    mine = decoded(used.road.call("Encrypt", KeyId=own, **text)["CiphertextBlob"])
    swapped = [
        others[:84] + blob[84:],
        blob[:84] + others[84:],
        blob[:52] + others[52:84] + blob[84:],
        blob[:20] + others[20:],
        mine[:2] + b"\x02" + mine[3:],
        mine[:52] + blob[52:],
        blob[:2] + b"\x01" + blob[3:],
        mine[:2] + b"\x02" + mine[3:52] + blob[52:],
        blob + b"\0",
        blob[:-1],
    ]
    flipped = [blob[:at] + bytes([blob[at] ^ 1 << at % 8]) + blob[at + 1 :] for at in range(len(blob))]
    refusals = {used.refusal(altered)[0] for altered in (*swapped, *flipped)}
    assert refusals <= {INVALID, "InvalidCiphertextException", "AccessDeniedException"}
    assert used.decrypt(blob)["Plaintext"] == TEXT


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("InvalidStateException", "is not enabled in the external key manager"),
        ("InvalidKeyUsageException", "does not support the requested operation"),
        ("AuthenticationFailedException", "could not authenticate AWS KMS"),
        ("AccessDeniedException", "denied access to the operation"),
        ("KeyNotFoundException", "was not found in its external key manager"),
        ("InvalidUriPathException", "because of an invalid URI path"),
        ("ThrottlingException", "due to a very high request rate"),
        ("DependencyTimeoutException", "in the time allotted"),
        ("InternalException", "cannot communicate with the external key manager"),
        ("UnsupportedOperationException", "does not support the requested operation"),
        ("ValidationException", "cannot interpret the response"),
    ],
)
def test_error_of_the_proxy_in_cryptography_is_an_invalid_state(used: Used, error: str, words: str) -> None:
    blob = used.encrypt()
    used.proxy.errors = {"encrypt": error, "decrypt": error}
    for code, sentence in (
        refused(used.road, "Encrypt", KeyId=used.key_id, Plaintext=TEXT),
        refused(used.road, "GenerateDataKey", KeyId=used.key_id, KeySpec="AES_256"),
        used.refusal(blob),
    ):
        assert code == INVALID
        assert words in str(sentence)
        assert "planted message" not in str(sentence)


def test_key_state_does_not_change_with_the_external_key(used: Used) -> None:
    """Developer Guide, "Key states of AWS KMS keys"."""
    blob = used.encrypt()
    external_key = used.proxy.keys.pop("key-1")
    code, sentence = used.refusal(blob)
    assert (code, "was not found in its external key manager" in str(sentence)) == (INVALID, True)
    assert used.road.call("DescribeKey", KeyId=used.key_id)["KeyMetadata"]["KeyState"] == "Enabled"
    used.proxy.keys["key-1"] = external_key
    assert used.decrypt(blob)["Plaintext"] == TEXT


def test_slow_proxy_is_given_up_after_its_time(used: Used) -> None:
    blob = used.encrypt()
    used.external.rebuild(timeout_seconds=0.25)
    used.proxy.mode = "hangs"
    code, sentence = used.refusal(blob)
    assert code == INVALID
    assert "did not respond in time" in str(sentence)


def test_disconnected_store_makes_its_keys_unavailable_and_asks_nobody(used: Used) -> None:
    blob = used.encrypt()
    used.external.disconnect(used.store_id)
    asked = len(used.proxy.requests)
    assert used.refusal(blob) == (INVALID, f"{used.key['Arn']} is unavailable.")
    assert len(used.proxy.requests) == asked
    assert used.external.connect(used.store_id) == "CONNECTED"
    assert used.decrypt(blob)["Plaintext"] == TEXT


def test_destroyed_key_leaves_its_ciphertexts_closed_to_who_has_the_external_key(used: Used) -> None:
    blob = used.encrypt()
    used.road.call("ScheduleKeyDeletion", KeyId=used.key_id, PendingWindowInDays=7)
    used.road.clock.advance(8 * 86_400)
    used.road.wait(used.road.jobs.run_due())
    again = used.external.create_key(used.store_id)  # the same external key, free again
    renamed = blob[:4] + bytes.fromhex(again["KeyId"].replace("-", "")) + blob[20:]
    assert used.refusal(renamed)[0] == "InvalidCiphertextException"
    assert used.refusal(blob)[0] == "AccessDeniedException"
