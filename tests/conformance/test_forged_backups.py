"""Backups that somebody else made: taken by nobody unseen, and served by no server."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import Server
from tests.support.users import strongroom

from strongroom.backup.archive import (
    PARTS,
    WITH_TICKET,
    WITHOUT_TICKET,
    hash_file,
    read_archive,
    write_archive,
)
from strongroom.backup.swap import DATABASE

WITHOUT_LEDGER = "--without-deletion-ledger"


def _run(*arguments: str | Path) -> tuple[int, str]:
    done = strongroom(*map(str, arguments))
    return done.returncode, done.stdout + done.stderr


def _require_ok(*arguments: str | Path) -> str:
    code, said = _run(*arguments)
    assert code == 0, said
    return said


def _restore(backup: Path, data: Path, *flags: str) -> tuple[int, str]:
    return _run("restore", "--from", backup, "--data-dir", data, WITHOUT_LEDGER, *flags)


def _forge(backup: Path, forged: Path, work: Path, *, keeps_ticket: bool) -> None:
    """The backup with another key policy, every hash in it made anew: what anybody can do with the file."""
    work.mkdir()
    with backup.open("rb") as file:
        archive = read_archive(file, work)
    with closing(sqlite3.connect(work / DATABASE, isolation_level=None)) as database:
        (policy,) = database.execute("SELECT policy FROM keys LIMIT 1").fetchone()
        opened = policy.replace("arn:aws:iam::000000000000:root", "*")
        assert opened != policy
        database.execute("UPDATE keys SET policy = ?", (opened,))
        database.execute("PRAGMA journal_mode=DELETE").fetchall()
    hashes = {name: hash_file(work / name) for name in PARTS}
    manifest = replace(
        archive.manifest,
        format=WITH_TICKET if keeps_ticket else WITHOUT_TICKET,
        part_bytes={name: size for name, (size, _) in hashes.items()},
        part_sha256={name: digest for name, (_, digest) in hashes.items()},
    )
    with forged.open("wb") as file:
        ticket = archive.ticket if keeps_ticket else None
        write_archive(file, manifest, ticket, {name: work / name for name in PARTS})


def _records(data: Path, name: str) -> list[dict[str, Any]]:
    assert "The audit trail holds" in _require_ok("audit", "verify", "--data-dir", data)
    return [
        json.loads(line)
        for segment in sorted((data / "audit").glob("*.jsonl"))
        for line in segment.read_bytes().splitlines()
        if f'"{name}"'.encode() in line
    ]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def _backup_of(data: Path, backup: Path) -> tuple[str, str]:
    """Of a server with one key: the key, and the SHA-256 of the manifest."""
    with Server(data_dir=data) as server:
        key: str = server.client().create_key()["KeyMetadata"]["KeyId"]
        said = _require_ok("backup", "--data-dir", data, "--to", backup)
    return key, said.split("manifest: ")[1].split()[0]


def test_backup_with_a_forged_policy_is_refused_by_the_first_start_and_the_true_one_is_served(
    data: Path, tmp_path: Path
) -> None:
    backup, forged = tmp_path / "backup", tmp_path / "forged"
    key, sha256 = _backup_of(data, backup)
    (record,) = _records(data, "AuthenticateBackup")
    assert record["requestParameters"]["manifest_sha256"] == sha256
    assert record["userIdentity"]["type"] == "Operator"

    _forge(backup, forged, tmp_path / "one", keeps_ticket=True)
    assert "The backup holds: 1 keys" in _require_ok("backup", "verify", forged)  # all its hashes fit
    code, said = _restore(forged, data, "--replace")
    assert code == 0
    assert "The first start verifies" in said
    for _ in range(2):
        with pytest.raises(RuntimeError, match="not to be believed: no server with this root key made it"):
            Server(data_dir=data).start()
    assert _records(data, "RestoreBackup") == []

    assert _restore(backup, data, "--replace")[0] == 0
    with Server(data_dir=data) as server:
        policy = server.client().get_key_policy(KeyId=key)["Policy"]
        assert '"AWS" : "*"' not in policy
        assert '"AWS": "*"' not in policy
    (record,) = _records(data, "RestoreBackup")
    assert record["serviceEventDetails"]["backupAuthenticated"] is True
    assert record["serviceEventDetails"]["backupSha256"] == sha256


def test_backup_stripped_of_its_ticket_or_made_without_a_server_is_taken_only_on_record(
    data: Path, tmp_path: Path
) -> None:
    backup, stripped, cold = tmp_path / "backup", tmp_path / "stripped", tmp_path / "cold"
    _backup_of(data, backup)
    _forge(backup, stripped, tmp_path / "one", keeps_ticket=False)
    assert "NOT AUTHENTICATED" in _require_ok("backup", "verify", stripped)
    before = (data / "strongroom.db").read_bytes()
    code, said = _restore(stripped, data, "--replace")
    assert (code, "No server has authenticated this backup" in said) == (1, True)
    assert (data / "strongroom.db").read_bytes() == before
    assert not (data / "restore.draft").exists()

    code, said = _run("backup", "--data-dir", data, "--to", cold)  # no server runs
    assert (code, "--unauthenticated" in said, cold.exists()) == (1, True, False)
    assert "Not authenticated" in _require_ok("backup", "--data-dir", data, "--to", cold, "--unauthenticated")
    assert _restore(cold, data, "--replace")[0] == 1
    code, said = _restore(cold, data, "--replace", "--unauthenticated")
    assert (code, "may be anybody's" in said) == (0, True)
    with Server(data_dir=data) as server:
        server.client().create_key()
    (record,) = _records(data, "RestoreBackup")
    assert record["serviceEventDetails"]["backupAuthenticated"] is False


def test_backup_of_another_root_key_is_refused_in_place_of_data_and_where_the_key_is_named(
    data: Path, tmp_path: Path
) -> None:
    """It is sound, and of a server: but of whose?"""
    backup, foreign = tmp_path / "backup", tmp_path / "foreign"
    _backup_of(tmp_path / "other", foreign)
    _backup_of(data, backup)
    before = (data / "seal.record").read_bytes()
    code, said = _restore(foreign, data, "--replace")
    assert (code, "of another root key" in said) == (1, True)
    assert (data / "seal.record").read_bytes() == before
    own = _require_ok("seal", "status", "--data-dir", data).split("root key ")[1][:32]
    code, said = _restore(foreign, tmp_path / "fresh", "--root-key", own)
    assert (code, "of another root key" in said) == (1, True)
    assert not (tmp_path / "fresh" / "strongroom.db").exists()
    code, said = _restore(backup, tmp_path / "fresh", "--root-key", own)
    assert (code, f"Their root key is {own}" in said) == (0, True)


def test_running_server_tells_whether_a_backup_is_its_own(data: Path, tmp_path: Path) -> None:
    backup, foreign, forged = tmp_path / "backup", tmp_path / "foreign", tmp_path / "forged"
    _backup_of(tmp_path / "other", foreign)
    _backup_of(data, backup)
    _forge(backup, forged, tmp_path / "one", keeps_ticket=True)
    assert "name one that runs" in _require_ok("backup", "verify", backup)
    with Server(data_dir=data):
        said = _require_ok("backup", "verify", backup, "--data-dir", data)
        assert "A server with this root key made it." in said
        for other in (foreign, forged):
            code, said = _run("backup", "verify", other, "--data-dir", data)
            assert (code, "of another one, or forged" in said) == (1, True)
