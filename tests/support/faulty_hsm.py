"""SoftHSM behind a module that can fail as real HSMs do: faulty_hsm.c, compiled for each test."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from tests.support.hsm_clusters import TestCluster
from tests.support.softhsm import SOFTHSM_MODULE
from tests.support.system_packages import give_up

_SOURCE = Path(__file__).with_suffix(".c")


class Faults:
    """What the module of one cluster is to suffer from; see faulty_hsm.c."""

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

    @property
    def logins(self) -> int:
        """How often C_Login was called, whatever it returned."""
        counted = self.directory / "logins"
        return counted.stat().st_size if counted.exists() else 0


def make_faulty(cluster: TestCluster, directory: Path) -> tuple[TestCluster, Faults]:
    """The same cluster behind the module with faults."""
    compiler = shutil.which("cc")
    if compiler is None:
        give_up("there is no C compiler, so an HSM that hangs, locks its user or loses its sessions")
    assert compiler is not None
    module = directory / "faulty_hsm.so"
    if not module.exists():
        subprocess.run(
            [
                *(
                    compiler,
                    "-std=gnu11",
                    "-O1",
                    "-Wall",
                    "-Wno-deprecated-non-prototype",
                    "-shared",
                    "-fPIC",
                ),
                *(f'-DSOFTHSM="{SOFTHSM_MODULE}"', "-o", str(module), str(_SOURCE), "-ldl", "-lpthread"),
            ],
            check=True,
            capture_output=True,
        )
    faults = Faults(directory / f"faults-{cluster.cluster_id}")
    faults.directory.mkdir()
    environment = {**cluster.token.environment, "FAULTY_HSM_DIR": str(faults.directory)}
    token = replace(cluster.token, module=str(module), environment=environment)
    return replace(cluster, token=token), faults
