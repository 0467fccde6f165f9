"""The proof that key material never leaves the boundary.

Three processes take part beside the server. The importer makes key material of every kind and imports it;
the driver, which never has any of it, makes many calls of every family of operations, well and badly, while
the boundary and workers die; and this one, the scanner, then searches for the material, for what opens the
seal and for everything between the two, wherever it must not be. The same search finds it in the boundary,
and what is planted in each place that it searches. `make torture` makes a thousand calls of each
family (proof_scene.py).
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.secrets.iam_families import IAM_ROUNDS, IAM_ROWS, STS_ROUNDS, STS_ROWS
from tests.secrets.kms_families import ROUNDS
from tests.secrets.memory_scan import Needles, read_file
from tests.secrets.places import find_in_backup, planted_in, with_cell
from tests.secrets.proof_scene import CALLS, Proof, proven
from tests.support.server import REGION, ROOT_ACCESS_KEY_ID
from tests.support.sm2 import IS_OFFERED
from tests.support.system_packages import require_package

from strongroom.aws.generated.enums import KeySpec
from strongroom.operations import table
from strongroom.operations.operation import Operation

HELD_PREFIXES: Final = ("imported", "root key", f"domain key of {REGION}", "private", "shared secret key")
"""What the boundary has at the end. Of what opens the seal, no more than the root key."""
CONTROL: Final = ROOT_ACCESS_KEY_ID.encode()
"""Not secret, and in the memory of the supervisor and all workers."""
NOT_IMPORTED: Final = {
    spec
    for spec in KeySpec
    if spec.startswith(("ML_", "ECC_NIST_EDWARDS", *(() if IS_OFFERED else ("SM2",))))
}
"""AWS KMS lets nobody import material of these; nor we of SM2, where the machine has none."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)


@pytest.fixture(scope="module")
def proof(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proof]:
    with proven(tmp_path_factory.mktemp("proof")) as made:
        yield made


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


def test_every_operation_was_used_and_every_family_often(
    proof: Proof, capsys: pytest.CaptureFixture[str]
) -> None:
    """Well and badly: each operation succeeded, and was refused. Calls that are no calls, for their body or
    signature, come on top, and connections that ended do not count."""
    for service, families in (
        ("kms", ROUNDS), ("iam", IAM_ROUNDS | IAM_ROWS), ("sts", STS_ROUNDS | STS_ROWS)
    ):  # fmt: skip
        for family in families:
            counted = proof.counted[f"{service} {family}"]
            lost = sum(count for name, count in counted.items() if name.endswith(": status 0"))
            assert counted.total() - lost >= CALLS, (service, family)
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
    specs = {spec for spec in KeySpec if any(kind.startswith(spec) for kind in kinds)}
    assert specs == set(KeySpec) - NOT_IMPORTED - {KeySpec.SYMMETRIC_DEFAULT}
    assert sum(kind.startswith("AES ") for kind in kinds) == 5
    assert all(len(secret) >= 16 for secret in proof.secrets.values())
    names = " ".join(proof.secrets)
    for kind in ("seal key file", "seal slot key", "root key", "domain key of", "ticket key", "private seed",
                 "secret access key of", "shared secret key, ML_KEM_768", "passphrase", "passphrase slot key",
                 "share 3 as shown", "share 1", "shares slot key"):  # fmt: skip
        assert kind in names, kind


@needs_root
def test_planted_material_is_in_no_process_but_the_boundary(
    proof: Proof, capsys: pytest.CaptureFixture[str]
) -> None:
    """Memory, environment, arguments. What callers told a worker may be there and nowhere else, and a
    token's password in the process that logs in with it. Each process shows something that it must have."""
    everything = Needles(proof.secrets | proof.passed_through)
    needles = Needles(proof.secrets)
    control = Needles({"control": CONTROL, "head": head_of(proof), "cluster": proof.cluster_id.encode()})
    processes = proof.outside_the_boundary()
    assert len(processes) >= 6, processes
    for title, pid in processes.items():
        has_been_told = "worker" in title or "hsm" in title
        assert (needles if has_been_told else everything).find_in_process(pid) == Counter(), title
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


def head_of(proof: Proof) -> bytes:
    """The hash of the audit trail's last block, which its writer has."""
    found = re.search(r"[0-9a-f]{64}", (proof.data_dir / "audit" / "head").read_text())
    assert found is not None
    return bytes.fromhex(found[0])


def test_planted_material_is_in_no_file_log_or_traceback(proof: Proof) -> None:
    needles = Needles(proof.secrets | proof.passed_through)
    found = needles.find_in_files(proof.directory, leave_out=proof.cores)
    assert set(found) == {proof.key_file}
    looked_at = {path.name for path in proof.data_dir.rglob("*")}
    assert {"strongroom.db", "strongroom.db-wal", "strongroom.db-shm", "seal.record", "head"} <= looked_at
    assert any(name.endswith(".jsonl") for name in looked_at)
    assert needles.find_in([bytes(proof.server.logged)]) == Counter()
    assert b"TokenRefused" in proof.server.logged  # the broken rows were met
    assert b"Traceback" not in proof.server.logged


