"""The server of the proof: what is planted in it, what is done to it, and where to look afterwards.

The importer (plant_material.py) and the driver (drive_families.py) are processes of their own; while the
driver works, processes die, rows are broken, backups are made and the seal is opened in every way.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
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

from tests.secrets import shared_secret_keys
from tests.secrets.core_dumps import unlimited_core_dumps
from tests.secrets.unwrap_hierarchy import open_data_directory, private_numbers_of
from tests.secrets.unwrap_seal import secrets_of_passphrase, secrets_of_shares
from tests.support.attestation import Enclave, new_enclave
from tests.support.hsm_clusters import PASSWORD, make_cluster, write_configuration
from tests.support.seal_commands import make_seal, run_strongroom
from tests.support.server import (
    ACCOUNT,
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)
from tests.support.strength import count
from tests.support.xks_proxy import ACCESS_KEY_ID, XksProxy

CALLS: Final = count("PROOF_CALLS", few=200, many=1000)
ROOT: Final = Path(__file__).parents[2]
PASSPHRASE: Final = "Planted passphrase of the seal, 4711"
GENERATED_LOOKED_FOR: Final = 40
"""Of the keys that the driver had made: as many, the rest being like them."""
SPOILED: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda token: b"",
    lambda token: b"\x01\x01",
    lambda token: token[:-1] + bytes([token[-1] ^ 1]),
    lambda token: token * 40,
)
"""What somebody who can write the database makes of a token."""


@dataclass
class Proof:
    """A server after all that, and everything that must be in its boundary alone."""

    server: Server
    data_dir: Path
    directory: Path
    """Of everything: the data, the key file, backups, core dumps."""
    key_file: Path
    shares: list[str]
    cluster_id: str
    """Of the token; not secret, and in the process that has it."""
    secrets: dict[str, bytes] = field(default_factory=dict)
    passed_through: dict[str, bytes] = field(default_factory=dict)
    """Secrets that a caller sent or was told in clear, as the API has it: a worker has had them, and
    that of a token its process has."""
    counted: dict[str, Counter[str]] = field(default_factory=dict)
    cores: list[Path] = field(default_factory=list)
    """Core dumps that the kernel left, though none should."""
    backups: list[Path] = field(default_factory=list)

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
    """The driver's work, with what happens in the middle of it. Returns the ids of its keys."""
    events = {
        1: lambda: back_up(proof),
        2: lambda: dump_core(proof, "worker 1"),
        3: lambda: open_seal_in_every_way(proof),
        4: lambda: dump_core(proof, "boundary"),
        5: lambda: spoil_rows(proof),
        7: lambda: os.kill(proof.pids("boundary")[0], signal.SIGKILL),
    }
    keys: dict[str, str] = {}
    for answer in answers_of(ask("drive_families", job)):
        for tenth in [tenth for tenth in events if tenth <= answer.get("tenth", 0)]:
            events.pop(tenth)()
        if "counted" in answer:
            proof.counted = {family: Counter(counted) for family, counted in answer["counted"].items()}
            keys = answer["keys"]
    assert events == {}
    back_up(proof)
    return keys


def back_up(proof: Proof) -> None:
    """As an operator does, while the server runs."""
    target = proof.directory / f"backup-{len(proof.backups)}"
    done = run_strongroom("backup", "--data-dir", proof.data_dir, "--to", target)
    assert done.returncode == 0, done.stderr
    proof.backups.append(target)


def open_seal_in_every_way(proof: Proof) -> None:
    """Each slot, by the operator's command beside the running server."""
    done = run_strongroom(
        "seal", "verify", "--data-dir", proof.data_dir, "--key-file", proof.key_file,
        secrets={"--passphrase-fd": PASSPHRASE, "--shares-fd": "\n".join(proof.shares[1:])},
    )  # fmt: skip
    assert "3 of 3 slots opened, 0 not tried." in done.stdout, done.stderr


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


