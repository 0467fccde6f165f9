"""The root user's secret access key, between the environment it came in and the boundary it goes to.

An environment variable stays readable in /proc/PID/environ and in the memory of every process that
is forked from here. So the first thing any command does is to move the secret into an anonymous
file and to replace itself: the process image that read the secret is gone before anything else runs.
Loaded before everything else, hence it imports only `os`, `sys` and `fcntl`.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys

VARIABLE = "STRONGROOM_ROOT_SECRET_ACCESS_KEY"
FD_VARIABLE = "STRONGROOM_ROOT_SECRET_FD"
SECRET_BYTES_MAX = 1024


class RootSecretError(Exception):
    """The secret did not arrive in a form that can be passed on."""

    exit_code = 253


def shelter_root_secret() -> None:
    """Move the secret out of the environment and run this same command again, without it.

    Returns only when there is no secret in the environment. An empty variable counts as not set.
    Secrets: INVARIANT C1: after this no process but the boundary has the root secret access key in
    its memory; the supervisor keeps the file open, unread, for the next boundary.
    """
    secret = os.environb.pop(VARIABLE.encode(), None)
    if not secret:
        return
    os.environ.pop(FD_VARIABLE, None)
    fd = os.memfd_create("root-secret", os.MFD_ALLOW_SEALING)  # no MFD_CLOEXEC: it must outlive exec
    view = memoryview(secret)
    while view:
        view = view[os.write(fd, view) :]
    seals = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    environment = {**os.environ, FD_VARIABLE: str(fd)}
    # orig_argv keeps the interpreter's own options (-I, -m ...), which sys.argv has lost.
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)  # noqa: S606


def take_root_secret() -> int | None:
    """The open file that holds the secret, if one was given; nothing started later inherits it.

    Raises: RootSecretError. Secrets: the content is never read here.
    """
    text = os.environ.pop(FD_VARIABLE, None)
    if text is None:
        return None
    refusal = RootSecretError(
        f"{FD_VARIABLE} must be the number of an open file of 1 to {SECRET_BYTES_MAX} bytes; "
        f"give the secret in {VARIABLE} instead."
    )
    if not (text.isascii() and text.isdigit() and len(text) < 10) or int(text) <= 2:
        raise refusal
    fd = int(text)
    try:
        status = os.fstat(fd)
        os.set_inheritable(fd, False)
    except OSError:
        raise refusal from None
    if not stat.S_ISREG(status.st_mode) or not 1 <= status.st_size <= SECRET_BYTES_MAX:
        raise refusal
    return fd
