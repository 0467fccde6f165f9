"""What custody costs with 10,000 keys: a rotation of the domain key under load, a backup, and a restore."""

from __future__ import annotations

import base64
import contextlib
import os
import sqlite3
import statistics
import subprocess
import time
from collections import Counter
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
WINDOW_SECONDS, OTHER_WINDOWS, REWRAP_SECONDS_MAX = 1.0, 60, 1_800.0
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
        before = [_load(server, encrypt, seconds=WINDOW_SECONDS) for _ in range(OTHER_WINDOWS)]
        seconds, during = _rotate_under_load(server, encrypt, data_dir / "strongroom.db")
        after = [_load(server, encrypt, seconds=WINDOW_SECONDS) for _ in range(OTHER_WINDOWS)]
        print(f"\nCustody: {made:,} keys, Encrypt on {CONNECTIONS} connections")
        print(f"{'p99, ms; and that of windows of 1 s':44}      all   median    worst")
        for name, windows in (("before", before), ("while tokens are re-wrapped", during), ("after", after)):
            each = [one.p99_us / 1000 for one in windows]
            print(f"  {name:42}{_p99_ms(windows):9.2f}{statistics.median(each):9.2f}{max(each):9.2f}")
        ratio = _p99_ms(during) / _p99_ms([*before, *after])
        print(f"{'times that before and after':44}{ratio:9.2f}x   (limit {P99_RATIO_MAX:g}x)")
        print(f"{'requests a second, before and meanwhile':44}{_rate(before):9.0f}{_rate(during):9.0f}")
        failed = sum(one.failed + one.non_200 for one in during)
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


def _rotate_under_load(
    server: Server, requests: list[bytes], database: Path
) -> tuple[float, list[LoadResult]]:
    """How long it took, and the windows of load from the new domain key to the last token."""
    started = time.monotonic()
    connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request("POST", "/_strongroom/clock", b'{"advance_seconds": %d}' % MOVED_SECONDS)
    connection.getresponse().read()
    connection.close()
    during: list[LoadResult] = []
    while not _is_rewrapped(database):
        if time.monotonic() > started + REWRAP_SECONDS_MAX:
            raise TimeoutError("the re-wrapping does not end")
        during.append(_load(server, requests, seconds=WINDOW_SECONDS))
    return time.monotonic() - started, during


def _is_rewrapped(database: Path) -> bool:
    """Whether a whole pass is through under the domain key that wraps."""
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        (newest,) = connection.execute(
            "SELECT domain_key_id FROM domain_keys WHERE region = ? ORDER BY generation DESC LIMIT 1",
            (REGION,),
        ).fetchone()
        noted = connection.execute(
            "SELECT value FROM settings WHERE name = ?", (f"domain_keys_rewrapped/{REGION}",)
        ).fetchone()
    return noted is not None and noted[0] == newest.hex()


def _p99_ms(windows: list[LoadResult]) -> float:
    """Of all requests of all windows."""
    counts: Counter[int] = Counter()
    for one in windows:
        counts.update({int(taken): count for taken, count in one.answers_by_10_us.items()})
    slower_left = counts.total() // 100
    for taken in sorted(counts, reverse=True):
        slower_left -= counts[taken]
        if slower_left < 0:
            return taken / 100
    return 0.0


def _rate(windows: list[LoadResult]) -> float:
    return sum(one.count for one in windows) / (len(windows) * WINDOW_SECONDS)


def _load(server: Server, requests: list[bytes], **how_long: Any) -> LoadResult:
    return run_load_process("127.0.0.1", server.port, requests, connections=CONNECTIONS, **how_long)


def _run(*arguments: str) -> None:
    subprocess.run([str(STRONGROOM), *arguments], check=True, stdout=subprocess.DEVNULL)
