"""SoftHSM behind a module that can fail as real HSMs do, and counts the PINs it was given: faulty_hsm.c."""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.support.hsm_clusters import TestCluster
from tests.support.softhsm import SOFTHSM_MODULE, TestToken
from tests.support.system_packages import give_up

from strongroom.boundary.pkcs11.errors import Ckr
from strongroom.boundary.pkcs11.structures import ORDER

_SOURCE: Final = Path(__file__).with_suffix(".c")
_FLAGS: Final = ("-std=gnu11", "-O1", "-Wall", "-Wno-deprecated-non-prototype", "-shared", "-fPIC")
_FAILING: Final = frozenset(
    {"GetSlotList", "OpenSession", "Login", "EncryptInit", "Encrypt", "DecryptInit", "Decrypt", "Sign"}
    | {"GenerateKey", "UnwrapKey"}
)


class Faults:
    """What the module of one token is to suffer from; see faulty_hsm.c."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def begin(self, name: str, text: str = "") -> None:
        """Have a fault until `end`."""
        unfinished = self.directory / f".{name}"
        unfinished.write_text(text)
        unfinished.rename(self.directory / name)

    def end(self, name: str) -> None:
        """The module is well again."""
        (self.directory / name).unlink(missing_ok=True)

    def fail(self, **codes: Ckr) -> None:
        """From now on these functions return these codes, and all others work: Login=Ckr.PIN_LOCKED, say."""
        assert codes.keys() <= _FAILING
        self.begin("codes", "".join(f"{ORDER.index(name)} {int(code)}\n" for name, code in codes.items()))

    @property
    def logins(self) -> int:
        """How often C_Login was called, whatever it returned: so many PINs a token would have counted."""
        counted = self.directory / "logins"
        return counted.stat().st_size if counted.exists() else 0


@dataclass(frozen=True, slots=True)
class FaultyToken:
    """A token of SoftHSM, and what goes wrong with it."""

    token: TestToken
    faults: Faults


def make_faulty(token: TestToken, directory: Path) -> FaultyToken:
    """The same token behind the module with faults, whose copy is in `directory`."""
    module = directory / "faulty_hsm.so"
    if not module.exists():
        module.write_bytes(_library())
    faults = Faults(token.directory)  # where a boundary may write after it has shut itself in
    environment = {**token.environment, "FAULTY_HSM_DIR": str(faults.directory)}
    return FaultyToken(replace(token, module=str(module), environment=environment), faults)


def make_faulty_cluster(cluster: TestCluster, directory: Path) -> tuple[TestCluster, Faults]:
    """The same cluster behind the module with faults."""
    faulty = make_faulty(cluster.token, directory)
    return replace(cluster, token=faulty.token), faulty.faults


@functools.cache
def _library() -> bytes:
    """Compiled once by each test process."""
    compiler = shutil.which("cc")
    if compiler is None:
        give_up("there is no C compiler, so an HSM that hangs, locks its user or loses its sessions")
    assert compiler is not None
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "faulty_hsm.so"
        subprocess.run(
            [compiler, *_FLAGS, f'-DSOFTHSM="{SOFTHSM_MODULE}"', "-o", library, _SOURCE, "-ldl", "-lpthread"],
            check=True,
            capture_output=True,
        )
        return library.read_bytes()
