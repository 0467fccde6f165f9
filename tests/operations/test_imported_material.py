"""ImportKeyMaterial: a client wraps, the road unwraps, and refuses all that is not the key's."""

from __future__ import annotations

import base64
import os
from typing import Any

import pytest
from tests.operations.road_requests import OTHER_REGION, STRANGER, TEXT, encoded, refused
from tests.support.key_imports import (
    INCORRECT_MATERIAL,
    INVALID_CIPHERTEXT,
    INVALID_TOKEN,
    NEVER_EXPIRES,
    OAEP_SHA_256,
    described,
    external_key,
    import_material,
    materials_of,
    parameters_for,
    stored_key,
    wrap,
    wrapped_members,
)
from tests.support.road import Road

DAY_SECONDS = 86_400


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"])
def test_import_key_material_makes_the_key_usable(road: Road, algorithm: str) -> None:
    key = external_key(road)
    assert (key["KeyState"], key["Enabled"]) == ("PendingImport", False)
    assert refused(road, "Encrypt", KeyId=key["KeyId"], Plaintext=TEXT) == (
        "KMSInvalidStateException",
        f"{key['Arn']} is pending import.",
    )
    answer = import_material(road, key, os.urandom(32), algorithm)
    assert answer.keys() == {"KeyId", "KeyMaterialId"}
    assert answer["KeyId"] == key["Arn"]
    metadata = described(road, key)
    assert (metadata["KeyState"], metadata["Enabled"], metadata["Origin"]) == ("Enabled", True, "EXTERNAL")
    assert metadata["CurrentKeyMaterialId"] == answer["KeyMaterialId"]
    assert metadata["ExpirationModel"] == "KEY_MATERIAL_DOES_NOT_EXPIRE"
    assert "ValidTo" not in metadata
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    opened = road.call("Decrypt", CiphertextBlob=sealed)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (TEXT, answer["KeyMaterialId"])


def test_import_key_material_is_recorded_without_token_and_material(road: Road) -> None:
    """Source: KMS Developer Guide, ct-importkeymaterial."""
    key = external_key(road)
    valid_to = int(road.clock.epoch_seconds()) + 100
    answer = import_material(
        road,
        key,
        os.urandom(32),
        ValidTo=valid_to,
        ExpirationModel="KEY_MATERIAL_EXPIRES",
        ImportType="NEW_KEY_MATERIAL",
        KeyMaterialDescription="ExampleKeyMaterialA",
    )
    record = road.last_record
    assert record["requestParameters"].pop("validTo").endswith("M")
    assert record["requestParameters"] == {
        "keyId": key["KeyId"],
        "expirationModel": "KEY_MATERIAL_EXPIRES",
        "importType": "NEW_KEY_MATERIAL",
        "keyMaterialDescription": "ExampleKeyMaterialA",
    }
    assert record["responseElements"] == {"keyId": key["Arn"], "keyMaterialId": answer["KeyMaterialId"]}
    assert described(road, key)["ValidTo"] == valid_to


