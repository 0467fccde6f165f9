"""What every store does with imported key material: what expires is found, what is deleted is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import OTHER_REGION, REGION, FixedClock, new_key

from strongroom.aws.generated.enums import OriginType
from strongroom.resources.identifiers import MaterialId, Region
from strongroom.resources.key import Key
from strongroom.store.interface import ConcurrentChange, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

NOW = datetime(2025, 6, 1, tzinfo=UTC)
run = asyncio.run


@pytest.fixture(params=["sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    assert request.param == "sqlite"
    path = tmp_path / "data" / "strongroom.db"
    opened = open_store(new_database(path), Stamps(new_stamp_words()), FixedClock(NOW), ballast_bytes=0)
    yield opened
    opened.close()


def imported_key(*expires_at: datetime | None, region: Region = REGION) -> Key:
    """A key with one imported material for each instant."""
    key = new_key(region=region)
    (first,) = key.materials.values()
    materials = [
        replace(first, material_id=MaterialId(f"{number:064x}"), expires_at=instant)
        for number, instant in enumerate(expires_at)
    ]
    return replace(
        key,
        origin=OriginType.EXTERNAL,
        current_material_id=materials[0].material_id,
        materials={material.material_id: material for material in materials},
    )


def test_list_keys_with_expired_material_gives_each_key_once_the_longest_expired_first(store: Store) -> None:
    at = NOW + timedelta(microseconds=1)
    one = imported_key(NOW, at)
    other = imported_key(None, NOW - timedelta(days=1), NOW, region=OTHER_REGION)
    for key in (one, other, imported_key(at), imported_key(None), new_key()):
        run(store.insert_key(key))
    assert list(run(store.list_keys_with_expired_material(NOW, 10))) == [other, one]
    assert len(run(store.list_keys_with_expired_material(at, 10))) == 3
    assert list(run(store.list_keys_with_expired_material(NOW, 1))) == [other]


def test_update_key_that_erases_replaces_the_record_like_any_other(store: Store) -> None:
    key = imported_key(NOW)
    run(store.insert_key(key))
    (material,) = key.materials.values()
    without = replace(material, exported_token=None, expires_at=None)
    changed = run(store.update_key(replace(key, materials={material.material_id: without}), erase=True))
    assert run(store.find_key(REGION, key.key_id)) == changed
    assert run(store.list_keys_with_expired_material(NOW, 10)) == []
    with pytest.raises(ConcurrentChange):
        run(store.update_key(key, erase=True))
