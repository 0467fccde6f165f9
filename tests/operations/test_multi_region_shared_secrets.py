"""A replica makes the MACs and finds the secrets of its primary."""

from __future__ import annotations

import pytest
from tests.operations.multi_region_keys import primary_key, replicate
from tests.operations.road_requests import OTHER_REGION, TEXT
from tests.support.road import Road


@pytest.mark.parametrize("size", [224, 256, 384, 512])
def test_mac_of_one_region_verifies_in_another(road: Road, size: int) -> None:
    key = primary_key(road, KeySpec=f"HMAC_{size}", KeyUsage="GENERATE_VERIFY_MAC")
    replicate(road, key)
    request = {"KeyId": key["KeyId"], "Message": TEXT, "MacAlgorithm": f"HMAC_SHA_{size}"}
    mac = road.call("GenerateMac", **request)["Mac"]
    assert road.call("VerifyMac", region=OTHER_REGION, **request, Mac=mac)["MacValid"] is True


@pytest.mark.parametrize("curve", ["P256", "P384", "P521"])
def test_secret_agreed_on_is_the_same_in_every_region(road: Road, curve: str) -> None:
    key = primary_key(road, KeySpec=f"ECC_NIST_{curve}", KeyUsage="KEY_AGREEMENT")
    replicate(road, key)
    peer = road.create_key(KeySpec=f"ECC_NIST_{curve}", KeyUsage="KEY_AGREEMENT")
    public_key = road.call("GetPublicKey", KeyId=peer["KeyId"])["PublicKey"]
    request = {"KeyId": key["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": public_key}
    here = road.call("DeriveSharedSecret", **request)
    there = road.call("DeriveSharedSecret", region=OTHER_REGION, **request)
    assert here["SharedSecret"] == there["SharedSecret"]
    assert here["KeyId"] != there["KeyId"]


@pytest.mark.parametrize("size", [512, 768, 1024])
def test_secret_encapsulated_in_one_region_is_decapsulated_in_another(road: Road, size: int) -> None:
    key = primary_key(road, KeySpec=f"ML_KEM_{size}", KeyUsage="ENCAPSULATE_DECAPSULATE")
    replicate(road, key)
    named = {"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
    made = road.call("Encapsulate", **named)
    blob = made["SharedSecretCiphertextBlob"]
    opened = road.call("Decapsulate", region=OTHER_REGION, **named, SharedSecretCiphertextBlob=blob)
    assert opened["SharedSecret"] == made["SharedSecret"]
