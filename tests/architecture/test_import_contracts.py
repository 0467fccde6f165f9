"""The import contracts hold, and each of them would notice what it forbids."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

ONE_WAY = "One way through the house"
CYCLES = "No cycles inside a room"
CRYPTOGRAPHY = "Only the boundary touches cryptography; attestation and audit verify"
ONE_LIBRARY = "Attestation reads CBOR with its own reader, and needs one library"
ATTESTATION = "Attestation knows nothing of the service"
TOKENS = "Only federation reads web identity tokens"
FEDERATION = "Federation knows nothing of the service"
KEY_MATERIAL = "Key material only through the boundary's process"
PKCS11 = "Only the boundary's process and those of HSM clusters use a PKCS#11 token"
HSM_PROCESS = "The process of an HSM cluster knows nothing of the service"
HSM_CLIENTS = "Key stores in HSM clusters know the port they stand behind, and no service"
BOUNDARY_ALONE = "The boundary knows nothing of the service"
SMALL = "The boundary's process, the audit writer and those of HSM clusters stay small"
DATABASE = "Only the store opens a database"
HTTP = "Only the wire serves HTTP"
HTTP_PARSER = "Only the wire and the client of proxies read HTTP"
PROXIES = "External key stores know the port they stand behind, and no service"
PORTS = "Rooms meet the boundary, the store and the audit trail at their interfaces"
FRONT_DOOR = "The wire speaks only to the pipeline"
PURE = "Authorization decides from what it is given"
FAMILIES = "Operation families do not call each other"
BACKUPS = "Backups know files, and neither keys nor rules"
SUPERVISOR = "The supervisor has no event loop and knows no room"

VIOLATIONS = [
    # (file, what is written into it, the contract that must break)
    ("operations/kms/encryption.py", "import cryptography.fernet", CRYPTOGRAPHY),
    ("cli/commands.py", "from cryptography.hazmat.primitives import hashes", CRYPTOGRAPHY),
    ("boundary/process.py", "import cryptography", CRYPTOGRAPHY),
    ("attestation/document.py", "import cryptography", CRYPTOGRAPHY),
    ("operations/recipients.py", "from cryptography import x509", CRYPTOGRAPHY),
    ("attestation/verification.py", "import nacl.bindings", ONE_LIBRARY),
    ("attestation/document.py", "import cbor2", ONE_LIBRARY),
    ("attestation/verification.py", "import strongroom.boundary.interface", ATTESTATION),
    ("attestation/cbor.py", "import strongroom.aws.errors", ATTESTATION),
    ("operations/web_identities.py", "import jwt", TOKENS),
    ("identity/authenticate.py", "from jwt import PyJWS", TOKENS),
    ("federation/key_sets.py", "from cryptography.hazmat.primitives import hashes", CRYPTOGRAPHY),
    ("federation/key_sets.py", "import strongroom.clock", FEDERATION),
    ("federation/web_identity_token.py", "import strongroom.aws.errors", FEDERATION),
    ("boundary/client.py", "import strongroom.boundary.pkcs11.token", PKCS11),
    ("boundary/seal/means.py", "import strongroom.boundary.pkcs11.token", PKCS11),
    ("operations/kms/encryption.py", "from strongroom.boundary.pkcs11 import binding", PKCS11),
    ("boundary/pkcs11/token.py", "import strongroom.clock", BOUNDARY_ALONE),
    ("boundary/dispatch.py", "import strongroom.store.interface", BOUNDARY_ALONE),
    ("boundary/software/symmetric.py", "import strongroom.clock", BOUNDARY_ALONE),
    ("boundary/messages.py", "import msgspec", BOUNDARY_ALONE),
    ("boundary/dispatch.py", "import strongroom.reply", SMALL),
    ("boundary/seal/key_file.py", "import pickle", SMALL),
    ("boundary/seal/opening.py", "import strongroom.boundary.seal.kms_client", SMALL),
    ("cli/commands.py", "import strongroom.boundary.seal.shamir", KEY_MATERIAL),
    ("boundary/software/module.py", "import strongroom.boundary.seal.refusal", KEY_MATERIAL),
    ("audit/trail.py", "import msgspec", SMALL),
    ("pipeline.py", "from strongroom.boundary.software import module", KEY_MATERIAL),
    ("boundary/client.py", "import strongroom.boundary.software.key_wrapping", KEY_MATERIAL),
    ("operations/kms/tags.py", "import sqlite3", DATABASE),
    ("audit/trail.py", "import sqlalchemy.orm", DATABASE),
    ("identity/sigv4.py", "import httptools", HTTP_PARSER),
    ("identity/sigv4.py", "import starlette.responses", HTTP),
    ("hsm/backend.py", "import strongroom.boundary.pkcs11.token", PKCS11),
    ("hsm/process.py", "import cryptography", CRYPTOGRAPHY),
    ("hsm/process.py", "import strongroom.hsm.backend", HSM_PROCESS),
    ("hsm/cluster.py", "import strongroom.resources.key", HSM_PROCESS),
    ("hsm/cluster.py", "import asyncio", SMALL),
    ("hsm/backend.py", "import strongroom.operations.context", HSM_CLIENTS),
    ("external_key_store/backend.py", "import strongroom.operations.context", PROXIES),
    ("external_key_store/backend.py", "import strongroom.boundary.client", PORTS),
    ("xks_proxy/service.py", "import strongroom.boundary.client", PORTS),
    ("wire/app.py", "import strongroom.xks_proxy.messages", ONE_WAY),
    ("operations/kms/tags.py", "import strongroom.store.engine", PORTS),
    ("identity/authenticate.py", "import strongroom.boundary.client", PORTS),
    ("pipeline.py", "import strongroom.store.sql_store", PORTS),
    ("jobs/runner.py", "import strongroom.audit.client", PORTS),
    ("replication/material.py", "import strongroom.boundary.client", PORTS),
    ("replication/material.py", "import strongroom.operations.context", ONE_WAY),
    ("operations/kms/aliases.py", "import strongroom.operations.kms.tags", FAMILIES),
    ("operations/sts/caller_identity.py", "from strongroom.operations.kms import aliases", FAMILIES),
    ("aws/errors.py", "import strongroom.operations.table", ONE_WAY),
    ("identity/sigv4.py", "import strongroom.authorization.decision", ONE_WAY),
    ("store/engine.py", "import strongroom.audit.interface", ONE_WAY),
    ("backup/making.py", "import strongroom.preparation", ONE_WAY),
    ("processes/data_directory.py", "import strongroom.backup.archive", ONE_WAY),
    ("jobs/restored_data.py", "import strongroom.backup.restoring", ONE_WAY),
    ("backup/restoring.py", "import strongroom.boundary.seal.key_file", KEY_MATERIAL),
    ("backup/making.py", "import sqlite3", DATABASE),
    ("backup/making.py", "import strongroom.administration.client", BACKUPS),
    ("backup/archive.py", "import strongroom.boundary.client", BACKUPS),
    ("backup/restoring.py", "import strongroom.operations.deletion_ledger", BACKUPS),
    ("operations/backup_tickets.py", "import strongroom.boundary.client", PORTS),
    ("resources/key.py", "import strongroom.config", ONE_WAY),
    ("wire/aws_json.py", "import strongroom.jobs", ONE_WAY),
    ("helpers_of_all_kinds.py", "", ONE_WAY),
    ("newroom/__init__.py", "", ONE_WAY),
    ("authorization/decision.py", "import strongroom.authorization.evaluation", CYCLES),
    ("wire/dispatch.py", "import strongroom.boundary.client", FRONT_DOOR),
    ("wire/aws_json.py", "import strongroom.operations.kms.encryption", FRONT_DOOR),
    ("authorization/evaluation.py", "import strongroom.store.interface", PURE),
    ("confinement/landlock.py", "import msgspec", SMALL),
    ("confinement/confined.py", "import strongroom.clock", ONE_WAY),
    ("processes/supervisor.py", "import threading", SUPERVISOR),
    ("processes/child.py", "import asyncio", SUPERVISOR),
    ("processes/contexts.py", "import strongroom.boundary.interface", SUPERVISOR),
]


def _broken_contracts(source: Path, *only: str) -> set[str]:
    """The names of the contracts that a package tree breaks; `only`: of these, by their ids."""
    chosen = [argument for contract in only for argument in ("--contract", contract)]
    result = subprocess.run(
        [LINT_IMPORTS, "--no-cache", "--config", ROOT / ".importlinter", *chosen],
        cwd=source,
        env={"PATH": os.defpath, "PYTHONPATH": str(source), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    summary = re.search(r"Contracts: \d+ kept, (\d+) broken", result.stdout)
    assert summary is not None, result.stdout + result.stderr
    broken = set(re.findall(r"^(.+) BROKEN", result.stdout, re.MULTILINE))
    assert len(broken) == int(summary[1]), result.stdout
    assert result.returncode == (1 if broken else 0)
    return broken


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package. Whoever changes it puts it right again."""
    to = tmp_path_factory.mktemp("source")
    shutil.copytree(
        ROOT / "src" / "strongroom",
        to / "strongroom",
        ignore=shutil.ignore_patterns("__pycache__", "README.md"),
    )
    return to


