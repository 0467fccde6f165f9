"""A host whose libcrypto lacks SM2: what asks for it is refused clearly, and all else goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.road_requests import TEXT, refused
from tests.support.key_imports import external_key, import_material
from tests.support.road import Road
from tests.support.sm2 import needs_sm2, without_libcrypto

NOT_OFFERED = (
    "UnsupportedOperationException",
    "The key spec of the KMS key is not supported by this server.",
)


def not_supported(member: str) -> tuple[str, str]:
    return ("UnsupportedOperationException", f"{member} SM2 is not supported by this server.")


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("no-libcrypto")


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, directory: Path) -> Iterator[Road]:
    """A road whose boundary finds no libcrypto."""
    with Road(tmp_path_factory.mktemp("bare")) as road:
        road.restart_boundary(without_libcrypto(directory))
        yield road


def test_status_says_that_sm2_is_not_offered(bare: Road) -> None:
    facts = bare.wait(bare.boundary.status()).facts
    assert facts["SM2"].startswith("not offered")


@pytest.mark.parametrize("usage", ["SIGN_VERIFY", "ENCRYPT_DECRYPT", "KEY_AGREEMENT"])
@pytest.mark.parametrize("origin", ["AWS_KMS", "EXTERNAL"])
def test_create_key_is_refused_for_every_usage_and_origin(bare: Road, usage: str, origin: str) -> None:
    keys = len(bare.call("ListKeys")["Keys"])
    request = {"KeySpec": "SM2", "KeyUsage": usage, "Origin": origin}
    assert refused(bare, "CreateKey", **request) == not_supported("KeySpec")
    assert len(bare.call("ListKeys")["Keys"]) == keys


@pytest.mark.parametrize("operation", ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"])
@pytest.mark.parametrize("dry_run", [False, True], ids=["wet", "dry"])
def test_data_key_pair_is_refused_as_a_dry_run_says(bare: Road, operation: str, dry_run: bool) -> None:
    request = {"KeyId": bare.create_key()["KeyId"], "KeyPairSpec": "SM2"}
    more = {"DryRun": True} if dry_run else {}
    assert refused(bare, operation, **request, **more) == not_supported("KeyPairSpec")


def test_sm2_wrapping_key_is_refused_and_other_imports_go_on(bare: Road) -> None:
    key = external_key(bare, KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    request = {"KeyId": key["KeyId"], "WrappingAlgorithm": "SM2PKE", "WrappingKeySpec": "SM2"}
    assert refused(bare, "GetParametersForImport", **request) == not_supported("WrappingKeySpec")
    import_material(bare, external_key(bare), bytes(range(32)))


@pytest.mark.parametrize(
    ("spec", "usage", "operation", "members"),
    [
        ("ECC_NIST_P256", "SIGN_VERIFY", "Sign", {"Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}),
        ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "Encrypt", {"Plaintext": TEXT}),
        ("HMAC_256", "GENERATE_VERIFY_MAC", "GenerateMac", {"Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}),
    ],
)
def test_other_keys_serve(bare: Road, spec: str, usage: str, operation: str, members: dict[str, Any]) -> None:
    bare.call(operation, KeyId=bare.create_key(KeySpec=spec, KeyUsage=usage)["KeyId"], **members)


@needs_sm2
def test_keys_from_better_days_refuse_clearly_and_serve_again_when_sm2_is_back(
    own_road: Road, directory: Path
) -> None:
    road = own_road
    keys = {
        usage: road.create_key(KeySpec="SM2", KeyUsage=usage)["KeyId"]
        for usage in ("SIGN_VERIFY", "ENCRYPT_DECRYPT", "KEY_AGREEMENT")
    }
    signing = {"KeyId": keys["SIGN_VERIFY"], "Message": TEXT, "SigningAlgorithm": "SM2DSA"}
    sealing = {"KeyId": keys["ENCRYPT_DECRYPT"], "EncryptionAlgorithm": "SM2PKE"}
    signature = road.call("Sign", **signing)["Signature"]
    blob = road.call("Encrypt", **sealing, Plaintext=TEXT)["CiphertextBlob"]
    public_key = road.call("GetPublicKey", KeyId=keys["KEY_AGREEMENT"])["PublicKey"]
    agreeing = {"KeyId": keys["KEY_AGREEMENT"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": public_key}
    symmetric = road.create_key()["KeyId"]
    source = {"SourceKeyId": sealing["KeyId"], "SourceEncryptionAlgorithm": "SM2PKE"}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("Sign", signing),
        ("Verify", {**signing, "Signature": signature}),
        ("Encrypt", {**sealing, "Plaintext": TEXT}),
        ("Decrypt", {**sealing, "CiphertextBlob": blob}),
        ("ReEncrypt", {"CiphertextBlob": blob, **source, "DestinationKeyId": symmetric}),
        ("DeriveSharedSecret", agreeing),
        *(("GetPublicKey", {"KeyId": key_id}) for key_id in keys.values()),
    ]
    road.restart_boundary(without_libcrypto(directory))
    for operation, members in calls:
        assert refused(road, operation, **members) == NOT_OFFERED
    for key_id in keys.values():  # what needs no material goes on
        assert road.call("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeySpec"] == "SM2"
        road.call("DisableKey", KeyId=key_id)
        road.call("EnableKey", KeyId=key_id)
    road.restart_boundary()
    for operation, members in calls:
        road.call(operation, **members)


@needs_sm2
def test_import_under_an_sm2_key_of_better_days_is_refused(own_road: Road, directory: Path) -> None:
    """The wrapping key is in the token, and nothing here can use it: another set must be downloaded."""
    key = external_key(own_road, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    request = {"KeyId": key["KeyId"], "WrappingAlgorithm": "SM2PKE", "WrappingKeySpec": "SM2"}
    token = own_road.call("GetParametersForImport", **request)["ImportToken"]
    own_road.restart_boundary(without_libcrypto(directory))
    members = {"KeyId": key["KeyId"], "ImportToken": token, "EncryptedKeyMaterial": TEXT}
    refusal = refused(
        own_road, "ImportKeyMaterial", **members, ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE"
    )
    assert refusal[0] == "InvalidImportTokenException"
