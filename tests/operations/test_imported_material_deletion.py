"""DeleteImportedKeyMaterial, and what a key without its material may still do."""

from __future__ import annotations

import os

from tests.operations.road_requests import TEXT, pending_key, refused
from tests.support.key_imports import (
    INCORRECT_MATERIAL,
    NEVER_EXPIRES,
    described,
    external_key,
    import_material,
    materials_of,
    stored_key,
    wrapped_members,
)
from tests.support.road import Road


def test_delete_imported_key_material_leaves_the_key_pending_until_the_same_comes_back(road: Road) -> None:
    key, material = external_key(road), os.urandom(32)
    imported = import_material(road, key, material)
    sealed = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    assert road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"]) == imported
    metadata = described(road, key)
    assert metadata["KeyState"] == "PendingImport"
    assert metadata["CurrentKeyMaterialId"] == imported["KeyMaterialId"]  # [LS]: it stays
    assert "ExpirationModel" not in metadata
    pending = ("KMSInvalidStateException", f"{key['Arn']} is pending import.")
    assert refused(road, "Decrypt", CiphertextBlob=sealed) == pending
    assert refused(road, "EnableKey", KeyId=key["KeyId"]) == pending
    other = wrapped_members(road, key, os.urandom(32))
    assert refused(road, "ImportKeyMaterial", **other, **NEVER_EXPIRES) == INCORRECT_MATERIAL
    assert import_material(road, key, material) == imported
    assert described(road, key)["KeyState"] == "Enabled"
    assert road.call("Decrypt", CiphertextBlob=sealed)["Plaintext"] == TEXT


def test_delete_imported_key_material_twice_or_before_any_is_no_error(road: Road) -> None:
    key = external_key(road)
    assert road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"]) == {"KeyId": key["Arn"]}
    imported = import_material(road, key, os.urandom(32))
    for _ in range(2):
        assert road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"]) == imported
    assert described(road, key)["KeyState"] == "PendingImport"


def test_delete_imported_key_material_that_waits_for_its_rotation_leaves_the_key_enabled(road: Road) -> None:
    key = external_key(road)
    first = import_material(road, key, os.urandom(32))["KeyMaterialId"]
    second = import_material(road, key, os.urandom(32), ImportType="NEW_KEY_MATERIAL")["KeyMaterialId"]
    answer = road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"], KeyMaterialId=second)
    assert answer == {"KeyId": key["Arn"], "KeyMaterialId": second}
    assert materials_of(road, key) == {first: ("CURRENT", True)}
    assert described(road, key)["KeyState"] == "Enabled"


def test_delete_imported_key_material_of_an_unknown_id_is_refused(road: Road) -> None:
    key = external_key(road)
    imported = import_material(road, key, os.urandom(32))["KeyMaterialId"]
    refusal = refused(road, "DeleteImportedKeyMaterial", KeyId=key["KeyId"], KeyMaterialId="0" * 64)
    assert refusal[0] == "NotFoundException"
    assert materials_of(road, key) == {imported: ("CURRENT", True)}


def test_delete_imported_key_material_of_a_key_pending_deletion_leaves_its_state(road: Road) -> None:
    key, material = external_key(road), os.urandom(32)
    import_material(road, key, material)
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"])
    assert described(road, key)["KeyState"] == "PendingDeletion"
    road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    assert described(road, key)["KeyState"] == "PendingImport"
    import_material(road, key, material)
    assert described(road, key)["KeyState"] == "Enabled"


def test_cancel_key_deletion_of_a_key_with_its_imported_material_leaves_it_disabled(road: Road) -> None:
    key = external_key(road)
    import_material(road, key, os.urandom(32))
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"])
    road.call("CancelKeyDeletion", KeyId=key["KeyId"])
    assert described(road, key)["KeyState"] == "Disabled"
    made_by_kms = pending_key(road)
    road.call("CancelKeyDeletion", KeyId=made_by_kms["KeyId"])
    assert described(road, made_by_kms)["KeyState"] == "Disabled"


def test_delete_imported_key_material_leaves_no_token_on_disk_and_none_in_the_boundary(
    own_road: Road,
) -> None:
    key = external_key(own_road)
    import_material(own_road, key, os.urandom(32))
    own_road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)
    stored = stored_key(own_road, key)
    token = stored.current_token
    directory = own_road.directory
    assert any(token[-48:] in path.read_bytes() for path in directory.glob("strongroom.db*"))
    assert own_road.wait(own_road.boundary.status()).facts["backing keys in memory"] == "1"
    own_road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"])
    assert not any(token[-48:] in path.read_bytes() for path in directory.glob("strongroom.db*"))
    assert own_road.wait(own_road.boundary.status()).facts["backing keys in memory"] == "0"
    # and yet the token itself would open: what matters is that nobody has it any more
