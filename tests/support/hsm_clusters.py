"""Clusters for tests: SoftHSM tokens, and the configuration file of a server that has them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.server import REGION
from tests.support.softhsm import TestToken, make_nss, make_softhsm

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIBplanted{number}AAA=\n-----END CERTIFICATE-----\n"
PASSWORD = "kmsuser-PIN-planted-7Q2x"


@dataclass(frozen=True, slots=True)
class TestCluster:
    """A cluster that is one token in a directory of its own."""

    __test__ = False

    cluster_id: str
    token: TestToken
    certificate: str
    directory: Path

    def store_members(self, name: str, **members: Any) -> dict[str, Any]:
        """What CreateCustomKeyStore takes."""
        return {
            "CustomKeyStoreName": name,
            "CloudHsmClusterId": self.cluster_id,
            "TrustAnchorCertificate": self.certificate,
            "KeyStorePassword": self.token.pin.decode(),
        } | members

    def ask_token(self, what: str, *more: str) -> str:
        """`list` its keys, `destroy` one or `change-pin`, in another process (token_tool.py)."""
        token = self.token
        command = [sys.executable, "-m", "tests.support.token_tool", what]
        return subprocess.run(
            [*command, token.module, token.label, token.pin.decode(), *more],
            env={**os.environ, **token.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout


def make_cluster(
    directory: Path, number: int = 2, pin: str = PASSWORD, *, is_nss: bool = False
) -> TestCluster:
    """A fresh token, and a certificate to name it by (it need not be a real one: only its bytes count)."""
    own = directory / f"cluster-{number}"
    token = (make_nss if is_nss else make_softhsm)(own, f"cluster {number}", pin.encode())
    certificate = CERTIFICATE.format(number=number)
    (own / "anchor.pem").write_text(certificate)
    return TestCluster(f"cluster-{number}a23b4cdefg", token, certificate, own)


def write_configuration(directory: Path, *clusters: TestCluster) -> Path:
    """The file for `--config`."""
    lines: list[str] = []
    for cluster in clusters:
        lines += [
            f'[cloudhsm_clusters."{cluster.cluster_id}"]',
            f'module = "{cluster.token.module}"',
            f'token_label = "{cluster.token.label}"',
            f'region = "{REGION}"',
            f'trust_anchor_file = "{cluster.directory / "anchor.pem"}"',
            *([f'init_arguments = "{arguments}"'] if (arguments := cluster.token.init_arguments) else []),
            f"[cloudhsm_clusters.{cluster.cluster_id}.environment]",
            *(f'{name} = "{value}"' for name, value in cluster.token.environment.items()),
        ]
    path = directory / "strongroom.toml"
    path.write_text("\n".join(lines) + "\n")
    return path
