"""A whole server that is an external key store proxy, and one that uses it, over real TLS."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority
from tests.support.server import REGION, STRONGROOM, Server

HOST = "localhost"
URI_PATH = "/tenant-1/kms/xks/v1"


def write_proxy_table(
    file: Path, authority: Authority, keys: dict[str, str], *, more: str = "", region: str = REGION
) -> Path:
    """The configuration of a proxy on any free port. `keys` by external key id, each as TOML."""
    certificate, key = authority.issue(HOST)
    lines = [
        "[xks_proxy]",
        "port = 0",
        f'region = "{region}"',
        'uri_path_prefix = "/tenant-1"',
        f'tls_certificate_file = "{certificate}"',
        f'tls_key_file = "{key}"',
        more,
        "[xks_proxy.keys]",
        *(f"{name} = {named}" for name, named in keys.items()),
    ]
    file.write_text("\n".join(lines) + "\n")
    return file


def proxy_port_of(server: Server) -> int:
    """From the line that a server with a proxy prints."""
    found = re.search(rf"^XKS proxy: https://127\.0\.0\.1:(\d+){URI_PATH}$", "\n".join(server.output), re.M)
    assert found is not None, server.output
    return int(found[1])


def run_command(*arguments: str, data_dir: Path) -> subprocess.CompletedProcess[str]:
    """`strongroom xks-proxy ...` against a running server."""
    command = [str(STRONGROOM), "xks-proxy", *arguments, "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def create_credential(data_dir: Path) -> dict[str, str]:
    """XksProxyAuthenticationCredential."""
    made = run_command("create-credential", "--json", data_dir=data_dir)
    assert made.returncode == 0, made.stderr
    credential: dict[str, str] = json.loads(made.stdout)
    return credential


def client_environment(authority: Authority, port: int, **more: str) -> dict[str, str]:
    """What the server that uses the proxy is told."""
    return {
        "STRONGROOM_XKS_CA_FILE": str(authority.ca_file),
        "STRONGROOM_XKS_PRIVATE_ADDRESSES": "true",
        "STRONGROOM_XKS_PORT": str(port),
        "STRONGROOM_XKS_TIMEOUT_MILLISECONDS": "5000",
        **more,
    }


def store_members(credential: dict[str, str]) -> dict[str, Any]:
    """CreateCustomKeyStore for the proxy."""
    return {
        "CustomKeyStoreName": "strongroom behind strongroom",
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyUriEndpoint": f"https://{HOST}",
        "XksProxyUriPath": URI_PATH,
        "XksProxyAuthenticationCredential": credential,
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    }
