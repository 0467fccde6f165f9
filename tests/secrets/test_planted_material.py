"""Planted key material is found nowhere outside the boundary: not in memory, files or logs.

The test is a third process: it writes the seal key file, works out every key under it from the
published formats, uses and abuses a real server, and then looks into all its processes. Each look has
a control that must be found, or it would prove nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import os
import resource
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from tests.secrets import shared_secret_keys
from tests.secrets.core_dumps import unlimited_core_dumps
from tests.secrets.imports import import_again
from tests.secrets.key_pairs import KEY_PAIRS
from tests.secrets.memory_scan import SHA2, Needles, compress, hmac_traces_of, traces_of
from tests.secrets.unwrap_hierarchy import (
    message_key_of,
    open_data_directory,
    private_numbers_of,
    signing_key_of,
    wrapping_prime_of,
)
from tests.support.http_front import RawClient, render_request
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

from strongroom.operations.table import KMS_OPERATIONS, NOT_BUILT

OPERATIONS_MIN = 1000
ROUNDS = 12
KEYS_LOOKED_FOR = 6
IMPORTS = 3
CONNECTIONS = 6
CONTEXT = {"purpose": "planted"}
CONTROL = ROOT_ACCESS_KEY_ID.encode()
"""Not secret, and in the memory of the supervisor and all workers."""

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)


@dataclass
class Planted:
    """A server that was used a lot, and all secrets that are in its hierarchy."""

    server: Server
    data_dir: Path
    secrets: dict[str, bytes] = field(default_factory=dict)
    signing_key: bytes = b""
    counted: Counter[str] = field(default_factory=Counter)
    """Calls by operation and outcome."""

    def pids(self, kind: str) -> list[int]:
        return [pid for title, found in self.server.processes().items() if kind in title for pid in found]

    def outside_the_boundary(self) -> dict[str, int]:
        """Every process of the server but the boundary, by title and number."""
        return {
            f"{title} ({pid})": pid
            for title, found in self.server.processes().items()
            for pid in found
            if "boundary" not in title
        }


def damaged(given: bytes) -> bytes:
    return given[:-1] + bytes([given[-1] ^ 1])


class Driver:
    """Uses every family of operations, well and badly, over several connections in turn."""

    def __init__(self, server: Server, counted: Counter[str]) -> None:
        self.server = server
        self.counted = counted
        self.clients = [
            server.client(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)
            for _ in range(CONNECTIONS)
        ]
        self.calls = 0

    def call(self, operation: str, **members: Any) -> Any:
        """One signed call; None when it was refused."""
        self.calls += 1
        client = self.clients[self.calls % CONNECTIONS]
        try:
            answer = client._make_api_call(operation, members)
        except ClientError as error:
            self.counted[f"{operation}: {error.response['Error']['Code']}"] += 1
            return None
        self.counted[f"{operation}: ok"] += 1
        return answer

    def send(self, operation: str, body: bytes, *, is_signed: bool = True) -> int:
        """One raw request with whatever body, well signed or not; the status."""
        headers = {"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1"}
        request = AWSRequest("POST", self.server.url + "/", headers=headers, data=body)
        secret = ROOT_SECRET_ACCESS_KEY if is_signed else "not-the-secret-but-as-long-as-the-right-one"
        SigV4Auth(Credentials(ROOT_ACCESS_KEY_ID, secret), "kms", REGION).add_auth(request)
        fields = [f"{name}: {value}".encode() for name, value in request.headers.items() if name != "Host"]
        with RawClient(self.server.port) as client:
            head, _, rest = render_request(body, fields=fields).partition(b"Host: localhost\r\n")
            host = f"Host: 127.0.0.1:{self.server.port}\r\n".encode()
            status = client.ask(head + host + rest).status
        self.counted[f"{operation}: {status} raw"] += 1
        return status

    def use_everything(self, at: int) -> bytes:
        """One round; returns a blob that was opened in it."""
        made = self.call("CreateKey", Tags=[{"TagKey": "round", "TagValue": str(at)}])
        key_id = made["KeyMetadata"]["KeyId"]
        name = f"alias/planted-{at}"
        self.call("CreateAlias", AliasName=name, TargetKeyId=key_id)
        blob: bytes = self.call("Encrypt", KeyId=name, Plaintext=b"kept", EncryptionContext=CONTEXT)[
            "CiphertextBlob"
        ]
        self.use_well(key_id, name, blob)
        self.use_badly(key_id, blob)
        self.manage(key_id, name)
        return blob

    def use_well(self, key_id: str, name: str, blob: bytes) -> None:
        for _ in range(6):
            assert (
                self.call("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"kept"
            )
            self.call("Encrypt", KeyId=key_id, Plaintext=os.urandom(4096))
            self.call("GenerateDataKey", KeyId=name, KeySpec="AES_256")
            self.call("GenerateDataKeyWithoutPlaintext", KeyId=key_id, NumberOfBytes=64)
            self.call("GenerateRandom", NumberOfBytes=1024)
            self.call(
                "ReEncrypt",
                CiphertextBlob=blob,
                SourceEncryptionContext=CONTEXT,
                DestinationKeyId=key_id,
            )

    def use_badly(self, key_id: str, blob: bytes) -> None:
        for at in (3, 25, 60, 75, len(blob) - 20, len(blob) - 1):
            forged = bytearray(blob)
            forged[at] ^= 0x40
            assert self.call("Decrypt", CiphertextBlob=bytes(forged), EncryptionContext=CONTEXT) is None
        assert self.call("Decrypt", CiphertextBlob=blob, EncryptionContext={"purpose": "another"}) is None
        assert self.call("Decrypt", CiphertextBlob=os.urandom(200)) is None
        assert self.call("Encrypt", KeyId="alias/not-there", Plaintext=b"x") is None
        for operation in [*KMS_OPERATIONS, *sorted(NOT_BUILT)[:3]]:
            self.send(operation, os.urandom(40))
            self.send(operation, b'{"KeyId": "' + b"x" * 3000 + b'", "Plaintext": {"a": [1, 2, {}]}}')
        assert self.send(
            "Encrypt", b'{"KeyId":"%b","Plaintext":"eA=="}' % key_id.encode(), is_signed=False
        ) in (
            400,
            403,
        )

    def use_key_pairs(self) -> list[str]:
        """Every family of key pairs, well and badly; the ids of its keys."""
        key_ids = []
        for spec, algorithm in KEY_PAIRS.items():
            usage = "ENCRYPT_DECRYPT" if "encryption" in spec else "SIGN_VERIFY"
            spec_name = spec.split(" ")[0]
            made = self.call("CreateKey", KeySpec=spec_name, KeyUsage=usage)["KeyMetadata"]
            key_ids.append(made["KeyId"])
            named = {"KeyId": made["KeyId"]}
            self.call("GetPublicKey", **named)
            for _ in range(2 * CONNECTIONS):
                if usage == "SIGN_VERIFY":
                    message = {**named, "Message": os.urandom(64), "SigningAlgorithm": algorithm}
                    signature = self.call("Sign", **message)["Signature"]
                    assert self.call("Verify", **message, Signature=signature)["SignatureValid"]
                    assert self.call("Verify", **message, Signature=damaged(signature)) is None
                else:
                    sealing = {**named, "EncryptionAlgorithm": algorithm}
                    blob = self.call("Encrypt", **sealing, Plaintext=b"kept")["CiphertextBlob"]
                    assert self.call("Decrypt", **sealing, CiphertextBlob=blob)["Plaintext"] == b"kept"
                    assert self.call("Decrypt", **sealing, CiphertextBlob=damaged(blob)) is None
        return key_ids

    def manage(self, key_id: str, name: str) -> None:
        self.call("DescribeKey", KeyId=key_id)
        self.call("UpdateKeyDescription", KeyId=key_id, Description="planted")
        self.call("TagResource", KeyId=key_id, Tags=[{"TagKey": "a", "TagValue": "b"}])
        self.call("ListResourceTags", KeyId=key_id)
        self.call("UntagResource", KeyId=key_id, TagKeys=["a"])
        policy = self.call("GetKeyPolicy", KeyId=key_id)["Policy"]
        self.call("PutKeyPolicy", KeyId=key_id, Policy=policy)
        self.call("ListKeyPolicies", KeyId=key_id)
        self.call("ListKeys")
        self.call("ListAliases")
        self.call("UpdateAlias", AliasName=name, TargetKeyId=key_id)
        self.call("DeleteAlias", AliasName=name)
        self.call("RotateKeyOnDemand", KeyId=key_id)
        while "OnDemandRotationStartDate" in self.call("GetKeyRotationStatus", KeyId=key_id):
            time.sleep(0.05)
        self.call("Encrypt", KeyId=key_id, Plaintext=b"by the new material")
        self.call("ListKeyRotations", KeyId=key_id, IncludeKeyMaterial="ALL_KEY_MATERIAL")
        self.call("DisableKey", KeyId=key_id)
        self.call("Encrypt", KeyId=key_id, Plaintext=b"refused")
        self.call("EnableKey", KeyId=key_id)
        self.call("ScheduleKeyDeletion", KeyId=key_id, PendingWindowInDays=7)
        self.call("Encrypt", KeyId=key_id, Plaintext=b"refused")
        self.call("CancelKeyDeletion", KeyId=key_id)
        self.call("EnableKey", KeyId=key_id)


def send_noise(port: int) -> None:
    """Bytes that are no HTTP at all."""
    for noise in (
        os.urandom(500),
        b"GET /" + b"\xff" * 300 + b" HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\n: \r\n\r\n",
    ):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as stream:
            stream.sendall(noise)
            stream.settimeout(2)
            stream.recv(65536)


def use_with_tampered_tokens(planted: Planted, driver: Driver, blob: bytes) -> None:
    """What the boundary must refuse, as somebody who can write the database would plant it."""
    victim = driver.call("CreateKey")["KeyMetadata"]["KeyId"]
    spoiled = driver.call("CreateKey")["KeyMetadata"]["KeyId"]
    with contextlib.closing(sqlite3.connect(planted.data_dir / "strongroom.db")) as database, database:
        (token,) = database.execute(
            "SELECT exported_token FROM key_materials WHERE key_id = ?", (spoiled,)
        ).fetchone()
        changed = token[:-1] + bytes([token[-1] ^ 1])
        database.execute("UPDATE key_materials SET exported_token = ? WHERE key_id = ?", (changed, spoiled))
        database.execute("UPDATE key_materials SET exported_token = ? WHERE key_id = ?", (token, victim))
    for worker in planted.pids("worker"):  # what others remember of the store is forgotten with one
        os.kill(worker, signal.SIGKILL)
        break
    time.sleep(0.5)
    refused = 0
    for key_id in (victim, spoiled):
        for _ in range(2 * CONNECTIONS):
            with contextlib.suppress(Exception):
                refused += driver.call("Encrypt", KeyId=key_id, Plaintext=b"x") is None
    assert refused >= 2 * CONNECTIONS
    assert driver.call("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT) is not None
    # Put right what the hierarchy is read from.
    with contextlib.closing(sqlite3.connect(planted.data_dir / "strongroom.db")) as database, database:
        database.execute("DELETE FROM key_materials WHERE key_id IN (?, ?)", (victim, spoiled))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    """A strict server over a key file of ours, after more than a thousand calls of every kind."""
    data_dir = tmp_path_factory.mktemp("planted") / "data"
    data_dir.mkdir(mode=0o700)
    key_file = os.urandom(32)
    fd = os.open(data_dir / "seal.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, key_file)
    os.close(fd)
    server = Server("--auth", "strict", "--workers", "2", data_dir=data_dir, environment=strict_environment())
    with unlimited_core_dumps():
        server.start()
    try:
        planted = Planted(server, data_dir)
        driver = Driver(server, planted.counted)
        use_with_tampered_tokens(planted, driver, driver.use_everything(0))  # costs a worker: so it is first
        send_noise(server.port)
        blobs = [driver.use_everything(at) for at in range(1, 1 + ROUNDS)]
        key_pairs, shared = driver.use_key_pairs(), shared_secret_keys.use_all(driver.call, 2 * CONNECTIONS)
        imported = {f"imported material {at}": os.urandom(32) for at in range(IMPORTS)}
        tokens = [import_again(driver.call, material) for material in imported.values()]
        planted.secrets = imported | read_secrets(data_dir, key_file, blobs[:KEYS_LOOKED_FOR])
        hierarchy = open_data_directory(data_dir, key_file)
        planted.secrets |= shared_secret_keys.secrets_of(hierarchy, shared)
        planted.secrets |= private_numbers_of(hierarchy, key_pairs)
        for at, token in enumerate(tokens):
            planted.secrets[f"wrapping key {at}"] = wrapping_prime_of(token, hierarchy, REGION)
        today = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d")
        planted.signing_key = signing_key_of(ROOT_SECRET_ACCESS_KEY.encode(), today, REGION, "kms")
        yield planted
    finally:
        server.stop()


def name_of_key(blob: bytes) -> str:
    text = blob[4:20].hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def read_secrets(data_dir: Path, key_file: bytes, blobs: list[bytes]) -> dict[str, bytes]:
    """The whole hierarchy above the keys of these blobs, and the message keys of the blobs."""
    hierarchy = open_data_directory(data_dir, key_file)
    used = {f"backing key of {name_of_key(blob)}" for blob in blobs}
    secrets = {
        name: secret
        for name, secret in hierarchy.items()
        if "backing key" not in name or name.removeprefix("rotated ") in used
    }
    for blob in blobs:
        name = name_of_key(blob)
        secrets[f"message key under {name}"] = message_key_of(blob, hierarchy[f"backing key of {name}"])
    return {"seal key file": key_file, **secrets}


def test_planted_hierarchy_is_the_one_in_use(planted: Planted) -> None:
    """The needles are right: opened by the published formats alone, and the server was really used."""
    kinds = Counter(name.split(" of ")[0].split(" under ")[0] for name in planted.secrets)
    assert kinds["backing key"] == kinds["message key"] == kinds["rotated backing key"] == KEYS_LOOKED_FOR
    assert kinds["domain key"] == 2
    assert kinds["root key"] == kinds["seal slot key"] == kinds["seal key file"] == 1
    assert planted.secrets[f"secret access key of {ROOT_ACCESS_KEY_ID}"] == ROOT_SECRET_ACCESS_KEY.encode()
    succeeded = {name.removesuffix(": ok") for name in planted.counted if name.endswith(": ok")}
    assert len(succeeded) >= 24
    assert sum(planted.counted.values()) >= OPERATIONS_MIN
    refused = sum(count for name, count in planted.counted.items() if not name.endswith(": ok"))
    assert refused > 200


@needs_root
def test_planted_keys_are_in_no_process_but_the_boundary(
    planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    """Memory, environment and arguments of supervisor, workers, job runner and audit writer."""
    needles, control = Needles(planted.secrets), Needles({"control": CONTROL})
    processes = planted.outside_the_boundary()
    assert len(processes) == 5, processes
    for title, pid in processes.items():
        assert needles.find_in_process(pid) == Counter(), title
        if "audit" not in title:
            assert control.find_in_process(pid), f"the scanner does not see into {title}"
    with capsys.disabled():
        sys.stdout.write(
            f"\n{len(planted.secrets)} secrets, {sum(planted.counted.values())} calls: nothing in "
            f"{', '.join(sorted(processes))}\n"
        )


@needs_root
def test_planted_keys_are_in_the_boundary_itself(
    planted: Planted, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control of the search above: with the same needles it finds what the boundary must have."""
    found: Counter[str] = Counter()
    for pid in planted.pids("boundary"):
        found += Needles(planted.secrets).find_in_process(pid)
    hits: Counter[str] = Counter()
    for trace, count in found.items():
        hits[trace.rsplit(": ", 1)[0]] += count
    with capsys.disabled():
        sys.stdout.write(f"\nin the boundary: {dict(hits)}\n")
    held = [
        name
        for name in planted.secrets
        if name.startswith(("root", "domain", "backing", "rotated", "imported", "secret access"))
    ]
    assert [name for name in held if not hits[name]] == []
    pairs = {name.rsplit(" of ", 1)[1] for name in planted.secrets if name.startswith("private")}
    assert len(pairs) == len(KEY_PAIRS)
    seen = {name.rsplit(" of ", 1)[1] for name in hits if name.startswith("private")}
    assert seen == pairs
    assert shared_secret_keys.specs_among(hits) == shared_secret_keys.KEY_SPECS.keys()


