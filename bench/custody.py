"""What custody costs with 10,000 keys: a rotation of the domain key under load, a backup, and a restore."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.load import LoadResult, run_load_process
from bench.signed import signed_request
from tests.support.server import REGION, STRONGROOM, Server

KEYS = 10_000
CONNECTIONS = 16
MOVED_SECONDS = 90_000
"""Past the next rotation."""
P99_RATIO_MAX, RESTORE_SECONDS_MAX = 2.0, 60.0


def bench_custody(directory: Path) -> None:
    """Of one development server with its audit trail batched."""
    data_dir, backup, restored = directory / "custody", directory / "backup", directory / "restored"
    with Server(data_dir=data_dir) as server:
        kms = server.client()
        create = [signed_request(server.port, "CreateKey", {}, "test", "test", REGION)]
        made = 0
        while made < KEYS:
            made += _load(server, create, count=2_000).count
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        text = base64.b64encode(os.urandom(64)).decode()
        encrypt = [
            signed_request(
                server.port, "Encrypt", {"KeyId": key_id, "Plaintext": text}, "test", "test", REGION
            )
        ]
        before = _load(server, encrypt, seconds=5.0)
        seconds, during = _rotate_under_load(server, encrypt)
        failed = sum(one.failed + one.non_200 for one in during)
        worst = max(one.p99_us for one in during)
        print(f"\nCustody: {made:,} keys, Encrypt on {CONNECTIONS} connections")
        print(f"{'p99 before, ms':44}{before.p99_us / 1000:9.2f}")
        print(f"{'p99 while the domain key rotates, ms':44}{worst / 1000:9.2f}", end="")
        print(f"{worst / before.p99_us:9.2f}x   (limit {P99_RATIO_MAX:g}x)")
        print(f"{'requests that failed (limit 0)':44}{failed:9}")
        print(f"{'seconds until every token was re-wrapped':44}{seconds:9.1f}")
        started = time.monotonic()
        _run("backup", "--data-dir", str(data_dir), "--to", str(backup))
        print(f"{'seconds of a backup':44}{time.monotonic() - started:9.1f}")
        ledger = data_dir / "deletion.ledger"
    started = time.monotonic()
    known = ["--deletion-ledger", str(ledger)] if ledger.exists() else ["--without-deletion-ledger"]
    _run("restore", "--from", str(backup), "--data-dir", str(restored), *known)
    environment = {"STRONGROOM_SEAL_KEY_FILE": str(data_dir / "seal.key")}
    with Server(data_dir=restored, environment=environment) as server:
        server.client().encrypt(KeyId=key_id, Plaintext=b"served")
        seconds = time.monotonic() - started
        print(f"{'seconds from the restore to the first Encrypt':44}{seconds:9.1f}", end="")
        print(f"   (limit {RESTORE_SECONDS_MAX:g})")


def _rotate_under_load(server: Server, requests: list[bytes]) -> tuple[float, list[LoadResult]]:
    taken: list[float] = []

    def move() -> None:
        body = b'{"advance_seconds": %d}' % MOVED_SECONDS
        started = time.monotonic()
        connection = HTTPConnection("127.0.0.1", server.port, timeout=300)
        connection.request("POST", "/_strongroom/clock", body)
        connection.getresponse().read()
        connection.close()
        taken.append(time.monotonic() - started)

    moving = threading.Thread(target=move)
    moving.start()
    during: list[LoadResult] = []
    while moving.is_alive():
        during.append(_load(server, requests, seconds=1.0))
    return taken[0], during


def _load(server: Server, requests: list[bytes], **how_long: Any) -> LoadResult:
    return run_load_process("127.0.0.1", server.port, requests, connections=CONNECTIONS, **how_long)


def _run(*arguments: str) -> None:
    subprocess.run([str(STRONGROOM), *arguments], check=True, stdout=subprocess.DEVNULL)
