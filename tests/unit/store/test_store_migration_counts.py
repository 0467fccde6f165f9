"""A database of the first version, brought up to date: what was in it is there afterwards, and counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from tests.support.store_records import (
    ACCOUNT,
    CREATED_AT,
    OTHER_ACCOUNT,
    OTHER_REGION,
    REGION,
    FixedClock,
    new_grant,
    new_key,
)

from strongroom.aws.generated.enums import KeyManagerType
from strongroom.resources.key import Key
from strongroom.store.engine import driver_connection
from strongroom.store.interface import LimitReached
from strongroom.store.opening import open_database, open_store
from strongroom.store.rows import render_instant
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

KEYS = [
    new_key(tags={}),
    new_key(tags={}),
    new_key(tags={}, region=OTHER_REGION),
    new_key(tags={}, account_id=OTHER_ACCOUNT),
    new_key(tags={}, key_manager=KeyManagerType.AWS),
]


def insert_first_version(path: Path, keys: list[Key]) -> None:
    """The tables as the first migration made them, with keys as the first version wrote them."""
    path.touch(mode=0o600)
    connection = open_database(path, 0).open_migrator()
    with as_file(files("strongroom.store") / "migrations") as directory, connection.begin():
        config = Config()
        config.set_main_option("script_location", str(directory))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        database = driver_connection(connection)
        created_at = render_instant(CREATED_AT)
        for account_id in sorted({key.account_id for key in keys}):
            database.execute("INSERT INTO accounts VALUES (?, ?)", (account_id, created_at))
        for key in keys:
            row = (
                key.region, key.key_id, key.account_id, key.arn, key.description, key.key_spec.value,
                key.key_usage.value, key.key_state.value, key.key_manager.value, key.origin.value, False,
                key.policy, render_instant(key.created_at), None, None, key.current_material_id, 1,
            )  # fmt: skip
            database.execute(f"INSERT INTO keys VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
            for material in key.materials.values():
                database.execute(
                    "INSERT INTO key_materials (region, key_id, material_id, account_id, position,"
                    " exported_token, created_at) VALUES (?, ?, ?, ?, 0, ?, ?)",
                    (
                        key.region,
                        key.key_id,
                        material.material_id,
                        key.account_id,
                        material.exported_token,
                        render_instant(material.created_at),
                    ),
                )
    connection.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    path = tmp_path / "strongroom.db"
    insert_first_version(path, KEYS)
    opened = open_store(path, Stamps(new_stamp_words()), FixedClock(CREATED_AT), ballast_bytes=0)
    yield opened
    opened.close()


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_key_of_the_first_version_is_read_as_it_was(store: SqlStore, key: Key) -> None:
    assert asyncio.run(store.find_key(key.region, key.key_id)) == key


def test_keys_of_the_first_version_count_against_the_quota(store: SqlStore) -> None:
    assert asyncio.run(store.count_keys(ACCOUNT, REGION)) == 2
    asyncio.run(store.insert_key(new_key(), of_account_max=3))
    with pytest.raises(LimitReached):
        asyncio.run(store.insert_key(new_key(), of_account_max=3))
    with pytest.raises(LimitReached):
        asyncio.run(store.insert_key(new_key(region=OTHER_REGION), of_account_max=1))
    asyncio.run(store.destroy_key(KEYS[0]))
    asyncio.run(store.insert_key(new_key(), of_account_max=3))


def test_key_of_the_first_version_takes_grants(store: SqlStore) -> None:
    grant = new_grant(KEYS[0])
    assert asyncio.run(store.insert_grant(grant, of_key_version=1)) == grant
