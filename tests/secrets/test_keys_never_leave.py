"""The proof that key material never leaves the boundary.

Three processes take part beside the server. The importer makes key material of every kind and imports it;
the driver, which never has any of it, makes a thousand calls of every family of operations, well and badly,
while the boundary and workers die; and this one, the scanner, then searches for the material wherever it
must not be. The same search finds it in the boundary. `PROOF_CALLS` says how many calls of each family.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from tests.secrets import shared_secret_keys
from tests.secrets.core_dumps import unlimited_core_dumps
from tests.secrets.iam_families import IAM_ROUNDS, IAM_ROWS, STS_ROUNDS, STS_ROWS
from tests.secrets.kms_families import ROUNDS
from tests.secrets.memory_scan import Needles, read_file
from tests.secrets.unwrap_hierarchy import open_data_directory, private_numbers_of
from tests.support.attestation import Enclave, new_enclave
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)
from tests.support.system_packages import require_package
from tests.support.xks_proxy import ACCESS_KEY_ID, XksProxy

from strongroom.operations import table
from strongroom.operations.operation import Operation

CALLS: Final = int(os.environ.get("PROOF_CALLS", "1000"))
ROOT: Final = Path(__file__).parents[2]
GENERATED_LOOKED_FOR: Final = 40
"""Of the keys that the driver had made: as many, the rest being like them."""
HELD_PREFIXES: Final = ("imported", "root key", f"domain key of {REGION}", "private", "shared secret key")
SPOILED: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda token: b"",
    lambda token: b"\x01\x01",
    lambda token: token[:-1] + bytes([token[-1] ^ 1]),
    lambda token: token * 40,
)
"""What somebody who can write the database makes of a token."""
CONTROL: Final = ROOT_ACCESS_KEY_ID.encode()
"""Not secret, and in the memory of the supervisor and all workers."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)


@dataclass
class Proof:
    """A server after all that, and everything that must be in its boundary alone."""

    server: Server
    data_dir: Path
    directory: Path
    secrets: dict[str, bytes] = field(default_factory=dict)
    passed_through: dict[str, bytes] = field(default_factory=dict)
    """Secrets that a caller sent or was told in clear, as the API has it."""
    counted: dict[str, Counter[str]] = field(default_factory=dict)
    cores: list[Path] = field(default_factory=list)
    """Core dumps that the kernel left, though none should."""

    def pids(self, kind: str) -> list[int]:
        return [pid for title, found in self.server.processes().items() if kind in title for pid in found]

    def outside_the_boundary(self) -> dict[str, int]:
        return {
            f"{title} ({pid})": pid
            for title, found in self.server.processes().items()
            for pid in found
            if "boundary" not in title
        }


def ask(module: str, job: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start one of the other processes, with its job on standard input."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"tests.secrets.{module}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(job).encode())
    process.stdin.close()
    return process


def answers_of(process: subprocess.Popen[bytes]) -> Iterator[Any]:
    """Each line of JSON as it comes; at the end the process must have succeeded."""
    assert process.stdout is not None
    try:
        with process.stdout:
            for line in process.stdout:
                yield json.loads(line)
        assert process.wait(60) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def drive(proof: Proof, job: dict[str, Any]) -> dict[str, str]:
    """The driver's work, with what goes wrong in the middle of it. Returns the ids of its keys."""
    faults = {
        2: lambda: dump_core(proof, "worker 1"),
        4: lambda: dump_core(proof, "boundary"),
        5: lambda: spoil_rows(proof),
        7: lambda: os.kill(proof.pids("boundary")[0], signal.SIGKILL),
    }
    keys: dict[str, str] = {}
    for answer in answers_of(ask("drive_families", job)):
        for tenth in [tenth for tenth in faults if tenth <= answer.get("tenth", 0)]:
            faults.pop(tenth)()
        if "counted" in answer:
            proof.counted = {family: Counter(counted) for family, counted in answer["counted"].items()}
            keys = answer["keys"]
    assert faults == {}
    return keys


