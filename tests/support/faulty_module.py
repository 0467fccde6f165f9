"""SoftHSM behind a module that fails when it is told to, and counts the PINs that it was given."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.softhsm import TestToken
from tests.support.system_packages import give_up

from strongroom.boundary.pkcs11.errors import Ckr
from strongroom.boundary.pkcs11.structures import ORDER

_SOURCE = Path(__file__).with_name("faulty_module.c")
_FAILING = frozenset(
    {"GetSlotList", "OpenSession", "Login", "EncryptInit", "Encrypt", "DecryptInit", "Decrypt", "Sign"}
    | {"GenerateKey", "UnwrapKey"}
)


@dataclass(frozen=True, slots=True)
class FaultyToken:
    """A token of SoftHSM, and what goes wrong with it."""

    token: TestToken
    faults: Path
    logins: Path

    def fail(self, **codes: Ckr) -> None:
        """From now on these functions return these codes, and all others work: Login=Ckr.PIN_LOCKED, say."""
        assert codes.keys() <= _FAILING
        self.faults.write_text("".join(f"{ORDER.index(name)} {int(code)}\n" for name, code in codes.items()))

    @property
    def logins_tried(self) -> int:
        """How many PINs the token was given."""
        return self.logins.stat().st_size


def make_faulty(softhsm: TestToken, directory: Path) -> FaultyToken:
    """The same token by the module that fails. Its library is compiled in `directory`."""
    compiler = shutil.which("gcc")
    if compiler is None:
        give_up("gcc is not installed")
    assert compiler is not None
    library = directory / "faulty_module.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
    library.chmod(0o755)
    faults, logins = softhsm.directory / "faults", softhsm.directory / "logins"
    faults.touch()
    logins.touch()
    environment = {
        **softhsm.environment,
        "FAULTY_MODULE_FAULTS": str(faults),
        "FAULTY_MODULE_LOGINS": str(logins),
    }
    return FaultyToken(replace(softhsm, module=str(library), environment=environment), faults, logins)
