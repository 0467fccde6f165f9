"""The processes of a server that are not the boundary reach nothing but what their work needs.

The attempts are made by tests/support/confined_attempts.py, which is confined by the server's own functions,
with what the server would give them; the processes of a real server are looked at from outside.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.oidc import HOST, URL, Issuer
from tests.support.server import (
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    STRONGROOM,
    Server,
    strict_environment,
)

ATTEMPTS = Path(__file__).parents[1] / "support" / "confined_attempts.py"
LANDLOCK = "no files but its own (Landlock)"
PORTS = "no connections but to named ports (Landlock)"
SIGNALS = "no signals to others (Landlock)"
SECCOMP = "no other system calls (seccomp)"
CONFINED = ("worker 1", "worker 2", "jobs", "audit")


def _confinement(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return {name: fields[name] for name in ("NoNewPrivs", "Seccomp")}


def _status(data: Path) -> dict[str, dict[str, str]]:
    """The protections of each process."""
    told = subprocess.run(
        [STRONGROOM, "status", "--data-dir", data, "--json"], capture_output=True, timeout=60, check=True
    )
    return {process["name"]: process["protections"] for process in json.loads(told.stdout)["processes"]}


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[int, int]]:
    """Two ports at which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        yield one.getsockname()[1], other.getsockname()[1]


@pytest.fixture(scope="module", params=["worker", "jobs", "writer"])
def tried(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, listening: tuple[int, int]
) -> dict[str, Any]:
    """What the attempts came to, beside a running server."""
    directory = tmp_path_factory.mktemp(request.param)
    data = directory / "data"
    (directory / "backup").touch()
    with Server(data_dir=data) as server:
        server.client().create_key()
        (data / "domain-keys.anchor").touch()
        (data / "removable").touch()
        finished = subprocess.run(
            [sys.executable, ATTEMPTS, request.param, data, data / "seal.key", *map(str, listening)],
            capture_output=True,
            timeout=60,
            check=False,
            env={"PATH": os.defpath},
        )
        server.client().create_key()
    assert finished.returncode == 0, finished.stderr.decode()
    assert not (data / "new").exists()
    assert (data / "removable").exists()
    told: dict[str, Any] = json.loads(finished.stdout)
    told["held"] = {line.split("\t")[0] for line in told["report"].splitlines() if line.endswith("\theld")}
    return told


def test_attempts_came_to_something_before(tried: dict[str, Any]) -> None:
    assert set(tried["before"].values()) == {"allowed"}


def test_confined_process_fails_in_every_attempt(tried: dict[str, Any]) -> None:
    """INVARIANTS F1, F2 and A8, in a thread that began later, too."""
    missing = {LANDLOCK, SECCOMP} - tried["held"]
    if missing:
        pytest.skip(f"this host does not allow: {', '.join(missing)}")
    not_here = set()
    if PORTS not in tried["held"]:
        not_here.add("connect elsewhere")
    for found in (tried["after"], tried["thread"]):
        refused = {name: result for name, result in found.items() if name not in not_here}
        assert {name: result for name, result in refused.items() if result not in ("EPERM", "EACCES")} == {}


def test_confined_process_does_its_work(tried: dict[str, Any]) -> None:
    work = tried["work"]
    if "trail" in work:
        assert work == {"trail": "True", "files": "3"}
        return
    assert work.pop("setting") == "written"
    assert set(work.values()) == {"allowed"}, work


def test_server_has_every_process_confined_and_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Server("--workers", "2", data_dir=data) as server:
        told = _status(data)
        pids = {title.removeprefix("strongroom: "): pids[0] for title, pids in server.processes().items()}
        for name in CONFINED:
            assert _confinement(pids[name]) == {"NoNewPrivs": "1", "Seccomp": "2"}, name
            assert set(told[name].values()) == {"held"}, (name, told[name])
            assert {LANDLOCK, SECCOMP, SIGNALS} <= told[name].keys()
        text = subprocess.run(
            [STRONGROOM, "status", "--data-dir", data], capture_output=True, timeout=60, check=True
        ).stdout.decode()
        assert "protections of the other processes (all held)" in text
        assert "jobs, worker 1, worker 2\n" in text


def test_database_is_one_file_when_the_server_has_ended(tmp_path: Path) -> None:
    """Its processes could not remove the log; whoever puts a copy of the database back must not find it."""
    data = tmp_path / "data"
    with Server(data_dir=data) as server:
        for _ in range(3):
            server.client().create_key()
        assert (data / "strongroom.db-wal").exists()
        assert server.stop() == 0
    assert {file.name for file in data.glob("strongroom.db*")} == {"strongroom.db", "strongroom.db-ballast"}
    with Server(data_dir=data) as server:
        assert len(server.client().list_keys()["Keys"]) == 3