def dump_core(proof: Proof, kind: str) -> None:
    """Abort a process after taking away its own limit: a core dump must be kept from by more than that."""
    pid = proof.pids(kind)[0]
    directory = Path(os.readlink(f"/proc/{pid}/cwd"))
    before = set(directory.glob("core*"))
    with contextlib.suppress(PermissionError):  # a container's root may be forbidden to
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    os.kill(pid, signal.SIGABRT)
    deadline = time.monotonic() + 20
    while pid in proof.pids(kind):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for core in set(directory.glob("core*")) - before:
        proof.cores.append(core.rename(proof.directory / f"{kind}-{core.name}".replace(" ", "-")))


def spoil_rows(proof: Proof) -> None:
    """Rows that make the server fail in ways it does not expect: what it then writes is searched, too."""
    patient, client = (
        proof.server.client(
            access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY, retries=retries
        )
        for retries in (8, 0)
    )
    key_ids = [patient.create_key()["KeyMetadata"]["KeyId"] for _ in SPOILED]
    with contextlib.closing(sqlite3.connect(proof.data_dir / "strongroom.db", timeout=20)) as database:
        for key_id, spoil in zip(key_ids, SPOILED, strict=True):
            (token,) = database.execute(
                "SELECT exported_token FROM key_materials WHERE key_id = ?", (key_id,)
            ).fetchone()
            with database:
                database.execute(
                    "UPDATE key_materials SET exported_token = ? WHERE key_id = ?", (spoil(token), key_id)
                )
    refused = 0
    for key_id in key_ids * 8:  # by every worker, of which one may remember the sound row
        try:
            client.encrypt(KeyId=key_id, Plaintext=b"by a key that is broken")
        except client.exceptions.ClientError:
            refused += 1
    assert refused >= len(key_ids)
    with (
        contextlib.closing(sqlite3.connect(proof.data_dir / "strongroom.db", timeout=20)) as database,
        database,
    ):
        for key_id in key_ids:  # so that the hierarchy can be read from the rest
            database.execute("DELETE FROM key_materials WHERE key_id = ?", (key_id,))


def environment_of(directory: Path, proxy: XksProxy, enclave: Enclave) -> dict[str, str]:
    root = directory / "attestation-root.pem"
    root.write_bytes(enclave.root.pem)
    return {
        **strict_environment(),
        "STRONGROOM_XKS_CA_FILE": str(proxy.ca_file),
        "STRONGROOM_XKS_PRIVATE_ADDRESSES": "true",
        "STRONGROOM_XKS_PORT": str(proxy.port),
        "STRONGROOM_XKS_TIMEOUT_MILLISECONDS": "5000",
        "STRONGROOM_ATTESTATION_ROOTS": f"TEST={root}",
    }


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    directory = tmp_path_factory.mktemp("proof")
    data_dir = directory / "data"
    data_dir.mkdir(mode=0o700)
    key_file = os.urandom(32)
    with open(data_dir / "seal.key", "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(key_file)
    enclave = new_enclave()
    store_secret = base64.b64encode(os.urandom(36)).decode()
    with XksProxy(directory) as proxy:
        proxy.credentials[ACCESS_KEY_ID] = store_secret
        credential = {"AccessKeyId": ACCESS_KEY_ID, "RawSecretAccessKey": store_secret}
        server = Server(
            "--auth", "strict", "--workers", "2", data_dir=data_dir,
            environment=environment_of(directory, proxy, enclave),
        )  # fmt: skip
        with unlimited_core_dumps():
            server.start()
        try:
            proof = Proof(server, data_dir, directory)
            job = {
                "port": server.port,
                "access_key_id": ROOT_ACCESS_KEY_ID,
                "secret_access_key": ROOT_SECRET_ACCESS_KEY,
                "region": REGION,
                "account": ACCOUNT,
                "calls": CALLS,
                "store_members": proxy.store_members(XksProxyAuthenticationCredential=credential),
            }
            (planted,) = answers_of(ask("plant_material", job))
            document = base64.b64encode(enclave.document(datetime.now(UTC), tagged=True)).decode()
            recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}
            keys = drive(proof, {**job, "keys": planted["keys"], "recipient": recipient})
            imported = {name: bytes.fromhex(secret) for name, secret in planted["secrets"].items()}
            proof.secrets = {"seal key file": key_file, **imported} | hierarchy_of(data_dir, key_file, keys)
            proof.passed_through = {"secret of the store's proxy": store_secret.encode()}
            yield proof
        finally:
            server.stop()