def test_planted_keys_are_in_no_file_and_no_log(planted: Planted) -> None:
    """The key file alone holds what opens the rest; the database, its log and the trail hold tokens."""
    key_file = planted.data_dir / "seal.key"
    needles = Needles(planted.secrets)
    assert needles.find_in_files(planted.data_dir, leave_out=[key_file]) == {}
    assert set(needles.find_in_files(planted.data_dir)) == {key_file}
    looked_at = {path.name for path in planted.data_dir.rglob("*")}
    assert {"strongroom.db", "strongroom.db-wal", "strongroom.db-shm", "seal.record", "head"} <= looked_at
    assert needles.find_in([bytes(planted.server.logged)]) == Counter()
    assert b"a request failed with TokenRefused" in planted.server.logged


@needs_root
def test_signing_key_of_the_day_is_all_that_workers_have_of_a_secret_access_key(planted: Planted) -> None:
    """It is good for one day, Region and service. That it is found shows that the search sees the keys
    that a worker has, in the form it has them."""
    signing_key = Needles({"signing key": planted.signing_key})
    assert any(signing_key.find_in_process(pid) for pid in planted.pids("worker"))
    secret = Needles({"with its prefix": b"AWS4" + ROOT_SECRET_ACCESS_KEY.encode()})
    for title, pid in planted.outside_the_boundary().items():
        assert secret.find_in_process(pid) == Counter(), title


