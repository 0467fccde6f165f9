"""A whole server that is an external key store proxy, and one that uses it, over real TLS."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.support.certificates import Authority
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    STRONGROOM,
    Server,
    strict_environment,
)
from tests.support.softhsm import TestToken, write_token_configuration

HOST = "localhost"
URI_PATH = "/tenant-1/kms/xks/v1"
CALLER = "111122223333"
"""The account of the server that uses the proxy; the proxy itself has no such account."""
ROOT = f"arn:aws:iam::{CALLER}:root"
NAME = "cks.kms.eu-central-1.amazonaws.com"


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


def root_of(server: Server) -> Any:
    return server.client(access_key_id=ROOT_ACCESS_KEY_ID, secret_access_key=ROOT_SECRET_ACCESS_KEY)


def policy_of(*statements: dict[str, Any]) -> str:
    own = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [own, *statements]})


def statement(effect: str, actions: list[str], **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Principal": {"AWS": ROOT}, "Action": actions, "Resource": "*", **more}


ALLOWING = statement("Allow", ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"])


def wait_for_state(kms: Any, store_id: str, state: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        (entry,) = kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
        if entry["ConnectionState"] == state:
            return dict(entry)
        assert time.monotonic() < deadline, entry
        time.sleep(0.05)


@contextlib.contextmanager
def running_proxy(
    tmp_path: Path, authority: Authority, clients: Authority, token: TestToken | None
) -> Iterator[tuple[Server, str]]:
    """A production server made in two starts: its key first, then the table that offers it."""
    data = tmp_path / "proxy-data"
    settings = tmp_path / "proxy.toml"
    plain = f'data_directory = "{data}"\nseal_key_file = "{tmp_path / "seal.key"}"\nport = 0\nworkers = 1\n'
    if token is not None:
        plain += write_token_configuration(tmp_path / "token", token).read_text()
    settings.write_text(plain)
    with Server("--config", str(settings), command="serve", environment=strict_environment()) as server:
        key_id = root_of(server).create_key(Policy=policy_of())["KeyMetadata"]["KeyId"]
    more = f'client_ca_file = "{clients.ca_file}"\nclient_names = ["{NAME}"]'
    table = write_proxy_table(tmp_path / "table.toml", authority, {"foo": f'"{key_id}"'}, more=more)
    settings.write_text(plain + table.read_text())
    command = "xks-proxy serve"
    with Server("--config", str(settings), command=command, environment=strict_environment()) as server:
        root_of(server).put_key_policy(KeyId=key_id, Policy=policy_of(ALLOWING))
        yield server, key_id
