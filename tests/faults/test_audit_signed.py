"""The audit trail of real servers is signed by the boundary, and one that somebody rewrote is found out."""

from __future__ import annotations

import json
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.server import STRONGROOM, Server

from strongroom.audit.chain import START, Link, render_block, render_head
from strongroom.audit.chain import Head as HeadFile
from strongroom.audit.checkpoints import EVENT_NAME
from strongroom.jobs.audit_checkpoints import NOT_AS_SIGNED


def verify(data: Path, *more: str) -> tuple[int, str]:
    done = subprocess.run(
        [STRONGROOM, "audit", "verify", "--data-dir", str(data), *more],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def records(data: Path, name: str) -> list[dict[str, Any]]:
    """The serviceEventDetails of every such event."""
    return [
        json.loads(line)["serviceEventDetails"]
        for segment in sorted((data / "audit").glob("*.jsonl"))
        for line in segment.read_bytes().rstrip(b"\0").splitlines()
        if f'"eventName":"{name}"'.encode() in line
    ]


def serve_some(data: Path, calls: int = 5) -> str:
    """One life of a server; returns its log."""
    with Server(data_dir=data) as server:
        for _ in range(calls):
            server.client("kms").list_keys()
        server.stop()
        return bytes(server.logged).decode()


def write_anew(data: Path, change: Callable[[bytes], bytes | None]) -> None:
    """What whoever can write the audit files does: other records, all hashes and the head right again."""
    segment = data / "audit" / "00000001.jsonl"
    link: Link = START
    blocks: list[bytes] = []
    for line in segment.read_bytes().splitlines():
        if line.startswith(b'{"chain"'):
            continue
        changed = change(line)
        if changed is not None:
            block, link = render_block(link, changed + b"\n", 1, {}, epoch_seconds=1.8e9)
            blocks.append(block)
    written = b"".join(blocks)
    segment.write_bytes(written)
    (data / "audit" / "head").write_bytes(render_head(HeadFile(1, len(written), link), 1.8e9))


def without_checkpoints(line: bytes) -> bytes | None:
    line = line.replace(b"ListKeys", b"ListTags")
    return None if f'"eventName":"{EVENT_NAME}"'.encode() in line else line


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory in which a server has served twice."""
    directory = tmp_path / "data"
    serve_some(directory)
    shutil.copy(directory / "audit.checkpoint", tmp_path / "kept.checkpoint")
    shutil.copy(directory / "audit-key.pem", tmp_path / "kept.pem")
    serve_some(directory)
    return directory


def test_stopped_server_leaves_a_signed_trail_that_anyone_can_verify(data: Path, tmp_path: Path) -> None:
    exit_code, told = verify(data)
    assert exit_code == 0
    assert "Signed by key " in told
    first, second = records(data, EVENT_NAME)
    assert first["keyId"] == second["keyId"]
    assert f"Signed by key {first['keyId']}" in told
    assert verify(data, "--checkpoint", str(tmp_path / "kept.checkpoint"))[0] == 0
    assert verify(data, "--public-key", str(tmp_path / "kept.pem"))[0] == 0
    # With nothing of ours: the words of docs/formats/audit.md.
    (tmp_path / "text").write_bytes(first["checkpoint"].encode())
    (tmp_path / "signature").write_bytes(b64decode(first["signature"]))
    openssl = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", str(data / "audit-key.pem"), "-rawin"]
    openssl += ["-in", str(tmp_path / "text"), "-sigfile", str(tmp_path / "signature")]
    assert subprocess.run(openssl, capture_output=True, check=False, timeout=30).returncode == 0
    (tmp_path / "text").write_bytes(first["checkpoint"].replace("number 1", "number 2").encode())
    assert subprocess.run(openssl, capture_output=True, check=False, timeout=30).returncode != 0


def test_rewritten_trail_is_found_by_verify_told_at_the_next_start_and_never_vouched_for(
    data: Path, tmp_path: Path
) -> None:
    write_anew(data, without_checkpoints)
    exit_code, told = verify(data)
    assert exit_code == 1
    assert "rewritten" in told or "ends before block" in told
    log = serve_some(data)
    assert "is not the one that was signed" in log
    (found,) = records(data, NOT_AS_SIGNED)
    assert found["number"] == 2
    for more in ([], ["--checkpoint", str(tmp_path / "kept.checkpoint")]):
        exit_code, told = verify(data, *more)
        assert exit_code == 1, told
    (data / "audit.checkpoint").unlink()  # by whoever rewrote it: the next checkpoint in the trail tells
    exit_code, told = verify(data)
    assert exit_code == 1
    assert "names a checkpoint before it that the trail has not" in told


def test_whoever_kept_key_and_checkpoint_finds_what_was_done_without_a_trace(
    data: Path, tmp_path: Path
) -> None:
    """Trail rewritten, all checkpoints out of it, and the files beside the data removed."""
    write_anew(data, without_checkpoints)
    (data / "audit.checkpoint").unlink()
    (data / "audit-key.pem").unlink()
    exit_code, told = verify(data)
    assert exit_code == 0
    assert "Signatures were not checked" in told
    exit_code, told = verify(data, "--public-key", str(tmp_path / "kept.pem"))
    assert exit_code == 1
    assert "Nothing in the audit trail" in told
    serve_some(data)  # the server cannot know, and signs what it finds
    assert verify(data)[0] == 0
    exit_code, told = verify(data, "--checkpoint", str(tmp_path / "kept.checkpoint"))
    assert exit_code == 1
    assert "rewritten" in told


def test_checkpoint_file_lost_or_forged_is_found_again_in_the_trail(data: Path) -> None:
    kept = data / "audit.checkpoint"
    true = kept.read_bytes()
    for forged in (None, b"", true[:-1], true.replace(b"number 2", b"number 9"), b"x" * 5000):
        if forged is None:
            kept.unlink()
        else:
            kept.write_bytes(forged)
            assert verify(data)[0] != 0
        log = serve_some(data, calls=1)
        assert ("is made anew" in log) == (forged is not None)
        assert verify(data)[0] == 0
    assert [int(details["checkpoint"].split()[5]) for details in records(data, EVENT_NAME)] == [*range(1, 8)]
    assert records(data, NOT_AS_SIGNED) == []


def test_older_checkpoint_put_back_does_not_begin_another_row(data: Path, tmp_path: Path) -> None:
    """Nor does one that a job runner could not keep any more: the trail has the later one."""
    shutil.copy(tmp_path / "kept.checkpoint", data / "audit.checkpoint")
    serve_some(data)
    assert [int(details["checkpoint"].split()[5]) for details in records(data, EVENT_NAME)] == [1, 2, 3]
    exit_code, told = verify(data, "--checkpoint", str(tmp_path / "kept.checkpoint"))
    assert exit_code == 0, told


def test_idle_server_signs_nothing_more(data: Path) -> None:
    """A checkpoint's own record alone is no reason for another; a start has two records of its own."""
    before = len(records(data, EVENT_NAME))
    with Server(data_dir=data) as server:
        server.stop()
    assert len(records(data, EVENT_NAME)) <= before + 1
    exit_code, _ = verify(data)
    assert exit_code == 0


@pytest.mark.parametrize("given", ["nothing", "text", "private", "huge", "directory"])
def test_wrong_files_are_refused_with_a_sentence(data: Path, tmp_path: Path, given: str) -> None:
    path = tmp_path / "given"
    if given == "directory":
        path.mkdir()
    elif given != "nothing":
        path.write_bytes(
            {"text": b"hello\n", "private": b"-----BEGIN PRIVATE KEY-----\n", "huge": b"x" * 9999}[given]
        )
    for flag in ("--public-key", "--checkpoint"):
        exit_code, told = verify(data, flag, str(path))
        assert exit_code == 255, told
        assert str(path) in told
        assert told.startswith("strongroom: ")
