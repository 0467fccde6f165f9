"""Backup and restore of real servers: what lived opens old blobs, what was deleted since stays deleted."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support.domain_key_rotation import rotate
from tests.support.key_imports import wrap
from tests.support.server import STRONGROOM, Server, strict_environment
from tests.support.users import strongroom

DAY_SECONDS = 86_400


def _advance(server: Server, days: int) -> None:
    body = json.dumps({"advance_seconds": days * DAY_SECONDS})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/_strongroom/clock", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()


def _import_material(kms: Any) -> str:
    key_id: str = kms.create_key(Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    algorithm = "RSAES_OAEP_SHA_256"
    parameters = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048"
    )
    kms.import_key_material(
        KeyId=key_id,
        ImportToken=parameters["ImportToken"],
        EncryptedKeyMaterial=wrap(parameters["PublicKey"], algorithm, os.urandom(32)),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    return key_id


@contextlib.contextmanager
def _load(server: Server, key_id: str) -> Iterator[list[bytes]]:
    """Keys are made and used while the body runs; the errors of it, if any."""
    stopped = threading.Event()
    failures: list[bytes] = []

    def work() -> None:
        kms = server.client()
        while not stopped.is_set():
            try:
                blob = kms.encrypt(KeyId=key_id, Plaintext=b"load")["CiphertextBlob"]
                kms.create_key()
                assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"load"
            except Exception as error:
                failures.append(repr(error).encode())
                return

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


def _state(kms: Any, key_id: str) -> str:
    try:
        return str(kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"])
    except ClientError as error:
        return str(error.response["Error"]["Code"])


def _require_ok(*arguments: str | Path) -> str:
    done = strongroom(*map(str, arguments))
    assert done.returncode == 0, done.stderr
    return done.stdout


def _record(data: Path) -> dict[str, Any]:
    """What the one RestoreBackup event of the trail says; the trail holds."""
    assert "The audit trail holds" in _require_ok("audit", "verify", "--data-dir", data)
    lines = [
        json.loads(line)
        for segment in sorted((data / "audit").glob("*.jsonl"))
        for line in segment.read_bytes().splitlines()
        if b'"RestoreBackup"' in line
    ]
    assert len(lines) == 1
    details: dict[str, Any] = lines[0]["serviceEventDetails"]
    return details


def test_restore_of_a_backup_under_load_keeps_the_living_and_leaves_the_deleted_dead(tmp_path: Path) -> None:
    data, backup, ledger = tmp_path / "data", tmp_path / "backup", tmp_path / "ledger"
    environment = {"STRONGROOM_DELETION_LEDGER_FILE": str(ledger)}
    with Server(data_dir=data, environment=environment) as server:
        kms, iam = server.client(), server.client("iam", region="us-east-1")
        living = [kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(8)]
        doomed = kms.create_key()["KeyMetadata"]["KeyId"]
        imported, kept_import = _import_material(kms), _import_material(kms)
        living.append(kept_import)
        blobs = {key: kms.encrypt(KeyId=key, Plaintext=key.encode())["CiphertextBlob"] for key in living}
        dead_blobs = [
            kms.encrypt(KeyId=key, Plaintext=b"gone")["CiphertextBlob"] for key in (doomed, imported)
        ]
        iam.create_user(UserName="eva")
        deleted, deactivated = (
            iam.create_access_key(UserName="eva")["AccessKey"]["AccessKeyId"] for _ in range(2)
        )
        with _load(server, living[0]) as failures:
            time.sleep(0.3)
            _require_ok("backup", "--data-dir", data, "--to", backup)
            time.sleep(0.1)
        assert failures == []
        assert backup.stat().st_mode & 0o777 == 0o600
        assert "The backup holds" in _require_ok("backup", "verify", backup)

        kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
        kms.delete_imported_key_material(KeyId=imported)
        iam.delete_access_key(UserName="eva", AccessKeyId=deleted)
        iam.update_access_key(UserName="eva", AccessKeyId=deactivated, Status="Inactive")
        assert ledger.read_bytes().count(b"\n") == 3  # on disk when the answers were there
        _advance(server, 8)
        assert ledger.read_bytes().count(b"\n") == 4

    into_own = ("restore", "--from", backup, "--data-dir", data, "--deletion-ledger", ledger)
    refused = strongroom(*map(str, into_own))
    assert refused.returncode == 1
    assert "--replace" in refused.stderr
    fresh = tmp_path / "fresh"
    _require_ok("restore", "--from", backup, "--data-dir", fresh, "--deletion-ledger", ledger)
    (fresh / "seal.key").write_bytes((data / "seal.key").read_bytes())
    (fresh / "seal.key").chmod(0o600)
    with Server(data_dir=fresh, environment=environment) as server:
        kms, iam = server.client(), server.client("iam", region="us-east-1")
        for key, blob in blobs.items():
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == key.encode()
        assert _state(kms, doomed) == "NotFoundException"
        assert _state(kms, imported) == "PendingImport"
        for blob in dead_blobs:
            with pytest.raises(ClientError):
                kms.decrypt(CiphertextBlob=blob)
        keys = iam.list_access_keys(UserName="eva")["AccessKeyMetadata"]
        assert [(key["AccessKeyId"], key["Status"]) for key in keys] == [(deactivated, "Inactive")]
        again = kms.create_key()["KeyMetadata"]["KeyId"]
        kms.encrypt(KeyId=again, Plaintext=b"after")
    details = _record(fresh)
    assert (details["deletionLedger"], details["ledgerEntries"], details["deletedAgain"]) == ("applied", 4, 4)
    assert details["backupAuditHash"] in _require_ok("backup", "verify", backup)


def test_restore_without_ledger_is_said_aloud_and_brings_deleted_material_back(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Server(data_dir=data) as server:
        kms = server.client()
        imported = _import_material(kms)
        blob = kms.encrypt(KeyId=imported, Plaintext=b"x")["CiphertextBlob"]
        _require_ok("backup", "--data-dir", data, "--to", backup)
        kms.delete_imported_key_material(KeyId=imported)
        command = ("restore", "--from", backup, "--data-dir", data, "--replace")
        busy = strongroom(*map(str, command), "--without-deletion-ledger")
        assert busy.returncode != 0
        assert "Another server" in busy.stderr
    assert strongroom(*map(str, command)).returncode == 252
    _require_ok(*command, "--without-deletion-ledger")
    with Server(data_dir=data) as server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert _record(data)["deletionLedger"] == "none was given"
    assert (data / "deletion.ledger.before-restore-1").exists()


def test_start_after_a_restore_with_a_forged_or_foreign_ledger_is_refused(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Server(data_dir=data) as server:
        kms = server.client()
        imported = _import_material(kms)
        _require_ok("backup", "--data-dir", data, "--to", backup)
        kms.delete_imported_key_material(KeyId=imported)
    true = (data / "deletion.ledger").read_bytes()
    seal = true.index(b'"seal":"') + 20
    forged = tmp_path / "forged"
    forged.write_bytes(true[:seal] + (b"0" if true[seal : seal + 1] != b"0" else b"1") + true[seal + 1 :])
    command = ("restore", "--from", backup, "--data-dir", data, "--replace", "--deletion-ledger")
    _require_ok(*command, forged)
    with pytest.raises(RuntimeError, match="not to be believed"):
        Server(data_dir=data).start()
    true_file = tmp_path / "true"
    true_file.write_bytes(true)
    _require_ok(*command, true_file)
    with Server(data_dir=data) as server:
        assert _state(server.client(), imported) == "PendingImport"


def test_start_with_a_database_that_was_put_back_by_hand_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data_dir=data) as server:
        kms = server.client()
        imported = _import_material(kms)
    older = (data / "strongroom.db").read_bytes()
    with Server(data_dir=data) as server:
        server.client().delete_imported_key_material(KeyId=imported)
    (data / "strongroom.db").write_bytes(older)
    with pytest.raises(RuntimeError, match="does not go with the data"):
        Server(data_dir=data).start()


def test_restore_where_database_and_seal_record_were_lost_goes_on_with_the_rest(tmp_path: Path) -> None:
    """The audit trail, above all."""
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Server(data_dir=data) as server:
        kms = server.client()
        blob = kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"x")["CiphertextBlob"]
        _require_ok("backup", "--data-dir", data, "--to", backup)
        rotate(server, data, 2)
    (data / "strongroom.db").unlink()
    (data / "seal.record").unlink()
    assert (data / "domain-keys.anchor").exists()
    flags = ("--deletion-ledger", data / "deletion.ledger")
    _require_ok("restore", "--from", backup, "--data-dir", data, *flags)
    with Server(data_dir=data) as server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    assert _record(data)["deletionLedger"] == "applied"


def test_backup_killed_in_the_middle_leaves_no_backup_and_a_working_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server(data_dir=data) as server:
        kms = server.client()
        kms.create_key()
        for number, delay_seconds in enumerate((0.15, 0.3, 0.4, 0.5)):
            target = tmp_path / f"backup-{number}"
            process = subprocess.Popen(
                [STRONGROOM, "backup", "--data-dir", data, "--to", target], stdout=subprocess.DEVNULL
            )
            time.sleep(delay_seconds)
            process.send_signal(signal.SIGKILL)
            process.wait()
            if target.exists():
                _require_ok("backup", "verify", target)
        kms.create_key()


def test_restore_killed_in_the_middle_leaves_the_old_data_or_the_restored(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    with Server(data_dir=data) as server:
        kms = server.client()
        first = kms.create_key()["KeyMetadata"]["KeyId"]
        _require_ok("backup", "--data-dir", data, "--to", backup)
        second = kms.create_key()["KeyMetadata"]["KeyId"]
    command: list[str | Path] = [STRONGROOM, "restore", "--from", backup, "--data-dir", data, "--replace"]
    for delay_seconds in (0.2, 0.3, 0.35, 0.4, 0.5):
        process = subprocess.Popen([*command, "--without-deletion-ledger"], stdout=subprocess.DEVNULL)
        time.sleep(delay_seconds)
        process.send_signal(signal.SIGKILL)
        process.wait()
    with Server(data_dir=data) as server:
        assert _state(server.client(), first) == "Enabled"
        is_restored = _state(server.client(), second) == "NotFoundException"
    trail = b"".join(segment.read_bytes() for segment in (data / "audit").glob("*.jsonl"))
    assert is_restored == (b'"RestoreBackup"' in trail)


def test_access_key_that_was_replaced_is_in_the_ledger_before_the_operator_has_the_new_one(
    tmp_path: Path,
) -> None:
    """Of an account's root, of a service, and the root's of the settings: none comes back with a backup."""
    data, ledger = tmp_path / "data", tmp_path / "data" / "deletion.ledger"

    def lines() -> int:
        return ledger.read_bytes().count(b"active-access-key") if ledger.exists() else 0

    with Server("--auth", "strict", data_dir=data, environment=strict_environment()):
        _require_ok("account", "create", "--name", "team", "--id", "111122223333", "--data-dir", data)
        assert lines() == 0
        _require_ok("account", "replace-root-key", "111122223333", "--data-dir", data)
        assert lines() == 1
        for count in (1, 2):
            _require_ok("service", "register", "s3", "--data-dir", data)
            assert lines() == count
    environment = {**strict_environment(), "STRONGROOM_ROOT_ACCESS_KEY_ID": "AKIASTRONGROOMROOT02"}
    with Server("--auth", "strict", data_dir=data, environment=environment):
        assert lines() == 3
