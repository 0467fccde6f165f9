"""A database that an older version wrote, opened by this one: nothing is lost and all can be used."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from tests.support.store_records import ACCOUNT, CREATED_AT, REGION, FixedClock, new_key

from strongroom.aws.generated.enums import KeyMaterialState, KeyState
from strongroom.resources.identifiers import AliasName, KeyId, MaterialId
from strongroom.store.engine import driver_connection
from strongroom.store.opening import open_database, open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

MICROSECONDS = (CREATED_AT - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
KEYS = 5

# As the code of revision 0001 wrote its rows: column by column, so that no later code is asked.
KEY_COLUMNS = (
    "region, key_id, account_id, arn, description, key_spec, key_usage, key_state, key_manager, origin, "
    "multi_region, policy, created_at, deletion_at, pending_window_days, current_material_id, version"
)


def key_id_of(number: int) -> KeyId:
    return KeyId(f"0000000{number}-0000-4000-8000-000000000000")


def material_id_of(number: int) -> MaterialId:
    return MaterialId(f"{number:064x}")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database at revision 0001 with keys, materials, tags and aliases."""
    path = tmp_path / "strongroom.db"
    path.touch(0o600)
    connection = open_database(path, 0).open_migrator()
    with connection.begin():
        config = Config()
        config.set_main_option("script_location", str(files("strongroom.store") / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    rows = driver_connection(connection)
    rows.execute("INSERT INTO accounts VALUES (?, ?)", (ACCOUNT, MICROSECONDS))
    for number in range(KEYS):
        key = new_key(key_id_of(number))
        pending = number == KEYS - 1
        values = (
            *(REGION, key.key_id, ACCOUNT, key.arn, key.description, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
            "PendingDeletion" if pending else "Enabled",
            *("CUSTOMER", "AWS_KMS", False, key.policy, MICROSECONDS),
            *((MICROSECONDS, 7) if pending else (None, None)),
            *(material_id_of(number), number + 1),
        )
        marks = ", ".join("?" * len(values))
        rows.execute(f"INSERT INTO keys ({KEY_COLUMNS}) VALUES ({marks})", values)  # noqa: S608
        rows.execute(
            "INSERT INTO key_materials VALUES (?, ?, ?, ?, 0, ?, ?)",
            (REGION, key.key_id, material_id_of(number), ACCOUNT, b"token %d" % number, MICROSECONDS),
        )
        rows.execute("INSERT INTO key_tags VALUES (?, ?, 'a', ?, 0, 'b')", (REGION, key.key_id, ACCOUNT))
    rows.execute(
        "INSERT INTO aliases VALUES (?, ?, 'alias/a', 'arn', ?, ?, ?)",
        (ACCOUNT, REGION, key_id_of(0), MICROSECONDS, MICROSECONDS),
    )
    rows.commit()
    connection.close()
    return path


def opened(path: Path) -> SqlStore:
    return open_store(path, Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)


def test_keys_of_revision_0001_are_whole_after_opening(old: Path) -> None:
    store = opened(old)

    async def check() -> None:
        assert await store.list_key_ids(ACCOUNT, REGION, None, 100) == [key_id_of(n) for n in range(KEYS)]
        for number in range(KEYS):
            key = await store.find_key(REGION, key_id_of(number))
            assert key is not None
            assert key.version == number + 1
            assert key.tags == {"a": "b"}
            assert key.created_at == CREATED_AT
            assert key.current_token == b"token %d" % number
            (material,) = key.materials.values()
            assert (material.material_id, material.state) == (
                material_id_of(number),
                KeyMaterialState.CURRENT,
            )
            assert (material.rotated_at, material.rotation_type, material.expires_at) == (None, None, None)
            assert (key.rotation_period_days, key.next_rotation_at, key.rotation_started_at) == (None,) * 3
            assert (key.primary_region, key.custom_key_store_id, key.xks_key_id) == (None,) * 3
        alias = await store.find_alias(ACCOUNT, REGION, AliasName("alias/a"))
        assert alias is not None
        assert alias.target_key_id == key_id_of(0)

    asyncio.run(check())
    store.close()


def test_keys_of_revision_0001_can_be_changed_rotated_and_destroyed_after_opening(old: Path) -> None:
    """The foreign keys of the table that was made anew hold, too."""
    store = opened(old)

    async def check() -> None:
        first = await store.find_key(REGION, key_id_of(0))
        assert first is not None
        due = await store.update_key(replace(first, rotation_period_days=90, next_rotation_at=CREATED_AT))
        assert list(await store.list_keys_due_for_rotation(CREATED_AT, 10)) == [due]
        (doomed,) = await store.list_keys_due_for_deletion(CREATED_AT, 10)
        assert doomed.key_state is KeyState.PENDING_DELETION
        await store.destroy_key(doomed)
        assert await store.find_key(REGION, doomed.key_id) is None
        await store.insert_key(new_key())
        assert await store.count_keys(ACCOUNT, REGION) == KEYS

    asyncio.run(check())
    store.close()


def test_opening_again_migrates_nothing(old: Path) -> None:
    opened(old).close()
    before = old.stat().st_mtime_ns
    store = opened(old)
    assert asyncio.run(store.list_key_ids(ACCOUNT, REGION, None, 1)) == [key_id_of(0)]
    store.close()
    assert old.stat().st_mtime_ns == before