def hierarchy_of(data_dir: Path, key_file: bytes, keys: dict[str, str]) -> dict[str, bytes]:
    """The keys above, and those that cannot be imported, as the published formats give them."""
    hierarchy = open_data_directory(data_dir, key_file)
    secrets = private_numbers_of(hierarchy, [keys["ECC_NIST_EDWARDS25519"], keys["ML_DSA_44"]])
    secrets |= shared_secret_keys.secrets_of(
        hierarchy, {spec: keys[spec] for spec in ("ML_KEM_512", "ML_KEM_768")}
    )
    generated = [name for name, secret in hierarchy.items() if "backing key" in name and len(secret) == 32]
    secrets |= {name: hierarchy[name] for name in generated[-GENERATED_LOOKED_FOR:]}
    # The answer of CreateAccessKey shows a secret to who asked for it: those have been in a worker.
    shown = {
        name
        for name in hierarchy
        if name.startswith("secret access key of") and not name.endswith(ROOT_ACCESS_KEY_ID)
    }
    return secrets | {
        name: secret for name, secret in hierarchy.items() if "backing key" not in name and name not in shown
    }


def families_of(operations: dict[str, Operation]) -> set[str]:
    """The families of the table, by the name of their module."""
    found = set()
    for name, operation in operations.items():
        module = sys.modules[table.__name__]
        for family, value in vars(module).items():
            if operation in getattr(value, "OPERATIONS", ()):
                found.add(family)
                break
        else:
            raise AssertionError(name)
    return found


def test_driver_has_rounds_for_every_family_of_the_table() -> None:
    assert ROUNDS.keys() == families_of(table.KMS_OPERATIONS)
    assert IAM_ROUNDS.keys() | IAM_ROWS.keys() == families_of(table.IAM_OPERATIONS)
    assert STS_ROUNDS.keys() | STS_ROWS.keys() == families_of(table.STS_OPERATIONS)


def test_every_operation_was_used_and_every_family_a_thousand_times(
    proof: Proof, capsys: pytest.CaptureFixture[str]
) -> None:
    """Well and badly: each operation succeeded, and was refused."""
    for family in ROUNDS:
        assert proof.counted[f"kms {family}"].total() >= CALLS
    for service in ("iam", "sts"):
        counted = [counted for family, counted in proof.counted.items() if family.startswith(service)]
        assert sum(one.total() for one in counted) >= CALLS
    total: Counter[str] = sum(proof.counted.values(), Counter())
    succeeded = {name.removesuffix(": ok") for name in total if name.endswith(": ok")}
    refused = {name.split(": ")[0] for name in total if not name.endswith((": ok", ": status 0"))}
    wanted = {operation.name for operation in table.ALL_OPERATIONS}
    assert wanted - succeeded == NEVER_SUCCEED
    assert wanted - refused == set()
    ended = sum(count for name, count in total.items() if name.endswith(": status 0"))
    failed = sum(count for name, count in total.items() if name.endswith("KMSInternalException"))
    with capsys.disabled():
        sys.stdout.write(
            f"\n{total.total()} calls of {len(proof.counted) - 1} families; {failed} failed and {ended} "
            f"connections ended while processes died\n"
        )
    assert ended + failed < total.total() // 20


NEVER_SUCCEED: Final = {
    "GetLoginProfile", "ListMFADevices", "ListSSHPublicKeys", "ListServiceSpecificCredentials",
    "ListSigningCertificates", "ImportKeyMaterial", "AssumeRoleWithWebIdentity", "CreateCustomKeyStore",
    "DeleteCustomKeyStore", "DisconnectCustomKeyStore",
}  # fmt: skip
"""In the driver's hands: what a user never has, the importer does, or wants another service."""


