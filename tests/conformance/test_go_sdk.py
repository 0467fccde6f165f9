"""Go's clients of AWS KMS, unmodified: the SDK, the seal of Vault and Boundary, cosign's signer, Tink.

The tests themselves are in Go, in `go` beside this file; each is one of those here. They take half a minute
to compile on two cores, so only `make torture` asks for them (GO_CLIENTS=all). Needs Go, and its modules as
the host configures them. Without them the tests skip aloud.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.go_programs import build, go_tests, require_pass
from tests.support.tls_server import serving_with_tls

if os.environ.get("GO_CLIENTS") != "all":
    pytest.skip("clients in Go are tried by make torture", allow_module_level=True)

SOURCES = Path(__file__).with_name("go")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build([*SOURCES.iterdir()], tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def environment(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    with serving_with_tls(tmp_path_factory.mktemp("production")) as environment:
        yield environment


@pytest.mark.slow
@pytest.mark.parametrize("name", go_tests(SOURCES))
def test_go_sdk(program: Path, environment: dict[str, str], name: str) -> None:
    require_pass(program, environment, name)