@contextlib.contextmanager
def _violation(target: Path, planted: str) -> Iterator[None]:
    """A line more in a file, or a file more, for as long as the context lasts."""
    if not planted:
        target.parent.mkdir(exist_ok=True)
        target.touch()
        yield
        target.unlink()
        with contextlib.suppress(OSError):  # others live there
            target.parent.rmdir()
        return
    assert target.exists(), "the file was renamed: plant the violation elsewhere"
    text = target.read_text()
    future = "from __future__ import annotations\n"
    assert future in text
    target.write_text(text.replace(future, f"{future}{planted}\n", 1))
    yield
    target.write_text(text)


def test_house_as_it_stands_breaks_no_contract(copied: Path) -> None:
    assert _broken_contracts(copied) == set()


@pytest.mark.parametrize(("file", "planted", "contract"), VIOLATIONS)
def test_planted_violation_breaks_its_contract(copied: Path, file: str, planted: str, contract: str) -> None:
    with _violation(copied / "strongroom" / file, planted):
        assert _broken_contracts(copied, _ids()[contract]) == {contract}


def _ids() -> dict[str, str]:
    """The id of each contract, by its name."""
    found = re.findall(
        r"^\[importlinter:contract:(.+)\]\nname = (.+)$", (ROOT / ".importlinter").read_text(), re.MULTILINE
    )
    return {name: contract_id for contract_id, name in found}


def test_every_contract_has_a_planted_violation() -> None:
    assert _ids().keys() == {contract for _, _, contract in VIOLATIONS}