def test_planted_material_is_of_every_kind(proof: Proof) -> None:
    kinds = {name.split(",")[0].removeprefix("imported ") for name in proof.secrets if "imported" in name}
    assert len(kinds) == 17
    assert all(len(secret) >= 16 for secret in proof.secrets.values())
    names = " ".join(proof.secrets)
    for kind in ("seal key file", "seal slot key", "root key", "domain key of", "ticket key", "private seed",
                 "secret access key of", "shared secret key, ML_KEM_768"):  # fmt: skip
        assert kind in names, kind


@needs_root
def test_planted_material_is_in_no_process_but_the_boundary(
    proof: Proof, capsys: pytest.CaptureFixture[str]
) -> None:
    needles, control = Needles(proof.secrets), Needles({"control": CONTROL})
    processes = proof.outside_the_boundary()
    assert len(processes) >= 5, processes
    for title, pid in processes.items():
        assert needles.find_in_process(pid) == Counter(), title
        if "audit" not in title:
            assert control.find_in_process(pid), f"the scanner does not see into {title}"
    with capsys.disabled():
        sys.stdout.write(f"\n{len(proof.secrets)} secrets: nothing in {', '.join(sorted(processes))}\n")


@needs_root
def test_planted_material_is_found_in_the_boundary(proof: Proof, capsys: pytest.CaptureFixture[str]) -> None:
    """With the same needles: what the search above did not find, it would have found."""
    found: Counter[str] = Counter()
    for pid in proof.pids("boundary"):
        found += Needles(proof.secrets).find_in_process(pid)
    seen = {trace.rsplit(": ", 1)[0] for trace in found}
    wanted = {re.split(r", [pqdi]|, dm", name)[0] for name in proof.secrets if name.startswith(HELD_PREFIXES)}
    missing = {name for name in wanted if not any(one.startswith(name) for one in seen)}
    with capsys.disabled():
        sys.stdout.write(f"\nin the boundary: {len(seen)} of {len(proof.secrets)} secrets\n")
    assert missing == set()


def test_planted_material_is_in_no_file_log_or_traceback(proof: Proof) -> None:
    key_file = proof.data_dir / "seal.key"
    needles = Needles(proof.secrets | proof.passed_through)
    assert needles.find_in_files(proof.data_dir, leave_out=[key_file]) == {}
    assert set(needles.find_in_files(proof.data_dir)) == {key_file}
    looked_at = {path.name for path in proof.data_dir.rglob("*")}
    assert {"strongroom.db", "strongroom.db-wal", "strongroom.db-shm", "seal.record", "head"} <= looked_at
    assert needles.find_in([bytes(proof.server.logged)]) == Counter()
    assert b"TokenRefused" in proof.server.logged  # the broken rows were met
    assert b"Traceback" not in proof.server.logged


def test_no_core_dump_was_left_by_a_process_that_aborted(proof: Proof) -> None:
    """Where a worker does leave one, as its own limit was taken away, it holds nothing. The boundary's is
    kept from by more than a limit."""
    assert [core.name for core in proof.cores if "boundary" in core.name] == []
    for core in proof.cores:
        assert Needles(proof.secrets).find_in(read_file(core)) == Counter(), core.name
        assert Needles({"control": CONTROL}).find_in(read_file(core)), core.name


@needs_root
def test_core_dump_taken_by_force_of_a_worker_holds_nothing_and_of_the_boundary_does(proof: Proof) -> None:
    require_package("gdb", "/usr/bin/gcore")
    needles = Needles(proof.secrets)
    assert needles.find_in(read_file(take_core(proof, "worker 2"))) == Counter()
    core = take_core(proof, "boundary")
    assert any(name.startswith("imported AES 0") for name in needles.find_in(read_file(core)))


def take_core(proof: Proof, kind: str) -> Path:
    """A core dump of a process that goes on, as an operator takes it."""
    pid = proof.pids(kind)[0]
    prefix = proof.directory / "forced"
    subprocess.run(
        ["gcore", "-o", str(prefix), str(pid)], capture_output=True, timeout=60, check=True
    )  # fmt: skip
    core = Path(f"{prefix}.{pid}")
    assert core.stat().st_size > 1 << 20
    return core
