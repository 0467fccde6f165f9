"""GenerateMac and VerifyMac."""

from __future__ import annotations

import hmac
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from Cryptodome.Hash import HMAC, SHA224, SHA256, SHA384, SHA512
from tests.operations.road_requests import TEXT, decoded, denied, encoded, invalid, policy_for, refused
from tests.support.key_imports import external_key, import_material
from tests.support.road import Road

INVALID_MAC = ("KMSInvalidMacException", None)
DRY_RUN = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
MAC = "GENERATE_VERIFY_MAC"
SIZES = {224: SHA224, 256: SHA256, 384: SHA384, 512: SHA512}


def mac_key(road: Road, size: int = 256, **members: Any) -> dict[str, Any]:
    return road.create_key(KeySpec=f"HMAC_{size}", KeyUsage=MAC, **members)


def both(road: Road, **members: Any) -> tuple[str, str | None]:
    """The one refusal that GenerateMac and VerifyMac must both give."""
    refusal = refused(road, "GenerateMac", **members)
    assert refused(road, "VerifyMac", **members, Mac=TEXT) == refusal
    return refusal


@pytest.mark.parametrize("size", sorted(SIZES))
def test_verify_mac_of_a_generated_mac_answers_the_members_of_aws_and_no_others(
    road: Road, size: int
) -> None:
    key = mac_key(road, size)
    assert key["MacAlgorithms"] == [f"HMAC_SHA_{size}"]
    request = {"KeyId": key["KeyId"], "MacAlgorithm": f"HMAC_SHA_{size}", "Message": TEXT}
    answer = road.call("GenerateMac", **request)
    assert answer == {"KeyId": key["Arn"], "Mac": answer["Mac"], "MacAlgorithm": f"HMAC_SHA_{size}"}
    assert road.call("GenerateMac", **request) == answer
    mac = decoded(answer["Mac"])
    assert len(mac) == size // 8
    assert road.call("VerifyMac", **request, Mac=answer["Mac"]) == {
        "KeyId": key["Arn"],
        "MacValid": True,
        "MacAlgorithm": f"HMAC_SHA_{size}",
    }
    for wrong in (bytes([mac[0] ^ 1]) + mac[1:], mac[:-1] + bytes([mac[-1] ^ 1]), mac[:-1], mac + b"\x00"):
        assert refused(road, "VerifyMac", **request, Mac=encoded(wrong)) == INVALID_MAC
    request["Message"] = encoded(b"Text")
    assert refused(road, "VerifyMac", **request, Mac=answer["Mac"]) == INVALID_MAC