def test_processes_that_were_started_again_are_confined_and_work(tmp_path: Path) -> None:
    """The write-ahead log, the ledger and the ballast are still the same files."""
    data = tmp_path / "data"
    with Server("--workers", "2", data_dir=data) as server:
        kms = server.client(retries=5)
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        for name in (*CONFINED, "worker 1", "worker 2"):
            title = f"strongroom: {name}"
            (before,) = server.processes()[title]
            os.kill(before, signal.SIGKILL)
            deadline = time.monotonic() + 20
            while server.processes().get(title, [before]) == [before]:
                assert time.monotonic() < deadline, name
                time.sleep(0.02)
            blob = kms.encrypt(KeyId=key_id, Plaintext=b"still")["CiphertextBlob"]
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"still"
            kms.create_key()
        deadline = time.monotonic() + 20
        while not all(_status(data).get(name) for name in CONFINED):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        for pids in (server.processes()[f"strongroom: {name}"] for name in CONFINED):
            assert [_confinement(pid) for pid in pids] == [{"NoNewPrivs": "1", "Seccomp": "2"}]
        alias = kms.create_alias(AliasName="alias/again", TargetKeyId=key_id)
        assert alias["ResponseMetadata"]["HTTPStatusCode"] == 200
        kms.delete_alias(AliasName="alias/again")
        assert b"Traceback" not in server.logged, server.logged.decode()


def test_key_set_that_was_replaced_is_read_again_though_it_lies_beside_the_seal_key(tmp_path: Path) -> None:
    """The supervisor opens it: a worker that could read the directory could read the seal key."""
    issuer = Issuer(tmp_path)
    environment = {
        **strict_environment(),
        "STRONGROOM_OIDC_ISSUERS": f"{URL}={issuer.file}",
        "STRONGROOM_SEAL_KEY_FILE": str(tmp_path / "seal.key"),
    }
    trust = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Principal": {"Federated": f"arn:aws:iam::000000000000:oidc-provider/{HOST}"},
        },
    }
    with Server("--auth", "strict", data_dir=tmp_path / "data", environment=environment) as server:
        iam = server.client("iam", access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)
        iam.create_open_id_connect_provider(Url=URL, ClientIDList=["sts.amazonaws.com"])
        role = iam.create_role(RoleName="pod", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        sts = server.client("sts")

        def assume(algorithm: str) -> str:
            token = issuer.token(algorithm=algorithm)
            try:
                answer = sts.assume_role_with_web_identity(
                    RoleArn=role, RoleSessionName="session", WebIdentityToken=token
                )
            except sts.exceptions.ClientError as refused:
                return str(refused.response["Error"]["Code"])
            return str(answer["SubjectFromWebIdentityToken"])

        subject = assume("RS256")
        assert subject.startswith("system:serviceaccount:")
        assert assume("ES384") == "InvalidIdentityToken"
        issuer.publish("ES384")
        assert assume("ES384") == subject
        assert assume("RS256") == "InvalidIdentityToken"


def _run_without(calls: dict[str, tuple[int, int]], data: Path) -> list[str]:
    """A command that runs `strongroom dev` where the host knows none of `calls`."""
    program = (
        "import os, sys; from strongroom.confinement import libc, seccomp\n"
        f"libc.prctl(libc.PR_SET_NO_NEW_PRIVS, 1); seccomp.forbid({calls!r})\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    return [sys.executable, "-c", program, str(STRONGROOM), "dev", "--port", "0", "--data-dir", str(data)]


@pytest.mark.parametrize(
    ("calls", "lost", "sentence"),
    [
        (
            {"landlock_create_ruleset": (444, 444)},
            (LANDLOCK, PORTS, SIGNALS),
            "not held: the kernel has no Landlock: Linux 5.13 or later with landlock in lsm=",
        ),
        ({"seccomp": (317, 277)}, (SECCOMP,), "not held: the host allows no seccomp filter"),
    ],
)
def test_server_on_a_lesser_host_serves_and_says_what_does_not_hold(
    tmp_path: Path, calls: dict[str, tuple[int, int]], lost: tuple[str, ...], sentence: str
) -> None:
    """INVARIANT F3."""
    data = tmp_path / "data"
    server = Server(data_dir=data)
    server.command = _run_without(calls, data)
    with server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        assert kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
        told = _status(data)
        for name in ("worker 1", "jobs", "audit"):
            for protection, state in told[name].items():
                assert state == (sentence if protection in lost else "held"), (name, protection)


def test_worker_that_cannot_be_confined_though_the_host_could_does_not_serve(tmp_path: Path) -> None:
    """INVARIANT F3: the ruleset can be made and not be put into force."""
    data = tmp_path / "data"
    finished = subprocess.run(
        _run_without({"landlock_restrict_self": (446, 446)}, data),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 255
    assert b"Ready." not in finished.stdout
    assert b"A process could not be confined, no files but its own (Landlock): " in finished.stderr
    shutil.rmtree(data)


def test_process_with_a_thread_is_not_confined_by_halves(tmp_path: Path) -> None:
    """INVARIANT F4."""
    program = (
        "import sys, threading, time; from strongroom.confinement import confined\n"
        "confined._THREADS_END_SECONDS = 0.2\n"
        "threading.Thread(target=time.sleep, args=(20,), daemon=True).start()\n"
        "try: confined.confine_writer(sys.argv[1])\n"
        "except confined.ConfinementFailed as failure: print(failure)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, timeout=30, check=True, text=True
    )
    assert finished.stdout == "A process could not be confined: it has threads already.\n"
