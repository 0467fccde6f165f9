"""Certificates that are replaced while whole, confined servers run: new connections see the new ones."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.certificates import Authority
from tests.support.proxy_server import (
    CALLER,
    HOST,
    NAME,
    client_environment,
    create_credential,
    proxy_port_of,
    running_proxy,
    store_members,
    wait_for_state,
)
from tests.support.server import Server, strict_environment

SOON = 30.0
"""Files are looked at every five seconds."""


def _put(files: tuple[Path, ...], contents: tuple[Path, ...]) -> None:
    """One after another, each whole, as certbot, cert-manager and the like do."""
    for file, content in zip(files, contents, strict=True):
        fresh = file.with_name("fresh")
        fresh.write_bytes(content.read_bytes())
        fresh.replace(file)


def _health(port: int, name: str, trust: ssl.SSLContext) -> int:
    """The status of GET /healthz over a connection of its own. Raises OSError, ssl.SSLError (one of it)."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname=name) as connection,
    ):
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n")
        answer = b""
        while received := connection.recv(65536):
            answer += received
        if not answer:
            raise ConnectionError
        return int(answer.split(b" ")[1])


def _wait_until(is_so: Callable[[], bool], why: Callable[[], Any] = lambda: None) -> None:
    deadline = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


def _trusts(*authorities: Authority) -> ssl.SSLContext:
    trust = ssl.create_default_context()
    for authority in authorities:
        trust.load_verify_locations(authority.ca_file)
    return trust


def test_renewed_certificate_is_shown_by_every_worker_without_a_restart(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    files = (tmp_path / "tls.crt", tmp_path / "tls.key")
    _put(files, old.issue("127.0.0.1"))
    flags = ("--data-dir", str(tmp_path / "data"), "--workers", "2", "--port", "0")
    environment = {
        **strict_environment(),
        "STRONGROOM_SEAL_KEY_FILE": str(tmp_path / "seal.key"),
        "STRONGROOM_TLS_CERTIFICATE_FILE": str(files[0]),
        "STRONGROOM_TLS_KEY_FILE": str(files[1]),
    }
    with Server(*flags, command="serve", environment=environment) as server:
        either = _trusts(old, new)

        def shows(authority: Authority) -> bool:
            """The kernel gives a connection to any of the workers."""
            assert _health(server.port, "127.0.0.1", either) == 200
            try:
                return all(_health(server.port, "127.0.0.1", _trusts(authority)) for _ in range(20))
            except ssl.SSLCertVerificationError:
                return False

        def log() -> str:
            return server.logged.decode()

        assert shows(old)
        files[0].write_text("half a certifi")
        _wait_until(lambda: log().count("What was read before stays in use.") == 2, log)
        assert shows(old)
        _put(files, new.issue("127.0.0.1"))
        _wait_until(lambda: shows(new), log)
        _wait_until(lambda: log().count("Renewed, and in use from now on") == 2, log)
        assert "PRIVATE" not in log()


def test_both_ends_of_an_external_key_store_take_renewed_certificates(tmp_path: Path) -> None:
    """The proxy's certificate and whom it lets in; the authority that the user trusts and what it shows."""
    for name in ("was", "is"):
        (tmp_path / name).mkdir()
    server_was, clients_was = Authority(tmp_path / "was", "server"), Authority(tmp_path / "was", "clients")
    server_is, clients_is = Authority(tmp_path / "is", "server"), Authority(tmp_path / "is", "clients")
    shown = (tmp_path / "client.crt", tmp_path / "client.key")
    _put(shown, clients_was.issue(NAME))
    with running_proxy(tmp_path, server_was, clients_was, None) as (proxy, _):
        port = proxy_port_of(proxy)
        environment = client_environment(
            server_was,
            port,
            STRONGROOM_XKS_CLIENT_CERTIFICATE_FILE=str(shown[0]),
            STRONGROOM_XKS_CLIENT_KEY_FILE=str(shown[1]),
        )
        with Server("--account", CALLER, environment=environment) as user:
            kms = user.client()
            members = store_members(create_credential(tmp_path / "proxy-data"))
            store_id = kms.create_custom_key_store(**members)["CustomKeyStoreId"]
            kms.connect_custom_key_store(CustomKeyStoreId=store_id)
            wait_for_state(kms, store_id, "CONNECTED")
            made = kms.create_key(CustomKeyStoreId=store_id, Origin="EXTERNAL_KEY_STORE", XksKeyId="foo")
            key = made["KeyMetadata"]["KeyId"]
            blob = kms.encrypt(KeyId=key, Plaintext=b"text")["CiphertextBlob"]

            was, now = _trusts(server_was, server_is), _trusts(server_is)
            was.load_cert_chain(*clients_was.issue(NAME))
            now.load_cert_chain(*clients_is.issue(NAME))
            assert _health(port, HOST, was) == 200
            with pytest.raises(OSError):
                _health(port, HOST, now)
            served_is, shown_is = server_is.issue(HOST), clients_is.issue(NAME)
            served = (tmp_path / "was" / f"server-{HOST}.pem", tmp_path / "was" / f"server-{HOST}-key.pem")
            _put(served, served_is)
            _put((clients_was.ca_file, server_was.ca_file), (clients_is.ca_file, server_is.ca_file))
            _put(shown, shown_is)

            def is_renewed() -> bool:
                try:
                    return _health(port, HOST, now) == 200
                except OSError:
                    return False

            _wait_until(is_renewed, lambda: proxy.logged)
            with pytest.raises(OSError):
                _health(port, HOST, was)
            _wait_until(lambda: user.logged.count(b"Renewed, and in use") >= 2, lambda: user.logged)
            kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
            wait_for_state(kms, store_id, "DISCONNECTED")
            kms.connect_custom_key_store(CustomKeyStoreId=store_id)
            wait_for_state(kms, store_id, "CONNECTED")
            assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"text"
