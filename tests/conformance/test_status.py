"""`strongroom status` of a running server, and a server of approved algorithms alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from tests.support.server import STRONGROOM, Server

from strongroom.boundary.software.approved_algorithms import NOT_APPROVED


def status(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(STRONGROOM), "status", "--data-dir", str(data_dir), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_status_of_a_server_of_approved_algorithms(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    with Server(data_dir=data_dir, environment={"STRONGROOM_APPROVED_ONLY": "true"}) as server:
        told = json.loads(status(data_dir, "--json").stdout)
        named = {process["name"] for process in told["processes"]}
        assert {"supervisor", "boundary", "audit", "jobs", "worker 1"} <= named
        assert told["boundary"]["seal"] == "open; slots: key file"
        assert told["boundary"]["self-tests"].startswith("passed: ")
        assert "not a validated module" in told["boundary"]["approved_only"]
        assert told["protections"]["no core dumps"] == "held"

        text = status(data_dir)
        assert text.returncode == 0
        assert "protections of the boundary" in text.stdout

        kms = server.client()
        for spec in ("SYMMETRIC_DEFAULT", "ECC_NIST_P256"):
            usage = "ENCRYPT_DECRYPT" if spec == "SYMMETRIC_DEFAULT" else "SIGN_VERIFY"
            kms.create_key(KeySpec=spec, KeyUsage=usage)
        for spec in NOT_APPROVED:
            with pytest.raises(ClientError) as refused:
                kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
            assert refused.value.response["Error"]["Code"] == "UnsupportedOperationException"


def test_status_without_a_server_says_so(tmp_path: Path) -> None:
    told = status(tmp_path)
    assert told.returncode != 0
    assert told.stdout == ""
    assert "Traceback" not in told.stderr
    assert told.stderr.startswith("strongroom: ")