def test_import_key_material_of_one_material_into_two_keys_gives_unrelated_keys(road: Road) -> None:
    material = os.urandom(32)
    one, other = external_key(road), external_key(road)
    ids = {import_material(road, key, material)["KeyMaterialId"] for key in (one, other)}
    assert len(ids) == 2
    sealed = road.call("Encrypt", KeyId=one["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    assert refused(road, "Decrypt", KeyId=other["KeyId"], CiphertextBlob=sealed)[0] == "IncorrectKeyException"


@pytest.mark.parametrize("length", [0, 1, 16, 31, 33, 64])
def test_import_key_material_of_another_length_is_refused_and_changes_nothing(
    road: Road, length: int
) -> None:
    key = external_key(road)
    members = wrapped_members(road, key, os.urandom(length))
    assert refused(road, "ImportKeyMaterial", **members, **NEVER_EXPIRES) == INCORRECT_MATERIAL
    assert described(road, key)["KeyState"] == "PendingImport"
    assert materials_of(road, key) == {}


def test_import_key_material_wrapped_otherwise_is_refused_with_one_answer(road: Road) -> None:
    key = external_key(road)
    parameters = parameters_for(road, key)
    others = parameters_for(road, key)
    public_key = base64.b64decode(parameters["PublicKey"])
    good = wrap(public_key, OAEP_SHA_256, os.urandom(32))
    wrong = {
        "another hash": wrap(public_key, "RSAES_OAEP_SHA_1", os.urandom(32)),
        "two steps": wrap(public_key, "RSA_AES_KEY_WRAP_SHA_256", os.urandom(32)),
        "another key": wrap(base64.b64decode(others["PublicKey"]), OAEP_SHA_256, os.urandom(32)),
        "plaintext": os.urandom(32),
        "one byte": b"\0",
        "cut off": good[:-1],
        "one more": good + b"\0",
        "random": os.urandom(256),
        "longest": os.urandom(6144),
    }
    for name, encrypted in wrong.items():
        refusal = refused(
            road,
            "ImportKeyMaterial",
            KeyId=key["KeyId"],
            ImportToken=parameters["ImportToken"],
            EncryptedKeyMaterial=encoded(encrypted),
            **NEVER_EXPIRES,
        )
        assert refusal == INVALID_CIPHERTEXT, name
    assert materials_of(road, key) == {}
    assert described(road, key)["KeyState"] == "PendingImport"


def test_import_key_material_with_a_token_that_is_not_this_keys_is_refused(road: Road) -> None:
    key, other = external_key(road), external_key(road)
    members = wrapped_members(road, key, os.urandom(32))
    others_token = parameters_for(road, other)["ImportToken"]
    stored = stored_key(road, road.create_key())
    token = base64.b64decode(members["ImportToken"])
    for wrong in (
        others_token,
        encoded(stored.current_token),
        encoded(token[:-1]),
        encoded(token + b"\0"),
        encoded(token[:1]),
        encoded(b"\0" * 6144),
        encoded(token[:2] + os.urandom(16) + token[18:]),  # of a domain key that there is not
    ):
        refusal = refused(road, "ImportKeyMaterial", **{**members, "ImportToken": wrong}, **NEVER_EXPIRES)
        assert refusal == INVALID_TOKEN
    assert materials_of(road, key) == {}
    road.call("ImportKeyMaterial", **members, **NEVER_EXPIRES)


def test_import_key_material_for_another_account_or_region_is_refused(road: Road) -> None:
    material = os.urandom(32)
    key = external_key(road)
    members = wrapped_members(road, key, material)
    stranger = external_key(road, account=STRANGER)
    elsewhere = external_key(road, region=OTHER_REGION)
    for place, target in (({"account": STRANGER}, stranger), ({"region": OTHER_REGION}, elsewhere)):
        refusal = refused(
            road, "ImportKeyMaterial", **place, **{**members, "KeyId": target["KeyId"]}, **NEVER_EXPIRES
        )
        assert refusal == INVALID_TOKEN


def test_import_key_material_at_the_tokens_end_is_refused_and_a_second_before_it_is_not(
    own_road: Road,
) -> None:
    key = external_key(own_road)
    parameters = parameters_for(own_road, key)
    wrapped = wrap(base64.b64decode(parameters["PublicKey"]), OAEP_SHA_256, os.urandom(32))
    members = {
        "KeyId": key["KeyId"],
        "ImportToken": parameters["ImportToken"],
        "EncryptedKeyMaterial": encoded(wrapped),
        **NEVER_EXPIRES,
    }
    own_road.clock.advance(parameters["ParametersValidTo"] - own_road.clock.epoch_seconds() - 5)
    own_road.call("ImportKeyMaterial", **members)
    own_road.clock.advance(6)
    assert refused(own_road, "ImportKeyMaterial", **members) == (
        "ExpiredImportTokenException",
        "The request was rejected because the specified import token is expired. Use GetParametersForImport "
        "to get a new import token and public key, use the new public key to encrypt the key material, and "
        "then try the request again.",
    )
    # Who shows an expired token for another key learns no more than with a fresh one.
    other = external_key(own_road)
    assert refused(own_road, "ImportKeyMaterial", **{**members, "KeyId": other["KeyId"]}) == INVALID_TOKEN


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ({}, "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES"),
        (
            {"ExpirationModel": "KEY_MATERIAL_EXPIRES"},
            "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        ),
        (
            {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE", "ValidTo": 4_000_000_000},
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        ),
    ],
)
def test_import_key_material_with_a_date_that_does_not_go_with_its_model_is_refused(
    road: Road, members: dict[str, Any], sentence: str
) -> None:
    """Source: the first is recorded [LS]."""
    key = external_key(road)
    wrapped = wrapped_members(road, key, os.urandom(32))
    assert refused(road, "ImportKeyMaterial", **wrapped, **members) == ("ValidationException", sentence)


@pytest.mark.parametrize("ahead", [-62135596800.0, -1.0, 365 * DAY_SECONDS + 30.0, 253402300799.0])
def test_import_key_material_with_a_date_out_of_range_is_refused(road: Road, ahead: float) -> None:
    key = external_key(road)
    absolute = ahead if abs(ahead) > 1e10 else road.clock.epoch_seconds() + ahead
    wrapped = wrapped_members(road, key, os.urandom(32))
    assert refused(road, "ImportKeyMaterial", **wrapped, ValidTo=absolute) == (
        "ValidationException",
        "The validTo date must be in the future and at most 365 days from now",
    )
    assert materials_of(road, key) == {}


def test_import_key_material_again_changes_the_expiration_and_keeps_the_description(road: Road) -> None:
    key, material = external_key(road), os.urandom(32)
    first = import_material(road, key, material, KeyMaterialDescription="kept")
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    valid_to = road.clock.epoch_seconds() + 5000
    again = import_material(road, key, material, ValidTo=valid_to, KeyMaterialId=first["KeyMaterialId"])
    assert again == first
    metadata = described(road, key)
    assert metadata["ExpirationModel"] == "KEY_MATERIAL_EXPIRES"
    assert metadata["ValidTo"] == pytest.approx(valid_to, abs=0.001)
    stored = stored_key(road, key)
    (kept,) = stored.materials.values()
    assert kept.description == "kept"
    assert road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT


def test_import_key_material_that_is_not_the_expected_one_is_refused(road: Road) -> None:
    key, material = external_key(road), os.urandom(32)
    imported = import_material(road, key, material)["KeyMaterialId"]
    other = os.urandom(32)
    for members in (
        {},  # EXISTING_KEY_MATERIAL, since there is one
        {"ImportType": "EXISTING_KEY_MATERIAL"},
        {"KeyMaterialId": imported},
    ):
        wrapped = wrapped_members(road, key, other)
        assert refused(road, "ImportKeyMaterial", **wrapped, **members, **NEVER_EXPIRES) == INCORRECT_MATERIAL
    wrapped = wrapped_members(road, key, material)
    for members in ({"ImportType": "NEW_KEY_MATERIAL"}, {"KeyMaterialId": "0" * 64}):
        assert refused(road, "ImportKeyMaterial", **wrapped, **members, **NEVER_EXPIRES) == INCORRECT_MATERIAL
    assert materials_of(road, key) == {imported: ("CURRENT", True)}
    fresh = external_key(road)
    wrapped = wrapped_members(road, fresh, material)
    existing = {"ImportType": "EXISTING_KEY_MATERIAL"}
    assert refused(road, "ImportKeyMaterial", **wrapped, **existing, **NEVER_EXPIRES) == INCORRECT_MATERIAL


def test_import_key_material_of_new_material_with_an_id_is_refused(road: Road) -> None:
    key = external_key(road)
    wrapped = wrapped_members(road, key, os.urandom(32))
    for members in ({"ImportType": "NEW_KEY_MATERIAL"}, {}):
        refusal = refused(
            road, "ImportKeyMaterial", **wrapped, **members, KeyMaterialId="0" * 64, **NEVER_EXPIRES
        )
        assert refusal == (
            "ValidationException",
            "KeyMaterialId cannot be specified when ImportType is NEW_KEY_MATERIAL.",
        )


def test_import_key_material_of_new_material_waits_for_a_rotation(road: Road) -> None:
    key = external_key(road)
    first = import_material(road, key, os.urandom(32))["KeyMaterialId"]
    waiting = os.urandom(32)
    second = import_material(road, key, waiting, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    assert materials_of(road, key) == {first: ("CURRENT", True), second: ("PENDING_ROTATION", True)}
    assert described(road, key)["CurrentKeyMaterialId"] == first
    again = import_material(road, key, waiting, KeyMaterialId=second)
    assert again["KeyMaterialId"] == second
    assert materials_of(road, key)[second] == ("PENDING_ROTATION", True)


def test_import_key_material_while_another_waits_for_a_rotation_is_refused(road: Road) -> None:
    """Source: recorded [LS], with the bare key id."""
    key = external_key(road)
    import_material(road, key, os.urandom(32))
    pending = import_material(road, key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    third = os.urandom(32)
    wrapped = wrapped_members(road, key, third)
    code, message = refused(
        road, "ImportKeyMaterial", **wrapped, ImportType="NEW_KEY_MATERIAL", **NEVER_EXPIRES
    )
    road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"], KeyMaterialId=pending)
    imported = import_material(road, key, third, ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    assert code == "KMSInvalidStateException"
    assert message == (
        f"New key material (id: {imported}) cannot be imported into KMS key {key['KeyId']}, because another "
        f"key material (id: {pending}) is pending rotation."
    )


def test_import_key_material_of_new_material_into_a_multi_region_primary_waits_for_its_replicas(
    road: Road,
) -> None:
    key = external_key(road, MultiRegion=True)
    first = import_material(road, key, os.urandom(32))["KeyMaterialId"]
    road.call("ReplicateKey", KeyId=key["KeyId"], ReplicaRegion="us-east-1")
    second = import_material(road, key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    assert materials_of(road, key) == {
        first: ("CURRENT", True),
        second: ("PENDING_MULTI_REGION_IMPORT_AND_ROTATION", True),
    }


def test_import_key_material_into_a_disabled_key_leaves_it_disabled(road: Road) -> None:
    key, material = external_key(road), os.urandom(32)
    import_material(road, key, material)
    road.call("DisableKey", KeyId=key["KeyId"])
    import_material(road, key, material)
    assert described(road, key)["KeyState"] == "Disabled"


def test_import_key_material_by_an_alias_is_refused(road: Road) -> None:
    key = external_key(road)
    road.call("CreateAlias", AliasName="alias/imported", TargetKeyId=key["KeyId"])
    members = {**wrapped_members(road, key, os.urandom(32)), "KeyId": "alias/imported"}
    assert refused(road, "ImportKeyMaterial", **members, **NEVER_EXPIRES)[0] == "InvalidArnException"
