"""The key material of a replicated key is where a key's material is: in the boundary, and nowhere else.

Beside the hierarchy's own keys, what replication adds is looked for: the material on its way, the
private keys of the Regions, and the key that authenticates messages.
"""

from __future__ import annotations

import base64
import contextlib
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.secrets.memory_scan import Needles
from tests.secrets.unwrap_hierarchy import open_data_directory, open_token
from tests.secrets.unwrap_seal import derive
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)

OTHER_REGIONS = ("us-west-2", "ap-southeast-1")
KEYS = 6
MLKEM_SEED_BYTES = 64

needs_root = pytest.mark.skipif(
    os.geteuid() != 0,
    reason="only root can look into a process that is not dumpable: memory was NOT searched",
)


class Replicated:
    """A server with replicated keys that were used in every Region, and all that must stay inside."""

    def __init__(self, server: Server, data_dir: Path, key_file: bytes) -> None:
        self.server = server
        self.data_dir = data_dir
        hierarchy = open_data_directory(data_dir, key_file)
        root_key = hierarchy["root key"]
        self.secrets = {name: secret for name, secret in hierarchy.items() if "access key" not in name}
        self.replication_keys: dict[str, bytes] = {}
        with contextlib.closing(sqlite3.connect(data_dir / "strongroom.db")) as database:
            domain_keys = {
                domain_key_id: open_token(token, root_key)
                for domain_key_id, token in database.execute("SELECT domain_key_id, token FROM domain_keys")
            }
            for name, value in database.execute(
                "SELECT name, value FROM settings WHERE name LIKE 'replication_key/%'"
            ):
                token = base64.b64decode(value)
                self.replication_keys[name] = open_token(token, domain_keys[token[2:18]])
            self.copies = database.execute(
                "SELECT key_id, region, exported_token FROM key_materials ORDER BY key_id, region"
            ).fetchall()
            self.opened = {
                (key_id, region): open_token(token, domain_keys[token[2:18]])
                for key_id, region, token in self.copies
            }
        for name, private in self.replication_keys.items():
            self.secrets[f"seed of {name}"] = private[:MLKEM_SEED_BYTES]
            self.secrets[f"X25519 key of {name}"] = private[MLKEM_SEED_BYTES:]
        for region in OTHER_REGIONS:
            regions = f"{REGION}>{region}".encode()
            self.secrets[f"authentication key to {region}"] = derive(
                root_key, b"strongroom replication source", regions
            )

    def outside_the_boundary(self) -> dict[str, int]:
        return {
            f"{title} ({pid})": pid
            for title, found in self.server.processes().items()
            for pid in found
            if "boundary" not in title
        }


def use(server: Server) -> None:
    """Keys are replicated to two Regions, used in all, and change roles; some calls are refused."""
    clients = {
        region: server.client(
            region=region,
            access_key_id=ROOT_ACCESS_KEY_ID,
            secret_access_key=ROOT_SECRET_ACCESS_KEY,
        )
        for region in (REGION, *OTHER_REGIONS)
    }
    kms = clients[REGION]
    key_ids = [kms.create_key(MultiRegion=True)["KeyMetadata"]["KeyId"] for _ in range(KEYS)]
    for key_id in key_ids:
        for region in OTHER_REGIONS:
            kms.replicate_key(KeyId=key_id, ReplicaRegion=region)
            with pytest.raises(kms.exceptions.AlreadyExistsException):
                kms.replicate_key(KeyId=key_id, ReplicaRegion=region)
    for key_id in key_ids:
        for region in OTHER_REGIONS:
            wait_until_enabled(clients[region], key_id)
        for sealing in clients.values():
            blob = sealing.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
            for opening in clients.values():
                assert opening.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x"
    kms.update_primary_region(KeyId=key_ids[0], PrimaryRegion=OTHER_REGIONS[0])


def wait_until_enabled(client: Any, key_id: str) -> None:
    deadline = time.monotonic() + 15
    while client.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] != "Enabled":
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicated]:
    """A strict server over a key file of ours."""
    data_dir = tmp_path_factory.mktemp("replicated") / "data"
    data_dir.mkdir(mode=0o700)
    key_file = os.urandom(32)
    fd = os.open(data_dir / "seal.key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, key_file)
    os.close(fd)
    with Server(
        "--auth", "strict", "--workers", "2", data_dir=data_dir, environment=strict_environment()
    ) as server:
        use(server)
        yield Replicated(server, data_dir, key_file)


def test_every_region_has_the_same_material_under_a_domain_key_of_its_own(replicated: Replicated) -> None:
    """The needles are right: opened by the published formats alone."""
    assert len(replicated.copies) == KEYS * 3
    by_key: dict[str, set[bytes]] = {}
    for (key_id, _), material in replicated.opened.items():
        by_key.setdefault(key_id, set()).add(material)
    assert [len(materials) for materials in by_key.values()] == [1] * KEYS
    assert len({token[2:18] for _, _, token in replicated.copies}) == 3
    assert len({token for _, _, token in replicated.copies}) == KEYS * 3
    assert len(replicated.replication_keys) == 2
    assert {len(private) for private in replicated.replication_keys.values()} == {96}


@needs_root
def test_replicated_material_is_in_no_process_but_the_boundary(replicated: Replicated) -> None:
    needles = Needles(replicated.secrets)
    control = Needles({"control": ROOT_ACCESS_KEY_ID.encode()})
    processes = replicated.outside_the_boundary()
    assert len(processes) == 5, processes
    for title, pid in processes.items():
        assert needles.find_in_process(pid) == Counter(), title
        if "audit" not in title:
            assert control.find_in_process(pid), f"the scanner does not see into {title}"


@needs_root
def test_replicated_material_is_in_the_boundary(replicated: Replicated) -> None:
    """The control of the search above: the same needles find what the boundary must have."""
    found: Counter[str] = Counter()
    for title, pids in replicated.server.processes().items():
        if "boundary" in title:
            for pid in pids:
                found += Needles(replicated.secrets).find_in_process(pid)
    held = [name for name in replicated.secrets if name.startswith("backing key")]
    assert held
    assert [name for name in held if not any(trace.startswith(name) for trace in found)] == []


def test_replicated_material_is_in_no_file_and_no_log(replicated: Replicated) -> None:
    needles = Needles(replicated.secrets)
    key_file = replicated.data_dir / "seal.key"
    assert needles.find_in_files(replicated.data_dir, leave_out=[key_file]) == {}
    assert needles.find_in([bytes(replicated.server.logged)]) == Counter()