def test_planted_material_is_in_no_backup(proof: Proof) -> None:
    """Made under load and at the end; as files, and unpacked to the last cell."""
    needles = Needles(proof.secrets | proof.passed_through)
    assert len(proof.backups) == 2
    for backup in proof.backups:
        assert find_in_backup(needles, backup) == Counter()


def test_what_is_planted_in_a_copy_of_each_place_is_found(proof: Proof, tmp_path: Path) -> None:
    """A secret in the middle of every file that was searched, and in a cell of the database in a backup."""
    secret = proof.secrets["imported AES 0"]
    needles = Needles({"planted": secret})
    searched = [path for path in proof.data_dir.rglob("*") if path.is_file()]
    for number, path in enumerate((*searched, *proof.backups)):
        copy = planted_in(path, (secret, secret.hex().encode(), base64.b64encode(secret))[number % 3],
                          tmp_path / "copy")  # fmt: skip
        assert needles.find_in_files(tmp_path) == {copy: needles.find_in(read_file(copy))}
        assert needles.find_in_files(tmp_path), path
        copy.unlink()
    twice = base64.b64encode(base64.b64encode(b"a note: " + secret))
    for value in (secret, secret.hex().encode(), base64.b64encode(b"x" + secret), twice):
        assert find_in_backup(needles, with_cell(proof.backups[0], value, tmp_path / "backup")), value
    log = bytes(proof.server.logged)
    assert needles.find_in([log + b"a request failed with " + repr(secret.hex()).encode()])


@pytest.mark.parametrize("kind", ["memory", "environment", "arguments"])
def test_what_is_planted_in_a_process_is_found(kind: str) -> None:
    secret = os.urandom(32)
    script = (
        "import sys; held = sys.stdin.buffer.read(32); print('ready', flush=True); sys.stdin.buffer.read()"
    )
    more = [secret.hex()] if kind == "arguments" else []
    environment = {"PLANTED": base64.b64encode(secret).decode()} if kind == "environment" else {}
    with subprocess.Popen(
        [sys.executable, "-I", "-c", script, *more],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(secret if kind == "memory" else bytes(32))
            process.stdin.flush()
            assert process.stdout.readline() == b"ready\n"
            assert Needles({"planted": secret}).find_in_process(process.pid)
        finally:
            process.kill()


def _curve_scalar(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_numbers().private_value.to_bytes(32, "big")


PKCS8, SEC1 = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL


@pytest.mark.parametrize(
    ("encoding", "written", "coded"),
    [
        *((Encoding.DER, written, coded) for written in (PKCS8, SEC1)
          for coded in (bytes, bytes.hex, base64.b64encode)),
        *((Encoding.PEM, written, bytes) for written in (PKCS8, SEC1)),
    ],
)  # fmt: skip
def test_private_key_is_found_in_der_and_pem_by_each_of_its_numbers(
    encoding: Encoding, written: PrivateFormat, coded: Callable[[bytes], bytes | str]
) -> None:
    """DER holds the numbers as they are, PEM is base64 with line ends: a needle for each number is enough."""
    pair, curve = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
    numbers = pair.private_numbers()
    parts = {name: getattr(numbers, name) for name in ("p", "q", "d", "dmp1", "dmq1", "iqmp")}
    for key, secrets in (
        (pair, {name: part.to_bytes((part.bit_length() + 7) // 8, "big") for name, part in parts.items()}),
        (curve, {"scalar": _curve_scalar(curve)}),
    ):
        content = coded(key.private_bytes(encoding, written, NoEncryption()))
        found = Needles(secrets).find_in([content.encode() if isinstance(content, str) else content])
        assert {trace.split(":")[0] for trace in found} == set(secrets)


def test_no_core_dump_was_left_by_a_process_that_aborted(proof: Proof) -> None:
    """Where a worker does leave one, as its own limit was taken away, it holds nothing. The boundary's is
    kept from by more than a limit."""
    assert [core.name for core in proof.cores if "boundary" in core.name] == []
    for core in proof.cores:
        assert Needles(proof.secrets).find_in(read_file(core)) == Counter(), core.name
        assert Needles({"control": CONTROL}).find_in(read_file(core)), core.name


@needs_root
def test_core_dump_taken_by_force_of_a_worker_holds_nothing_and_of_the_boundary_does(
    proof: Proof, tmp_path: Path
) -> None:
    require_package("gdb", "/usr/bin/gcore")
    needles = Needles(proof.secrets)
    assert needles.find_in(read_file(take_core(proof, "worker 2", tmp_path))) == Counter()
    core = take_core(proof, "boundary", tmp_path)
    assert any(name.startswith("imported AES 0") for name in needles.find_in(read_file(core)))


def take_core(proof: Proof, kind: str, directory: Path) -> Path:
    """A core dump of a process that goes on, as an operator takes it; not among the server's files."""
    pid = proof.pids(kind)[0]
    prefix = directory / "forced"
    subprocess.run(
        ["gcore", "-o", str(prefix), str(pid)], capture_output=True, timeout=60, check=True
    )  # fmt: skip
    core = Path(f"{prefix}.{pid}")
    assert core.stat().st_size > 1 << 20
    return core
