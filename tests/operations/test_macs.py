"""GenerateMac and VerifyMac."""

from __future__ import annotations

import pytest
from tests.operations.road_requests import TEXT, decoded, encoded, refused
from tests.support.road import Road

INVALID_MAC = ("KMSInvalidMacException", None)


@pytest.mark.parametrize(("size", "length"), [(224, 28), (256, 32), (384, 48), (512, 64)])
def test_generate_mac_of_each_spec_verifies_and_a_changed_one_does_not(
    road: Road, size: int, length: int
) -> None:
    key = road.create_key(KeySpec=f"HMAC_{size}", KeyUsage="GENERATE_VERIFY_MAC")
    named = {"KeyId": key["KeyId"], "MacAlgorithm": f"HMAC_SHA_{size}"}
    answer = road.call("GenerateMac", Message=TEXT, **named)
    assert answer == {
        "Mac": answer["Mac"],
        "MacAlgorithm": f"HMAC_SHA_{size}",
        "KeyId": key["Arn"],
    }
    assert road.last_record["requestParameters"] == {
        "macAlgorithm": f"HMAC_SHA_{size}",
        "keyId": key["KeyId"],
    }
    assert "additionalEventData" not in road.last_record
    mac = decoded(answer["Mac"])
    assert len(mac) == length
    assert road.call("VerifyMac", Message=TEXT, Mac=answer["Mac"], **named) == {
        "KeyId": key["Arn"],
        "MacValid": True,
        "MacAlgorithm": f"HMAC_SHA_{size}",
    }
    for wrong in (bytes([mac[0] ^ 1]) + mac[1:], mac[:-1], mac + b"\x00"):
        assert refused(road, "VerifyMac", Message=TEXT, Mac=encoded(wrong), **named) == INVALID_MAC
    assert refused(road, "VerifyMac", Message=encoded(b"Text"), Mac=answer["Mac"], **named) == INVALID_MAC


def test_generate_mac_with_another_algorithm_or_kind_of_key_is_refused(road: Road) -> None:
    key = road.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    assert refused(road, "GenerateMac", KeyId=key["KeyId"], Message=TEXT, MacAlgorithm="HMAC_SHA_512") == (
        "InvalidKeyUsageException",
        "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.",
    )
    symmetric = road.create_key()
    assert refused(
        road, "GenerateMac", KeyId=symmetric["KeyId"], Message=TEXT, MacAlgorithm="HMAC_SHA_256"
    ) == (
        "InvalidKeyUsageException",
        f"{symmetric['Arn']} key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac.",
    )
