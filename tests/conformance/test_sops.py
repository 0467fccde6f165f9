"""SOPS, the Go binary, unmodified: a file sealed and opened through AWS_ENDPOINT_URL_KMS."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.server import REGION, Server


def sops_binary() -> str:
    beside = Path(sys.executable).with_name("sops")
    found = str(beside) if beside.exists() else shutil.which("sops")
    assert found is not None, "the test requirements bring the sops binary"
    return found


def run_sops(server: Server, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "AWS_ENDPOINT_URL_KMS": server.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return subprocess.run(
        [sops_binary(), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_sops_file_round_trip_with_encryption_context(server: Server, kms: Any, tmp_path: Path) -> None:
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    clear = tmp_path / "secrets.json"
    clear.write_text(json.dumps({"password": "correct horse"}))
    sealed = run_sops(
        server, "encrypt", "--kms", arn, "--encryption-context", "app:web,stage:test", str(clear)
    )
    assert sealed.returncode == 0, sealed.stderr
    assert "correct horse" not in sealed.stdout
    (tmp_path / "sealed.json").write_text(sealed.stdout)
    opened = run_sops(server, "decrypt", str(tmp_path / "sealed.json"))
    assert opened.returncode == 0, opened.stderr
    assert json.loads(opened.stdout) == {"password": "correct horse"}
    kms.disable_key(KeyId=arn)
    refused = run_sops(server, "decrypt", str(tmp_path / "sealed.json"))
    assert refused.returncode != 0
    assert "is disabled." in refused.stderr
