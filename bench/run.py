"""`make bench`: what a request costs, beside the null handler and a peer, in the same run.

The figure to trust is CPU microseconds per request: user and system time of all the server's processes
divided by the requests answered, while the load generator never sleeps (bench/load.py says why; it
takes one processor for itself). Requests per second and latencies depend on what else the machine does.
Rounds alternate between the servers and the medians are printed.

    python bench/run.py [--rounds 3] [--seconds 2] [--quick]
"""

from __future__ import annotations

import argparse
import base64
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

if __package__ in (None, ""):  # run as a script
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from bench.load import LoadResult, processor_seconds, run_load_process
from bench.null_handler import example_request
from bench.signed import signed_request
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

CONNECTIONS = 16
DISTINCT_REQUESTS = 64
CONTEXT = {"tenant": "blau", "purpose": "bench", "stage": "test", "shard": "17"}
HERE = Path(__file__).resolve().parent


def session_processes(leader: int) -> list[int]:
    """All processes of the session that `leader` leads."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(entry.name))
    return found


class Target:
    """One server under load, with the requests it gets."""

    def __init__(self, name: str, port: int, leader: int, requests: dict[str, list[bytes]]) -> None:
        self.name = name
        self.port = port
        self.leader = leader
        self.requests = requests
        self.cpu_us: dict[str, list[float]] = {}
        self.results: dict[str, list[LoadResult]] = {}

    def measure(self, what: str, seconds: float, connections: int = CONNECTIONS) -> None:
        """Load it once and note what each request cost."""
        label = what if connections == CONNECTIONS else f"{what}@{connections}"
        pids = session_processes(self.leader)
        before = sum(map(processor_seconds, pids))
        result = run_load_process(
            "127.0.0.1",
            self.port,
            self.requests[what],
            connections=connections,
            seconds=seconds,
            spin=connections > 1,  # see bench.load: the client's wake-ups are not the server's cost
        )
        used = sum(map(processor_seconds, pids)) - before
        if result.non_200 or result.failed or not result.count:
            raise SystemExit(f"{self.name} {what}: {result.non_200} refused, {result.failed} failed")
        self.cpu_us.setdefault(label, []).append(used / result.count * 1e6)
        self.results.setdefault(label, []).append(result)

    def median(self, label: str) -> float:
        return statistics.median(self.cpu_us[label])

    def p50(self, label: str) -> float:
        return statistics.median(result.p50_us for result in self.results[label])

    def p99(self, label: str) -> float:
        return statistics.median(result.p99_us for result in self.results[label])

    def rate(self, label: str) -> float:
        return statistics.median(result.requests_per_second for result in self.results[label])


def kms_requests(port: int, client: Any) -> dict[str, list[bytes]]:
    """Signed requests of each kind, 64 distinct ones, over eight keys."""
    keys = [client.create_key()["KeyMetadata"]["KeyId"] for _ in range(8)]
    blobs = [
        client.encrypt(KeyId=key, Plaintext=os.urandom(64), EncryptionContext=CONTEXT)["CiphertextBlob"]
        for key in keys
    ]

    def several(operation: str, make: Callable[[int], dict[str, Any]]) -> list[bytes]:
        return [strict_request(port, operation, make(number)) for number in range(DISTINCT_REQUESTS)]

    def text(data: bytes) -> str:
        return base64.b64encode(data).decode()

    return {
        "Encrypt": several(
            "Encrypt",
            lambda n: {"KeyId": keys[n % 8], "Plaintext": text(os.urandom(64)), "EncryptionContext": CONTEXT},
        ),
        "Decrypt": several(
            "Decrypt", lambda n: {"CiphertextBlob": text(blobs[n % 8]), "EncryptionContext": CONTEXT}
        ),
        "GenerateDataKey": several(
            "GenerateDataKey",
            lambda n: {"KeyId": keys[n % 8], "KeySpec": "AES_256", "EncryptionContext": CONTEXT},
        ),
        "DescribeKey": several("DescribeKey", lambda n: {"KeyId": keys[n % 8]}),
        "ListKeys": several("ListKeys", lambda n: {"Limit": 100}),
    }


def strict_request(port: int, operation: str, parameters: dict[str, Any]) -> bytes:
    return signed_request(port, operation, parameters, ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY, REGION)


def strict_client(server: Server) -> Any:
    return server.client(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)


@contextmanager
def null_server() -> Iterator[Target]:
    process = subprocess.Popen(
        [sys.executable, str(HERE / "null_handler.py"), "--port", "0"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline().split()[-1])
        requests = [example_request(number) for number in range(DISTINCT_REQUESTS)]
        yield Target("null handler", port, process.pid, {"null": requests})
    finally:
        process.terminate()
        process.wait()


@contextmanager
def moto_server() -> Iterator[Target | None]:
    program = Path(sys.executable).with_name("moto_server")
    if not program.exists():
        yield None
        return
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [str(program), "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        peer = Server()
        peer.url = f"http://127.0.0.1:{port}"
        client = peer.client(retries=0)
        deadline = time.monotonic() + 30
        while True:
            try:
                client.list_keys()
                break
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
        requests = kms_requests(port, client)
        yield Target("moto_server", port, process.pid, requests)
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def fsync_baseline_us(directory: Path) -> float:
    """The median time of appending 4 KiB and fdatasync, on the disk that the data are on."""
    times = []
    with (directory / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            started = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - started) * 1e6)
    return statistics.median(times)


def memory_megabytes(pids: list[int]) -> tuple[float, float]:
    """(proportional set size, resident set size) of all the processes together."""
    pss = rss = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                pss += int(line.split()[1])
            elif line.startswith("Rss:"):
                rss += int(line.split()[1])
    return pss / 1024, rss / 1024


def bench_requests(rounds: int, seconds: float, directory: Path) -> None:
    kinds = ("Encrypt", "Decrypt", "GenerateDataKey")
    with (
        null_server() as null,
        Server(
            "--auth", "strict", environment=strict_environment(), data_dir=directory / "batched",
        ) as batched,
        Server(
            "--auth", "strict", "--audit", "durable",
            environment=strict_environment(), data_dir=directory / "durable",
        ) as durable,
        moto_server() as moto,
    ):  # fmt: skip
        targets = []
        for name, server in (("batched audit", batched), ("durable audit", durable)):
            requests = kms_requests(server.port, strict_client(server))
            targets.append(Target(name, server.port, server.process.pid, requests))
        for target in targets:  # warm up
            for kind in kinds:
                target.measure(kind, 0.3)
            target.cpu_us.clear()
            target.results.clear()
        baselines = []
        for _ in range(rounds):
            null.measure("null", seconds)
            null.measure("null", seconds / 2, connections=1)
            for target in targets:
                for kind in kinds:
                    target.measure(kind, seconds)
                target.measure("Encrypt", seconds / 2, connections=1)
            baselines.append(fsync_baseline_us(directory))
        if moto is not None:
            for kind in kinds:
                moto.measure(kind, seconds)
        print(f"\nCPU us per signed request, {CONNECTIONS} connections, medians of {rounds} rounds")
        print(f"{'':34}{'CPU us':>9}{'x null':>9}{'req/s':>10}{'p50 us':>9}{'p99 us':>9}")
        floor = null.median("null")
        rows = [(null, "null")] + [(target, kind) for target in targets for kind in kinds]
        if moto is not None:
            rows += [(moto, kind) for kind in kinds]
        for target, kind in rows:
            cost = target.median(kind)
            print(
                f"{target.name + ', ' + kind:34}{cost:9.1f}{cost / floor:9.2f}{target.rate(kind):10.0f}"
                f"{target.p50(kind):9.0f}{target.p99(kind):9.0f}"
            )
        print(f"fdatasync of 4 KiB on the same disk: {statistics.median(baselines):.0f} us")
        single = null.p50("null@1")
        print(f"\np50 at one connection: null {single:.0f} us", end="")
        for target in targets:
            print(
                f"; {target.name} {target.p50('Encrypt@1'):.0f} us ({target.p50('Encrypt@1') / single:.2f}x)",
                end="",
            )
        print()


def bench_start(directory: Path) -> None:
    times = []
    for number in range(3):
        started = time.monotonic()
        with Server(data_dir=directory / f"start{number}") as server:
            times.append(time.monotonic() - started)
            time.sleep(1)
            pss, rss = memory_megabytes(session_processes(server.process.pid))
    print(f"\nReady. after {statistics.median(times):.2f} s with new data (limit 2 s)")
    print(
        f"memory of an idle server, all processes: {pss:.0f} MB proportional, "
        f"{rss:.0f} MB resident sum (limit 200)"
    )


def bench_many_keys(rounds: int, seconds: float, directory: Path) -> None:
    """DescribeKey and a ListKeys page with 100 and with 100,000 keys in the account and Region."""
    from bench.many_keys import fill

    costs: dict[int, dict[str, float]] = {}
    for count in (100, 100_000):
        data_dir = directory / f"keys{count}"
        key_ids = fill(data_dir, count)[:: max(1, count // DISTINCT_REQUESTS)]
        with Server("--auth", "strict", environment=strict_environment(), data_dir=data_dir) as server:
            requests = {
                "DescribeKey": [
                    strict_request(server.port, "DescribeKey", {"KeyId": one}) for one in key_ids
                ],
                "ListKeys": [strict_request(server.port, "ListKeys", {"Limit": 100})],
            }
            target = Target(str(count), server.port, server.process.pid, requests)
            for _ in range(rounds):
                for kind in requests:
                    target.measure(kind, seconds)
            costs[count] = {kind: target.median(kind) for kind in requests}
    print()
    for kind in ("DescribeKey", "ListKeys"):
        few, many = costs[100][kind], costs[100_000][kind]
        print(
            f"{kind}: {few:.1f} us with 100 keys, {many:.1f} us with 100,000 ({many / few:.2f}x, limit 1.5x)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument(
        "--only", choices=("requests", "decisions", "start", "keys", "asymmetric", "token-keys")
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-") as name:
        directory = Path(name)
        if options.only in (None, "requests"):
            bench_requests(options.rounds, options.seconds, directory)
        if options.only in (None, "decisions"):
            from bench.decisions import bench_decisions, bench_users

            bench_decisions()
            bench_users(options.rounds, options.seconds, directory)
        if options.only in (None, "start"):
            bench_start(directory)
        if options.only in (None, "keys"):
            bench_many_keys(options.rounds, options.seconds, directory)
        if options.only in (None, "asymmetric"):
            from bench.asymmetric import bench_asymmetric

            bench_asymmetric(options.rounds, options.seconds, directory)
        if options.only == "token-keys":  # it needs softhsm2
            from bench.token_keys import bench_token_keys

            bench_token_keys(options.rounds, options.seconds, directory)


if __name__ == "__main__":
    main()