@pytest.mark.parametrize("size", sorted(SIZES))
def test_mac_under_imported_material_is_that_of_other_implementations(
    road: Road, size: int, tmp_path: Path
) -> None:
    material, message = os.urandom(size // 8), os.urandom(100)
    key = external_key(road, KeySpec=f"HMAC_{size}", KeyUsage=MAC)
    import_material(road, key, material)
    request = {"KeyId": key["KeyId"], "MacAlgorithm": f"HMAC_SHA_{size}", "Message": encoded(message)}
    mac = decoded(road.call("GenerateMac", **request)["Mac"])
    assert mac == HMAC.new(material, message, SIZES[size]).digest()
    (tmp_path / "message").write_bytes(message)
    command = ["openssl", "mac", "-digest", f"SHA{size}", "-macopt", f"hexkey:{material.hex()}"]
    printed = subprocess.run(
        [*command, "-in", "message", "HMAC"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert printed.decode().strip().lower() == mac.hex()
    theirs = hmac.digest(material, b"other", f"sha{size}")
    road.call("VerifyMac", **{**request, "Message": encoded(b"other")}, Mac=encoded(theirs))


@pytest.mark.parametrize("size", [1, 4096])
def test_generate_mac_of_every_allowed_size_verifies(road: Road, size: int) -> None:
    request = {
        "KeyId": mac_key(road)["KeyId"],
        "MacAlgorithm": "HMAC_SHA_256",
        "Message": encoded(bytes(size)),
    }
    mac = road.call("GenerateMac", **request)["Mac"]
    road.call("VerifyMac", **request, Mac=mac)


def test_message_or_mac_out_of_range_is_refused(road: Road) -> None:
    request = {"KeyId": mac_key(road)["KeyId"], "MacAlgorithm": "HMAC_SHA_256"}
    assert both(road, **request, Message=encoded(bytes(4097))) == invalid(
        "message", "Member must have length less than or equal to 4096"
    )
    assert both(road, **request, Message="") == invalid(
        "message", "Member must have length greater than or equal to 1"
    )
    assert refused(road, "VerifyMac", **request, Message=TEXT, Mac="") == invalid(
        "mac", "Member must have length greater than or equal to 1"
    )


def test_mac_of_another_key_is_refused(road: Road) -> None:
    one, two = mac_key(road), mac_key(road)
    request = {"MacAlgorithm": "HMAC_SHA_256", "Message": TEXT}
    mac = road.call("GenerateMac", KeyId=one["KeyId"], **request)["Mac"]
    assert refused(road, "VerifyMac", KeyId=two["KeyId"], **request, Mac=mac) == INVALID_MAC


def test_algorithm_of_another_spec_is_refused(road: Road) -> None:
    """The algorithm says nothing that the spec does not: all others are refused."""
    for size in SIZES:
        key = mac_key(road, size)
        for other in sorted(SIZES.keys() - {size}):
            assert both(road, KeyId=key["KeyId"], Message=TEXT, MacAlgorithm=f"HMAC_SHA_{other}") == (
                "InvalidKeyUsageException",
                f"Algorithm HMAC_SHA_{other} is incompatible with key spec HMAC_{size}.",
            )


@pytest.mark.parametrize(
    "members", [{}, {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}], ids=["symmetric", "signing"]
)
def test_key_of_another_usage_is_refused(road: Road, members: dict[str, str]) -> None:
    key = road.create_key(**members)
    for operation, more in (("GenerateMac", {}), ("VerifyMac", {"Mac": TEXT})):
        request = {"KeyId": key["KeyId"], "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256", **more}
        assert refused(road, operation, **request) == (
            "InvalidKeyUsageException",
            f"{key['Arn']} key usage is {key['KeyUsage']} which is not valid for {operation}.",
        )


def test_hmac_key_encrypts_nothing_and_has_no_public_key(road: Road) -> None:
    key = mac_key(road)
    assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)[0] == "InvalidKeyUsageException"
    assert refused(road, "GetPublicKey", KeyId=key["KeyId"]) == ("UnsupportedOperationException", None)


def test_states_refuse_macs(road: Road) -> None:
    key = mac_key(road)
    request = {"KeyId": key["KeyId"], "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}
    road.call("DisableKey", KeyId=key["KeyId"])
    assert both(road, **request) == ("DisabledException", f"{key['Arn']} is disabled.")
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    assert both(road, **request) == ("KMSInvalidStateException", f"{key['Arn']} is pending deletion.")


def test_policy_that_allows_one_of_the_two_denies_the_other(road: Road) -> None:
    key = mac_key(road, Policy=policy_for(["kms:VerifyMac", "kms:PutKeyPolicy"]))
    request = {"KeyId": key["KeyId"], "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}
    assert refused(road, "GenerateMac", **request) == denied("kms:GenerateMac", key["Arn"])
    assert refused(road, "VerifyMac", **request, Mac=TEXT) == INVALID_MAC


def test_dry_run_says_what_the_request_would_have_said(road: Road) -> None:
    request = {"KeyId": mac_key(road)["KeyId"], "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}
    mac = road.call("GenerateMac", **request)["Mac"]
    assert refused(road, "GenerateMac", **request, DryRun=True) == DRY_RUN
    assert refused(road, "VerifyMac", **request, Mac=mac, DryRun=True) == DRY_RUN
    assert refused(road, "VerifyMac", **request, Mac=TEXT, DryRun=True) == INVALID_MAC
    request["MacAlgorithm"] = "HMAC_SHA_512"
    assert refused(road, "GenerateMac", **request, DryRun=True)[0] == "InvalidKeyUsageException"


def test_record_names_key_and_algorithm_but_neither_message_nor_mac(road: Road) -> None:
    """As CloudTrail's examples (Developer Guide, ct-generatemac and ct-verifymac)."""
    key, message = mac_key(road), encoded(b"a message that nobody else needs to read")
    request = {"KeyId": key["KeyId"], "MacAlgorithm": "HMAC_SHA_256", "Message": message}
    mac = road.call("GenerateMac", **request)["Mac"]
    records = [road.last_record]
    road.call("VerifyMac", **request, Mac=mac)
    records.append(road.last_record)
    assert refused(road, "VerifyMac", **request, Mac=TEXT) == INVALID_MAC
    assert road.last_record["errorCode"] == "KMSInvalidMacException"
    for record in (*records, road.last_record):
        assert record["requestParameters"] == {"keyId": key["KeyId"], "macAlgorithm": "HMAC_SHA_256"}
        assert record["responseElements"] is None
        assert record["readOnly"] is True
        assert "additionalEventData" not in record
        assert record["resources"][0]["ARN"] == key["Arn"]
        assert message not in str(record)
        assert mac not in str(record)