def test_worker_aborted_leaves_no_core_dump_and_is_replaced(tmp_path: Path) -> None:
    """On a server of its own: the search of the other one wants workers that have seen much."""
    data_dir = tmp_path / "data"
    with unlimited_core_dumps(), Server("--workers", "2", data_dir=data_dir) as server:
        planted = Planted(server, data_dir)
        before = planted.pids("worker")
        victim = before[0]
        assert resource.prlimit(victim, resource.RLIMIT_CORE) == (0, 0)
        directories = [Path(os.readlink(f"/proc/{victim}/cwd")), data_dir]
        files_before = [set(directory.iterdir()) for directory in directories]
        os.kill(victim, signal.SIGABRT)
        deadline = time.monotonic() + 30
        while victim in planted.pids("worker") or len(planted.pids("worker")) < len(before):
            assert time.monotonic() < deadline, "the worker was not replaced"
            time.sleep(0.02)
        for directory, files in zip(directories, files_before, strict=True):
            assert not [path for path in set(directory.iterdir()) - files if "core" in path.name]
        assert "Keys" in server.client(retries=3).list_keys()


@needs_root
def test_memory_of_the_boundary_is_closed_to_another_user(planted: Planted) -> None:
    """As gcore would read it. A worker, which is dumpable to its own user, is closed as well."""
    script = textwrap.dedent("""
        import ctypes, os, sys
        os.setgroups([]); os.setgid(65534); os.setuid(65534)
        ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # changing users took it away
        def look(path):
            try: open(path, "rb", buffering=0).read(1)
            except PermissionError: return "refused"
            except OSError as error: return "allowed"
            return "allowed"
        print(look(f"/proc/{os.getpid()}/mem"), *(look(f"/proc/{pid}/{name}")
            for pid in sys.argv[1:] for name in ("mem", "maps", "environ")))
    """)
    pids = [str(pid) for kind in ("boundary", "worker", "supervisor") for pid in planted.pids(kind)]
    seen = subprocess.run(
        [sys.executable, "-I", "-c", script, *pids], capture_output=True, text=True, timeout=20, check=True
    ).stdout.split()
    assert seen[0] == "allowed"
    assert set(seen[1:]) == {"refused"}


