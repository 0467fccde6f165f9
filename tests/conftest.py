"""Fixtures that several folders share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.faulty_hsm import FaultyToken, make_faulty
from tests.support.server import Server
from tests.support.softhsm import TestToken, make_nss, make_softhsm

LONGEST = (
    "test_keys_never_leave",
    "test_older_database",
    "test_seal_on_record",
    "test_backup_restore",
    "test_sealed_server",
    "test_pkcs11_pin_in_server",
    "test_forged_backups",
    "test_audit_killed_in_server",
    "test_planted_material",
    "test_hsm_faults",
    "test_domain_key_rotation_killed",
    "test_review_reliability",
    "test_kill_server",
    "test_seal_secrets",
    "test_javascript_sdk",
    "test_hsm_process",
    "test_audit_crash",
    "test_hsm_key_stores",
    "test_boundary_killed_in_server",
    "test_store_secrets",
    "test_audit_hung_in_server",
    "test_xks_proxy",
    "test_aws_cli",
    "test_key_life",
    "test_whole_key_life",
)
"""Files that take longer than ten seconds are begun first, or all processes but one would wait for them at
the end. Those that mostly wait stand between those that work."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """After the random order, which keeps the tests of a file together."""
    rank = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One development server for each test process. Tests make their own keys and touch no others."""
    with Server() as running:
        yield running


@pytest.fixture
def kms(server: Server) -> Any:
    """A boto3 KMS client of the shared development server."""
    return server.client()


@pytest.fixture
def softhsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TestToken:
    """A fresh token of SoftHSM 2, which this process and those that inherit its environment find."""
    token = make_softhsm(tmp_path / "softhsm")
    for name, value in token.environment.items():
        monkeypatch.setenv(name, value)
    return token


@pytest.fixture
def faulty(softhsm: TestToken, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FaultyToken:
    """The same token by a module that fails when it is told to."""
    token = make_faulty(softhsm, tmp_path)
    for name, value in token.token.environment.items():
        monkeypatch.setenv(name, value)
    return token


@pytest.fixture
def nss_token(tmp_path: Path) -> TestToken:
    """A fresh token of NSS's softokn."""
    return make_nss(tmp_path / "nss")
