"""Older databases and rows put back under a server: refused with a sentence, and a restore is not."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.domain_key_rotation import DAY_SECONDS, advance, rotate, wait_for_anchor
from tests.support.server import Server
from tests.support.users import strongroom

DATABASE = "strongroom.db"


def database_of(data: Path) -> dict[str, bytes]:
    return {
        file.name: file.read_bytes() for file in data.glob(f"{DATABASE}*") if file.suffix != ".db-ballast"
    }


def put_database(data: Path, files: dict[str, bytes]) -> None:
    for name in (f"{DATABASE}-wal", f"{DATABASE}-shm"):
        (data / name).unlink(missing_ok=True)
    for name, content in files.items():
        (data / name).write_bytes(content)


def tokens_of(data: Path) -> list[tuple[bytes, str]]:
    with contextlib.closing(sqlite3.connect(data / DATABASE)) as database:
        return database.execute("SELECT exported_token, key_id FROM key_materials").fetchall()


def put_tokens(data: Path, tokens: list[tuple[bytes, str]]) -> None:
    with contextlib.closing(sqlite3.connect(data / DATABASE)) as database, database:
        database.executemany("UPDATE key_materials SET exported_token = ? WHERE key_id = ?", tokens)


def test_older_databases_rows_and_anchors_are_refused_with_a_sentence(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data_dir=data) as server:
        kms = server.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    older, old_tokens = database_of(data), tokens_of(data)
    with Server(data_dir=data) as server:
        rotate(server, data, 2)
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    newer, new_tokens = database_of(data), tokens_of(data)
    anchor = data / "domain-keys.anchor"

    put_database(data, older)
    with pytest.raises(RuntimeError, match=r"is an older one: it lacks domain key 2 .*strongroom restore"):
        Server(data_dir=data).start()
    put_database(data, newer)

    put_tokens(data, old_tokens)
    with Server(data_dir=data) as server:
        kms = server.client()
        with pytest.raises(ClientError) as refused:
            kms.encrypt(KeyId=key, Plaintext=b"x")
        assert refused.value.response["Error"]["Code"] == "KMSInternalException"
        with pytest.raises(ClientError) as refused:
            kms.decrypt(CiphertextBlob=blob)
        assert refused.value.response["Error"]["Code"] == "KMSInternalException"
    assert server.logged.count(b"somebody has put an older row back") == 1
    put_tokens(data, new_tokens)

    true = anchor.read_bytes()
    anchor.write_bytes(true.replace(b'"serving_from":2', b'"serving_from":1'))
    with pytest.raises(RuntimeError, match=r"domain-keys\.anchor in the data directory is not what"):
        Server(data_dir=data).start()
    anchor.write_bytes(b"")
    with pytest.raises(RuntimeError, match=r"domain-keys\.anchor in the data directory is not what"):
        Server(data_dir=data).start()
    anchor.unlink()
    with Server(data_dir=data) as server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
        wait_for_anchor(data, 2, 2)  # from the database, which is believed then


def test_killed_boundary_and_restored_backup_go_on_with_what_is_known(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Server(data_dir=data) as server:
        kms = server.client()
        key = kms.create_key()["KeyMetadata"]["KeyId"]
        blob = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
        made = strongroom("backup", "--data-dir", str(data), "--to", str(backup))
        assert made.returncode == 0, made.stderr
        old_tokens = tokens_of(data)
        rotate(server, data, 2)
        server.kill()
    put_tokens(data, old_tokens)
    with Server(data_dir=data) as server, pytest.raises(ClientError):
        server.client().decrypt(CiphertextBlob=blob)

    flags = ("--replace", "--without-deletion-ledger")
    restored = strongroom("restore", "--from", str(backup), "--data-dir", str(data), *flags)
    assert restored.returncode == 0, restored.stderr
    assert not (data / "domain-keys.anchor").exists()
    with Server(data_dir=data) as server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
        advance(server, DAY_SECONDS + 60)
        wait_for_anchor(data, 2, 1)
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
