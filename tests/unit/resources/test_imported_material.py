"""The rules of imported material: which wrapping, which material, which state, and from which instant."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.support.store_records import new_key

from strongroom.aws.errors import ApiError
from strongroom.aws.generated.enums import (
    AlgorithmSpec,
    ExpirationModelType,
    ImportType,
    KeyMaterialState,
    KeySpec,
    KeyState,
    OriginType,
    RotationType,
    WrappingKeySpec,
)
from strongroom.resources.identifiers import MaterialId, Region
from strongroom.resources.imported_material import (
    WRAPPING_ALGORITHMS,
    Import,
    import_type_of,
    lacks_material,
    require_wrapping,
    settled_everywhere,
    state_as_of,
    state_with_material,
    with_imported,
    without_material,
)
from strongroom.resources.key import Key, KeyMaterial

AT = datetime(2026, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
OAEP = {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}
TWO_STEP = {"RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"}
# Source: KMS Developer Guide, table "Select a wrapping algorithm".
TABLE = {
    "SYMMETRIC_DEFAULT": OAEP,
    **dict.fromkeys(("HMAC_224", "HMAC_256", "HMAC_384", "HMAC_512"), OAEP),
    **dict.fromkeys(("RSA_2048", "RSA_3072", "RSA_4096"), TWO_STEP | {"SM2PKE"}),
    **dict.fromkeys(
        ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"), OAEP | TWO_STEP | {"SM2PKE"}
    ),
    "SM2": OAEP | {"SM2PKE"},
}


def material_id(number: int) -> MaterialId:
    return MaterialId(f"{number:064x}")


def material(
    number: int, state: str = "CURRENT", token: bytes | None = b"token", expires_at: datetime | None = None
) -> KeyMaterial:
    return KeyMaterial(
        material_id(number), token, AT, KeyMaterialState(state), expires_at=expires_at, description="before"
    )


def external_key(*materials: KeyMaterial, state: KeyState = KeyState.ENABLED) -> Key:
    current = [one.material_id for one in materials if one.state is KeyMaterialState.CURRENT]
    return replace(
        new_key(),
        origin=OriginType.EXTERNAL,
        key_state=state,
        materials={one.material_id: one for one in materials},
        current_material_id=current[0] if current else None,
    )


def arrived(number: int, import_type: ImportType) -> Import:
    return Import(
        material_id(number),
        b"new token",
        import_type,
        None,
        None,
        ExpirationModelType.KEY_MATERIAL_EXPIRES,
        AT + timedelta(days=1),
        AT + timedelta(hours=1),
    )


def imported(key: Key, number: int, import_type: ImportType, *, replicated: bool = False) -> Key:
    return with_imported(
        key, arrived(number, import_type), key.materials, several=True, replicated=replicated
    )


@pytest.mark.parametrize("spec", KeySpec)
@pytest.mark.parametrize("wrapping_key_spec", WrappingKeySpec)
@pytest.mark.parametrize("algorithm", AlgorithmSpec)
def test_wrapping_is_allowed_exactly_as_in_the_table_of_aws(
    spec: KeySpec, wrapping_key_spec: WrappingKeySpec, algorithm: AlgorithmSpec
) -> None:
    goes_together = (algorithm == "SM2PKE") is (wrapping_key_spec == "SM2")
    allowed = algorithm in TABLE.get(spec, set()) and goes_together
    if (spec, wrapping_key_spec) == ("ECC_NIST_P521", "RSA_2048") and algorithm in OAEP:
        allowed = False
    key = replace(external_key(), key_spec=spec)
    if allowed:
        require_wrapping(key, algorithm, wrapping_key_spec)
        return
    with pytest.raises(ApiError) as caught:
        require_wrapping(key, algorithm, wrapping_key_spec)
    assert caught.value.code == "UnsupportedOperationException"


def test_every_importable_spec_is_one_of_the_table() -> None:
    assert {str(spec) for spec in WRAPPING_ALGORITHMS} == TABLE.keys()


def test_import_type_defaults_to_new_for_a_key_that_never_had_material() -> None:
    """Source: ImportKeyMaterial API reference, ImportType."""
    assert import_type_of(None, ()) is ImportType.NEW_KEY_MATERIAL
    assert import_type_of(None, {material_id(1)}) is ImportType.EXISTING_KEY_MATERIAL
    for asked in ImportType:
        assert import_type_of(asked, {material_id(1)}) is asked


def test_first_import_is_current_and_enables_the_key() -> None:
    key = imported(external_key(state=KeyState.PENDING_IMPORT), 1, ImportType.NEW_KEY_MATERIAL)
    assert key.key_state is KeyState.ENABLED
    assert key.current_material_id == material_id(1)
    (only,) = key.materials.values()
    assert (only.state, only.exported_token, only.created_at) == (
        KeyMaterialState.CURRENT,
        b"new token",
        AT + timedelta(hours=1),
    )


def test_import_again_keeps_what_the_material_was() -> None:
    before = replace(material(1, "NON_CURRENT", None), rotated_at=AT, rotation_type=RotationType.ON_DEMAND)
    key = external_key(before, material(2), state=KeyState.PENDING_IMPORT)
    changed = imported(key, 1, ImportType.EXISTING_KEY_MATERIAL)
    after = changed.materials[material_id(1)]
    assert after == replace(
        before,
        exported_token=b"new token",
        expiration_model=ExpirationModelType.KEY_MATERIAL_EXPIRES,
        expires_at=AT + timedelta(days=1),
    )
    assert list(changed.materials) == [material_id(1), material_id(2)]
    assert changed.current_material_id == material_id(2)
    assert changed.key_state is KeyState.ENABLED


def test_key_is_enabled_only_when_all_its_materials_are_back() -> None:
    """Source: ImportKeyMaterial API reference: "you will need to import all of the key materials"."""
    key = external_key(
        material(1, "NON_CURRENT", None), material(2, "CURRENT", None), state=KeyState.PENDING_IMPORT
    )
    half = imported(key, 2, ImportType.EXISTING_KEY_MATERIAL)
    assert half.key_state is KeyState.PENDING_IMPORT
    assert imported(half, 1, ImportType.EXISTING_KEY_MATERIAL).key_state is KeyState.ENABLED


@pytest.mark.parametrize("state", [KeyState.DISABLED, KeyState.UPDATING])
def test_import_into_a_key_in_another_state_leaves_that_state(state: KeyState) -> None:
    key = external_key(material(1), state=state)
    assert imported(key, 1, ImportType.EXISTING_KEY_MATERIAL).key_state is state


@pytest.mark.parametrize(
    ("replicated", "state"),
    [(False, "PENDING_ROTATION"), (True, "PENDING_MULTI_REGION_IMPORT_AND_ROTATION")],
)
def test_new_material_waits(replicated: bool, state: str) -> None:
    key = imported(external_key(material(1)), 2, ImportType.NEW_KEY_MATERIAL, replicated=replicated)
    assert key.materials[material_id(2)].state == state
    assert key.current_material_id == material_id(1)
    assert not lacks_material(key)


@pytest.mark.parametrize("pending", ["PENDING_ROTATION", "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"])
def test_second_new_material_is_refused_while_one_waits(pending: str) -> None:
    key = external_key(material(1), material(2, pending))
    with pytest.raises(ApiError) as caught:
        imported(key, 3, ImportType.NEW_KEY_MATERIAL)
    assert caught.value.code == "KMSInvalidStateException"
    assert caught.value.message is not None
    assert f"KMS key {key.key_id}," in caught.value.message


@pytest.mark.parametrize(
    ("number", "import_type"),
    [(1, ImportType.NEW_KEY_MATERIAL), (3, ImportType.EXISTING_KEY_MATERIAL)],
)
def test_material_that_is_not_what_was_said_is_refused(number: int, import_type: ImportType) -> None:
    with pytest.raises(ApiError) as caught:
        imported(external_key(material(1), material(2, "NON_CURRENT")), number, import_type)
    assert caught.value.code == "IncorrectKeyMaterialException"


def test_key_of_one_material_takes_no_other() -> None:
    key = external_key(material(1, token=None), state=KeyState.PENDING_IMPORT)
    for import_type in ImportType:
        with pytest.raises(ApiError) as caught:
            with_imported(key, arrived(2, import_type), key.materials, several=False, replicated=False)
        assert caught.value.code == "IncorrectKeyMaterialException"


def test_replica_takes_the_materials_of_its_primary_in_their_states() -> None:
    primary = external_key(
        material(1, "NON_CURRENT"),
        material(2),
        material(3, "PENDING_MULTI_REGION_IMPORT_AND_ROTATION"),
    )
    replica = external_key(state=KeyState.PENDING_IMPORT)
    for number in (1, 2, 3):
        replica = with_imported(
            replica,
            arrived(number, ImportType.EXISTING_KEY_MATERIAL),
            primary.materials,
            several=True,
            replicated=True,
        )
    assert {one.material_id: one.state for one in replica.materials.values()} == {
        one.material_id: one.state for one in primary.materials.values()
    }
    assert replica.current_material_id == material_id(2)
    assert replica.key_state is KeyState.ENABLED
    with pytest.raises(ApiError):
        with_imported(
            replica,
            arrived(4, ImportType.EXISTING_KEY_MATERIAL),
            primary.materials,
            several=True,
            replicated=True,
        )


def test_deleted_material_stays_listed_and_a_waiting_one_does_not() -> None:
    key = external_key(
        material(1, "NON_CURRENT", expires_at=AT), material(2), material(3, "PENDING_ROTATION")
    )
    without_pending = without_material(key, {material_id(3)})
    assert list(without_pending.materials) == [material_id(1), material_id(2)]
    assert without_pending.key_state is KeyState.ENABLED
    without_old = without_material(key, {material_id(1)})
    deleted = without_old.materials[material_id(1)]
    assert (deleted.exported_token, deleted.expires_at, deleted.expiration_model) == (None, None, None)
    assert deleted.description == "before"
    assert without_old.key_state is KeyState.PENDING_IMPORT
    assert without_old.current_material_id == material_id(2)


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (KeyState.ENABLED, KeyState.PENDING_IMPORT),
        (KeyState.DISABLED, KeyState.PENDING_IMPORT),
        (KeyState.PENDING_IMPORT, KeyState.PENDING_IMPORT),
        (KeyState.PENDING_DELETION, KeyState.PENDING_DELETION),
        (KeyState.PENDING_REPLICA_DELETION, KeyState.PENDING_REPLICA_DELETION),
    ],
)
def test_state_of_a_key_that_lost_its_material(state: KeyState, after: KeyState) -> None:
    """Source: DeleteImportedKeyMaterial API reference."""
    key = external_key(material(1), state=state)
    assert without_material(key, {material_id(1)}).key_state is after
    assert state_with_material(external_key(state=state), state) is after


def test_state_of_a_key_that_kms_made_never_waits_for_an_import() -> None:
    key = replace(external_key(), origin=OriginType.EXTERNAL_KEY_STORE)
    for state in KeyState:
        assert state_with_material(key, state) is state
        assert state_as_of(replace(key, key_state=state), AT) is state


@pytest.mark.parametrize(
    ("expiring", "stops"),
    [("CURRENT", True), ("NON_CURRENT", True), ("PENDING_ROTATION", False)],
)
def test_material_expires_at_its_instant_and_no_microsecond_before(expiring: str, stops: bool) -> None:
    """INVARIANT R5."""
    key = external_key(material(1, expiring, expires_at=AT), material(2, "CURRENT"))
    assert state_as_of(key, AT - MICROSECOND) is KeyState.ENABLED
    for now in (AT, AT + MICROSECOND, AT + timedelta(days=1)):
        assert state_as_of(key, now) is (KeyState.PENDING_IMPORT if stops else KeyState.ENABLED)


def test_new_material_is_settled_when_the_last_region_has_it_and_the_primary_is_written_until_then() -> None:
    """Two replicas that import at once both write the primary's record, so that one of them looks again."""
    waiting = KeyMaterialState.PENDING_MULTI_REGION_IMPORT_AND_ROTATION
    pending = KeyMaterial(MaterialId("f" * 64), b"token", datetime(2026, 1, 1, tzinfo=UTC), waiting)
    regions = [Region("eu-central-1"), Region("us-east-1"), Region("us-west-2")]
    primary, one, two = [
        replace(new_key("mrk-" + "0" * 32, region=region), multi_region=True, primary_region=regions[0])
        for region in regions
    ]
    with_it = [
        replace(key, materials={**key.materials, pending.material_id: pending}) for key in (primary, one, two)
    ]
    after_one = settled_everywhere((with_it[1], with_it[0], two), pending.material_id)
    assert [key.region for key in after_one] == [regions[1], regions[0]]
    assert {key.materials[pending.material_id].state for key in after_one} == {waiting}
    after_both = settled_everywhere((with_it[2], with_it[0], with_it[1]), pending.material_id)
    assert {key.region for key in after_both} == set(regions)
    assert {key.materials[pending.material_id].state for key in after_both} == {
        KeyMaterialState.PENDING_ROTATION
    }
