"""The secret of an access key is told once: after that it is in the boundary's tokens and nowhere else.

A worker signs and verifies with derived keys only. Sessions: the secret of temporary credentials is in no
record, file or repr either, and the session token does not hold it readably.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.secrets.memory_scan import Needles
from tests.support.road import Road
from tests.support.server import STRONGROOM, Server, strict_environment

from strongroom.identity.principal import PrincipalType
from strongroom.identity.temporary_credentials import make_temporary_credentials
from strongroom.resources.identifiers import AccountId

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)
USES = 50


class Told:
    """A server, and the credentials that its command line has told."""

    def __init__(self, server: Server, data_dir: Path) -> None:
        self.server = server
        self.data_dir = data_dir
        self.credentials = [
            self._shown("account", "create", "--name", "Payments"),
            self._shown("service", "register", "s3"),
        ]
        self.needles = Needles(
            {f"secret of {access_key_id}": secret.encode() for access_key_id, secret in self.credentials}
        )

    def _shown(self, *arguments: str) -> tuple[str, str]:
        made = subprocess.run(
            [str(STRONGROOM), *arguments, "--data-dir", str(self.data_dir)],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        found = re.search(r"AWS_ACCESS_KEY_ID=(\S+)\nexport AWS_SECRET_ACCESS_KEY=(\S+)\n", made.stdout)
        assert found is not None, made.stdout
        return found[1], found[2]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    data_dir = tmp_path_factory.mktemp("told") / "data"
    with Server(
        "--auth", "strict", "--workers", "2", data_dir=data_dir, environment=strict_environment()
    ) as server:
        told = Told(server, data_dir)
        root, service = (
            server.client(access_key_id=access_key_id, secret_access_key=secret)
            for access_key_id, secret in told.credentials
        )
        for _ in range(USES):
            root.generate_random(NumberOfBytes=1)
            service.generate_random(NumberOfBytes=1)
        yield told


@needs_root
def test_secret_that_was_told_is_in_no_worker_that_verifies_with_it(told: Told) -> None:
    control = Needles({"control": told.credentials[0][0].encode()})
    workers = {
        pid: title for title, pids in told.server.processes().items() for pid in pids if "worker" in title
    }
    assert len(workers) == 2
    seen: Counter[str] = Counter()
    for pid, title in workers.items():
        assert told.needles.find_in_process(pid) == Counter(), title
        seen += control.find_in_process(pid)
    assert seen, "the scanner does not see into the workers"


def test_secret_that_was_told_is_in_no_file_and_no_log(told: Told) -> None:
    assert told.needles.find_in_files(told.data_dir, leave_out=[]) == {}
    assert told.needles.find_in([bytes(told.server.logged)]) == Counter()
    control = Needles({"control": told.credentials[0][0].encode()})
    assert control.find_in_files(told.data_dir, leave_out=[]), "the scanner does not see into the files"


def test_secret_of_a_session_is_in_no_file_no_record_and_no_repr(tmp_path: Path) -> None:
    with Road(tmp_path) as road:
        road.wait(road.store.ping())
        made = road.wait(
            make_temporary_credentials(
                road.boundary,
                road.clock,
                kind=PrincipalType.ROOT,
                account_id=AccountId("111122223333"),
                unique_id="111122223333",
                duration_seconds=900,
            )
        )
        road.create_key()
        part = made.session_token[100:140].encode()
        needles = Needles({"secret": made.secret_access_key.encode(), "token": part})
        assert needles.find_in([repr(made).encode(), repr(road.audit.records).encode()]) == Counter()
        assert needles.find_in_files(tmp_path, leave_out=[]) == {}
        secret_only = Needles({"secret": made.secret_access_key.encode()})
        assert secret_only.find_in([made.session_token.encode()]) == Counter()
        assert needles.find_in([f"{made.secret_access_key} {made.session_token}".encode()])
