"""The encryption context: exactly the pairs that sealed must be there to open, in any order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.operations.road_requests import TEXT, refused
from tests.support.road import Road

from strongroom.operations.encryption_context import BYTES_MAX, canonical_encryption_context

INVALID_CIPHERTEXT = ("InvalidCiphertextException", None)
TOO_LONG = ("ValidationException", f"The encryption context must not be longer than {BYTES_MAX} bytes.")


@pytest.fixture(scope="module")
def key(road: Road) -> dict[str, Any]:
    return road.create_key()


def seal(road: Road, key: dict[str, Any], context: dict[str, str] | None) -> str:
    members: dict[str, Any] = {} if context is None else {"EncryptionContext": context}
    return str(road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, **members)["CiphertextBlob"])


NEIGHBOURS: list[dict[str, str] | None] = [
    None,
    {"ab": "c"},
    {"a": "bc"},
    {"abc": ""},
    {"": "abc"},
    {"a": "b", "c": ""},
    {"a": "c", "b": ""},
    {"a": "b", "b": "a"},
    {"a": "b"},
    {"b": "a"},
    {"A": "b"},
    {"a": "B"},
    {"a ": "b"},
    {"a": "b "},
    {"a": "b\0"},
    {"a": "é"},
    {"a": "e\u0301"},  # the same to the eye
    {"a": "1"},
    {"a": "①"},
    {"a": '{"b":"c"}'},
    {"": ""},
    {"a": "", "b": ""},
    {"a": "\ue000"},
    {"a": "\U0001f511"},
]


def test_each_of_many_similar_contexts_opens_only_what_it_sealed(road: Road, key: dict[str, Any]) -> None:
    """`{ab: c}` does not open what `{a: bc}` sealed, and so for every pair of the list."""
    sealed = [(context, seal(road, key, context)) for context in NEIGHBOURS]
    for sealing, blob in sealed:
        for opening in NEIGHBOURS:
            members: dict[str, Any] = {"CiphertextBlob": blob, "EncryptionContext": opening}
            if opening == sealing:
                assert road.call("Decrypt", **members)["Plaintext"] == TEXT
            else:
                assert refused(road, "Decrypt", **members) == INVALID_CIPHERTEXT, (sealing, opening)


def test_context_in_any_order_is_the_same(road: Road, key: dict[str, Any]) -> None:
    pairs = [("b", "2"), ("a", "1"), ("", "empty"), ("ß", "3"), ("\U0001f511", "4"), ("\ue000", "5")]
    blob = seal(road, key, dict(pairs))
    for order in (pairs, pairs[::-1], sorted(pairs), pairs[3:] + pairs[:3]):
        opened = road.call("Decrypt", CiphertextBlob=blob, EncryptionContext=dict(order))
        assert opened["Plaintext"] == TEXT


def test_context_absent_null_and_empty_are_the_same(road: Road, key: dict[str, Any]) -> None:
    spelled: list[dict[str, Any]] = [{}, {"EncryptionContext": None}, {"EncryptionContext": {}}]
    for sealing in spelled:
        blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, **sealing)["CiphertextBlob"]
        for opening in spelled:
            assert road.call("Decrypt", CiphertextBlob=blob, **opening)["Plaintext"] == TEXT


def test_context_with_a_name_twice_counts_the_last(road: Road, key: dict[str, Any]) -> None:
    """One meaning only: what is authenticated is what stands in the record."""
    body = (
        f'{{"KeyId": "{key["KeyId"]}", "Plaintext": "{TEXT}", "EncryptionContext": {{"a": "1", "a": "2"}}}}'
    )
    answer = road.send("Encrypt", body.encode())
    assert answer.status == 200
    assert road.last_record["requestParameters"]["encryptionContext"] == {"a": "2"}
    blob = json.loads(answer.body)["CiphertextBlob"]
    road.call("Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "2"})
    assert refused(road, "Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "1"}) == INVALID_CIPHERTEXT


def context_of(canonical_bytes: int) -> dict[str, str]:
    """A context whose canonical form has exactly so many bytes."""
    context = {"name": "x" * (canonical_bytes - 9)}
    assert len(canonical_encryption_context({"name": "x" * 1000})) == 1009
    return context


def test_context_of_8192_bytes_works_and_of_one_more_is_refused(road: Road, key: dict[str, Any]) -> None:
    longest, longer = context_of(BYTES_MAX), context_of(BYTES_MAX + 1)
    assert len(canonical_encryption_context(longest)) == BYTES_MAX == 8192
    blob = seal(road, key, longest)
    assert road.call("Decrypt", CiphertextBlob=blob, EncryptionContext=longest)["Plaintext"] == TEXT
    named = {"KeyId": key["KeyId"]}
    for operation, members in (
        ("Encrypt", {**named, "Plaintext": TEXT, "EncryptionContext": longer}),
        ("Decrypt", {"CiphertextBlob": blob, "EncryptionContext": longer}),
        ("GenerateDataKey", {**named, "KeySpec": "AES_256", "EncryptionContext": longer}),
        ("GenerateDataKeyWithoutPlaintext", {**named, "KeySpec": "AES_256", "EncryptionContext": longer}),
        (
            "ReEncrypt",
            {
                "CiphertextBlob": blob,
                "SourceEncryptionContext": longest,
                "DestinationKeyId": key["KeyId"],
                "DestinationEncryptionContext": longer,
            },
        ),
    ):
        assert refused(road, operation, **members) == TOO_LONG


def test_context_counts_bytes_and_not_characters(road: Road, key: dict[str, Any]) -> None:
    assert seal(road, key, {"name": "ü" * 4091})
    assert refused(
        road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, EncryptionContext={"name": "ü" * 4092}
    ) == (TOO_LONG)


def test_context_of_many_pairs_works(road: Road, key: dict[str, Any]) -> None:
    context = {f"name-{number}": str(number) for number in range(500)}
    blob = seal(road, key, context)
    assert road.call("Decrypt", CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == TEXT
    context["name-499"] = "498"
    refusal = refused(road, "Decrypt", CiphertextBlob=blob, EncryptionContext=context)
    assert refusal == INVALID_CIPHERTEXT


@pytest.mark.parametrize("value", [1, 1.5, True, ["a"], {"a": "b"}])
def test_context_value_that_is_no_text_is_refused(road: Road, key: dict[str, Any], value: object) -> None:
    code, _ = refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, EncryptionContext={"a": value})
    assert code == "SerializationException"


def test_context_value_null_gets_aws_sentence(road: Road, key: dict[str, Any]) -> None:
    code, message = refused(
        road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT, EncryptionContext={"a": None}
    )
    assert code == "ValidationException"
    assert message is not None
    assert (
        "at 'encryptionContext' failed to satisfy constraint: Map value must satisfy constraint: " in message
    )
