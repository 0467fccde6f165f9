"""What a process of the server is given to begin with."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.config import Settings
from strongroom.processes.boundary_start import BoundaryFiles
from strongroom.processes.data_directory import DataDirectory

SHARED_WORDS: Final = 65_536
EPOCH_WORD: Final = 0
"""Changes whenever a worker or the job runner died: what others remember may be stale."""
CLOCK_WORD: Final = 1
FIRST_STAMP_WORD: Final = 2


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the supervisor holds for its children. Whoever made it closes it, after `run`."""

    data_directory: DataDirectory
    boundary_files: BoundaryFiles
    listening: Sequence[socket.socket]
    shared_words: memoryview
    proxy_listening: socket.socket | None = None


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """A worker answers requests. Its channels to the services come over `control`."""

    settings: Settings
    index: int
    """From 1."""
    control: socket.socket
    listening: socket.socket
    shared_words: memoryview
    """SHARED_WORDS unsigned 64-bit words that all workers and the job runner see."""


@dataclass(frozen=True, slots=True)
class JobsContext:
    """The job runner does what falls due by the clock."""

    settings: Settings
    control: socket.socket
    shared_words: memoryview


@dataclass(frozen=True, slots=True)
class ProxyContext:
    """The external key store proxy answers other services; only where the settings have one."""

    settings: Settings
    control: socket.socket
    listening: socket.socket
    shared_words: memoryview


@dataclass(frozen=True, slots=True)
class PrepareContext:
    """Runs once, before any worker: brings the stored data to the form this version reads."""

    settings: Settings


@dataclass(frozen=True, slots=True)
class SealedContext:
    """Answers requests while the seal is closed: with 503."""

    settings: Settings
    control: socket.socket
    listening: Sequence[socket.socket]
    """Those of all workers."""


@dataclass(frozen=True, slots=True)
class Children:
    """What the forked processes do. Each callable runs in its own process; when it returns, that ends.

    An exception with an `exit_code` is shown as its sentence; any other keeps its traceback.
    `preload` runs in the supervisor while the services start: it imports what the children will need,
    and must start no thread and open no file.
    """

    preload: Callable[[], None]
    run_prepare: Callable[[PrepareContext], None]
    run_worker: Callable[[WorkerContext], None]
    run_jobs: Callable[[JobsContext], None]
    run_sealed: Callable[[SealedContext], None]
    run_proxy: Callable[[ProxyContext], None]
    run_finish: Callable[[Settings], None] = lambda _: None
    """Runs in the supervisor, when no child is left of a server that had started."""
    kept_files: tuple[str, ...] = ()
    """Files of the data directory that the job runner has replaced whole, and reads again."""


def service_command(module: str) -> tuple[str, ...]:
    """How to start a service of ours: isolated from the environment and the working directory."""
    return (sys.executable, "-I", "-m", module)


@dataclass(frozen=True, slots=True)
class ServiceCommands:
    """The programs that are started afresh instead of forked; `--control-fd N` is appended."""

    boundary: tuple[str, ...] = service_command("strongroom.boundary.process")
    audit: tuple[str, ...] = service_command("strongroom.audit.process")
    hsm: tuple[str, ...] = service_command("strongroom.hsm.process")
    seal: tuple[str, ...] = service_command("strongroom.boundary.seal.program")