def environment_of(directory: Path, proxy: XksProxy, enclave: Enclave, key_file: Path) -> dict[str, str]:
    root = directory / "attestation-root.pem"
    root.write_bytes(enclave.root.pem)
    return {
        **strict_environment(),
        "STRONGROOM_SEAL_KEY_FILE": str(key_file),
        "STRONGROOM_XKS_CA_FILE": str(proxy.ca_file),
        "STRONGROOM_XKS_PRIVATE_ADDRESSES": "true",
        "STRONGROOM_XKS_PORT": str(proxy.port),
        "STRONGROOM_XKS_TIMEOUT_MILLISECONDS": "5000",
        "STRONGROOM_ATTESTATION_ROOTS": f"TEST={root}",
    }


@contextlib.contextmanager
def proven(directory: Path) -> Iterator[Proof]:
    """The whole scene in an empty directory."""
    data_dir, key_file = directory / "data", directory / "keys" / "seal.key"
    shares = make_seal(
        data_dir, "--key-file", key_file, "--shares", "2of3", secrets={"--passphrase-fd": PASSPHRASE}
    )
    enclave, cluster = new_enclave(), make_cluster(directory)
    store_secret = base64.b64encode(os.urandom(36)).decode()
    with XksProxy(directory) as proxy:
        proxy.credentials[ACCESS_KEY_ID] = store_secret
        credential = {"AccessKeyId": ACCESS_KEY_ID, "RawSecretAccessKey": store_secret}
        server = Server(
            "--auth", "strict", "--workers", "2", "--config", str(write_configuration(directory, cluster)),
            data_dir=data_dir, environment=environment_of(directory, proxy, enclave, key_file),
        )  # fmt: skip
        with unlimited_core_dumps():
            server.start()
        try:
            proof = Proof(server, data_dir, directory, key_file, list(shares), cluster.cluster_id)
            stores = {
                "external": proxy.store_members(XksProxyAuthenticationCredential=credential),
                "hsm": cluster.store_members("token store"),
            }
            proof.passed_through = {
                "secret of the store's proxy": store_secret.encode(),
                "password of the store's token": PASSWORD.encode(),
            }
            _plant_and_drive(proof, enclave, stores)
            yield proof
        finally:
            server.stop()


def _plant_and_drive(proof: Proof, enclave: Enclave, stores: dict[str, Any]) -> None:
    job = {
        "port": proof.server.port,
        "access_key_id": ROOT_ACCESS_KEY_ID,
        "secret_access_key": ROOT_SECRET_ACCESS_KEY,
        "region": REGION,
        "account": ACCOUNT,
        "calls": CALLS,
        "stores": stores,
    }
    (planted,) = answers_of(ask("plant_material", job))
    document = base64.b64encode(enclave.document(datetime.now(UTC), tagged=True)).decode()
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": document}
    keys = drive(proof, {**job, "keys": planted["keys"], "recipient": recipient})
    key_file, record = proof.key_file.read_bytes(), (proof.data_dir / "seal.record").read_bytes()
    proof.secrets = {
        "seal key file": key_file,
        **secrets_of_passphrase(record, PASSPHRASE),
        **secrets_of_shares(record, proof.shares),
        **{name: bytes.fromhex(secret) for name, secret in planted["secrets"].items()},
    }
    _add_hierarchy(proof, key_file, keys)


def _add_hierarchy(proof: Proof, key_file: bytes, keys: dict[str, str]) -> None:
    """The keys above, and those that cannot be imported, as the published formats give them."""
    hierarchy = open_data_directory(proof.data_dir, key_file)
    proof.secrets |= private_numbers_of(hierarchy, [keys["ECC_NIST_EDWARDS25519"], keys["ML_DSA_44"]])
    proof.secrets |= shared_secret_keys.secrets_of(
        hierarchy, {spec: keys[spec] for spec in ("ML_KEM_512", "ML_KEM_768")}
    )
    generated = [name for name, secret in hierarchy.items() if "backing key" in name and len(secret) == 32]
    proof.secrets |= {name: hierarchy[name] for name in generated[-GENERATED_LOOKED_FOR:]}
    for name, secret in hierarchy.items():
        # The answer of CreateAccessKey shows a secret to who asked for it: those have been in a worker.
        if name.startswith("secret access key of") and not name.endswith(ROOT_ACCESS_KEY_ID):
            proof.passed_through[name] = secret
        elif "backing key" not in name:
            proof.secrets[name] = secret