@needs_root
def test_boundary_is_not_dumpable(planted: Planted) -> None:
    """The kernel gives the files under /proc of a process that is not dumpable to root, whoever runs it;
    that its own user is refused is shown in test_boundary_keeps_secrets.py."""
    for pid in planted.pids("boundary"):
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (core,) = [line.split()[4:6] for line in limits if line.startswith("Max core file size")]
        assert core == ["0", "0"]
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.parametrize("name", sorted(SHA2))
def test_scanner_knows_the_states_of_sha2(name: str) -> None:
    """Its own compression function, against the library: an HMAC finished from the two states."""
    sha = SHA2[name]
    key, message = os.urandom(32), b"message"
    traces = hmac_traces_of(key)
    digest = message
    for half in ("inner", "outer"):
        state = struct.unpack("=8" + sha.code, traces[f"{sha.name} HMAC {half} state"])
        zeros = bytes(sha.block_bytes - len(digest) - 9)
        padding = b"\x80" + zeros + struct.pack(">Q", (sha.block_bytes + len(digest)) * 8)
        digest = struct.pack(">8" + sha.code, *compress(sha, state, digest + padding))
        digest = digest[: hashlib.new(name).digest_size]
    assert digest == hmac.digest(key, message, name)


def test_scanner_finds_every_form_of_a_secret_across_chunks() -> None:
    """The scanner itself: each trace, at each place, also where two reads meet."""
    secret = os.urandom(32)
    needles = Needles({"secret": secret})
    for name, trace in traces_of(secret).items():
        for begin in range(len(trace.data) - trace.shared + 1):
            run = trace.data[begin : begin + trace.shared]
            for cut in (0, 1, len(run) // 2, len(run) - 1, len(run)):
                chunks = [os.urandom(93 + begin % 8) + run[:cut], run[cut:] + os.urandom(100)]
                assert needles.find_in(chunks)[f"secret: {name}"] >= 1, (name, begin, cut)
            ahead = bytes([trace.data[begin - 1] ^ 0x80])
            shorter = os.urandom(begin) + ahead + run[:-1] + bytes([run[-1] ^ 0x80])
            assert not needles.find_in([shorter])[f"secret: {name}"], (name, begin)
    assert needles.find_in([secret[:10], b"", secret[10:16]]) == Counter()
    assert needles.find_in([os.urandom(1 << 20)]) == Counter()
