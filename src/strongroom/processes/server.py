"""A whole server: takes what it needs from the machine, runs the supervisor, and gives it back."""

from __future__ import annotations

import contextlib
import mmap
import os
import resource
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Final

from strongroom import __version__
from strongroom.config import Settings, is_loopback
from strongroom.processes.boundary_start import BoundaryFiles
from strongroom.processes.contexts import EPOCH_WORD, SHARED_WORDS, Children, Holdings, ServiceCommands
from strongroom.processes.data_directory import open_data_directory, open_pin_file, open_seal_key_file
from strongroom.processes.errors import ServerFailed, StartRefused
from strongroom.processes.listening import open_listening_sockets, render_url
from strongroom.processes.seal_opening import opens_by_itself
from strongroom.processes.supervisor import Supervisor

FILES_MAX: Final = 65_536
"""Open files of one process."""


def run_server(
    settings: Settings,
    children: Children,
    *,
    root_secret_fd: int | None = None,
    commands: ServiceCommands | None = None,
    keeps_spare: bool | None = None,
) -> None:
    """Run a server until it is told to stop (SIGTERM, SIGINT or SIGHUP).

    `keeps_spare`: see Supervisor; by default as the settings say, or in production only,
    for a developer's machine has little memory.
    Raises: StartRefused, ServerFailed. Secrets: `root_secret_fd` is passed on to the boundary unread.
    """
    os.umask(0o077)
    _allow_many_files()
    with contextlib.ExitStack() as held:
        if settings.data_directory is None:
            temporary = tempfile.mkdtemp(prefix="strongroom-")
            held.callback(shutil.rmtree, temporary, ignore_errors=True)
            settings = settings.in_directory(Path(temporary))
        assert settings.data_directory is not None  # noqa: S101  set just above
        data_directory = open_data_directory(settings.data_directory)
        held.callback(data_directory.close)
        seal_key_fd = _open_key_file(settings, bool(data_directory.load_seal_record()))
        if seal_key_fd is not None:
            held.callback(os.close, seal_key_fd)
        pin_fd = open_pin_file(settings)
        if pin_fd is not None:
            held.callback(os.close, pin_fd)
        listening = open_listening_sockets(settings.host, settings.port, settings.workers)
        for one in listening:
            held.enter_context(one)
        proxy_listening = _open_proxy_socket(settings)
        if proxy_listening is not None:
            held.enter_context(proxy_listening)
        holdings = Holdings(
            data_directory,
            BoundaryFiles(seal_key_fd, root_secret_fd, pin_fd),
            listening,
            make_shared_words(),
            proxy_listening,
        )
        proxy_url = None if proxy_listening is None else render_url(proxy_listening, True)
        block = render_ready_block(settings, render_url(listening[0], settings.secure), proxy_url)
        _name_process()
        if keeps_spare is None:
            keeps_spare = settings.spare_boundary
        if keeps_spare is None:
            keeps_spare = settings.mode == "serve"
        supervisor = Supervisor(settings, children, holdings, commands or ServiceCommands(), keeps_spare)
        try:
            supervisor.run(lambda: _print(block))
        except ServerFailed:
            children.run_finish(settings)
            raise
        children.run_finish(settings)


def _allow_many_files() -> None:
    """A worker may have `connections_max` connections; a shell allows 1,024 files, and more to who asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY:
        most = FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, FILES_MAX)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most), hard))


def _open_key_file(settings: Settings, has_seal_record: bool) -> int | None:
    if not has_seal_record and opens_by_itself(settings):
        raise StartRefused(
            f"There is no seal in {settings.data_directory} yet: make one with strongroom init, with the"
            " slots that the settings name."
        )
    return open_seal_key_file(settings, has_seal_record)


def make_shared_words() -> memoryview:
    """Words that this process and all that it forks see alike. Shape: SHARED_WORDS of 64 bits."""
    words = memoryview(mmap.mmap(-1, SHARED_WORDS * 8)).cast("Q")
    words[EPOCH_WORD] = int.from_bytes(os.urandom(8), "little")
    return words


def _open_proxy_socket(settings: Settings) -> socket.socket | None:
    """Raises StartRefused."""
    proxy = settings.xks_proxy
    return None if proxy is None else open_listening_sockets(proxy.host, proxy.port, 1)[0]


def render_ready_block(settings: Settings, url: str, proxy_url: str | None = None) -> str:
    """What the operator sees when requests are answered: lines to copy, and `Ready.` as the last."""
    lines = [f"strongroom {__version__} {settings.mode}: data in {settings.data_directory}"]
    if settings.mode == "dev" and settings.auth == "open" and not is_loopback(settings.host):
        lines.append("Whoever can reach this port can use and delete every key: authentication is open.")
    lines.append(f"export AWS_ENDPOINT_URL_KMS={url}")
    lines.append(f"export AWS_ENDPOINT_URL_IAM={url} AWS_ENDPOINT_URL_STS={url}")
    if settings.auth == "open":
        lines.append("export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test")
        lines.append("export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1")
    if proxy_url is not None and settings.xks_proxy is not None:
        lines.append(f"XKS proxy: {proxy_url}{settings.xks_proxy.uri_path}")
    lines.append("Ready.")
    return "\n".join(lines) + "\n"


def _name_process() -> None:
    from setproctitle import setproctitle  # late: config errors come sooner

    setproctitle("strongroom: supervisor")


def _print(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens any more: no reason to stop
        sys.stdout.write(text)
        sys.stdout.flush()
