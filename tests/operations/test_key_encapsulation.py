"""Encapsulate and Decapsulate."""

from __future__ import annotations

import pytest
from tests.operations.road_requests import decoded, encoded, refused
from tests.support.road import Road


@pytest.mark.parametrize(("size", "length"), [(512, 768), (768, 1088), (1024, 1568)])
def test_decapsulate_gives_the_secret_and_rejects_a_changed_ciphertext_implicitly(
    road: Road, size: int, length: int
) -> None:
    key = road.create_key(KeySpec=f"ML_KEM_{size}", KeyUsage="ENCAPSULATE_DECAPSULATE")
    named = {"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
    answer = road.call("Encapsulate", **named)
    assert set(answer) == {"KeyId", "SharedSecret", "SharedSecretCiphertextBlob", "EncapsulationAlgorithm"}
    ciphertext = decoded(answer["SharedSecretCiphertextBlob"])
    assert (len(ciphertext), len(decoded(answer["SharedSecret"]))) == (length, 32)
    opened = road.call("Decapsulate", SharedSecretCiphertextBlob=encoded(ciphertext), **named)
    assert opened == {
        "KeyId": key["Arn"],
        "SharedSecret": answer["SharedSecret"],
        "EncapsulationAlgorithm": "ML_KEM",
    }
    changed = encoded(bytes([ciphertext[0] ^ 1]) + ciphertext[1:])
    rejected = [road.call("Decapsulate", SharedSecretCiphertextBlob=changed, **named) for _ in range(2)]
    assert rejected[0] == rejected[1]
    assert rejected[0]["SharedSecret"] != answer["SharedSecret"]
    for wrong in (ciphertext[:-1], ciphertext + b"\x00"):
        assert refused(road, "Decapsulate", SharedSecretCiphertextBlob=encoded(wrong), **named) == (
            "InvalidCiphertextException",
            None,
        )
