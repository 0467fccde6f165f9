"""Starting a child process that holds exactly the files it was given, and dies with its parent.

The supervisor has one thread and no event loop, so that forking it is safe.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NoReturn

EXIT_FAULT: Final = 70
"""A child ended by an exception that was not meant for the operator."""
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_SERVICE_ENVIRONMENT: Final = {"PATH": os.defpath, "LANG": "C.UTF-8"}


def fork_child(title: str, run: Callable[[], None], keep_fds: Iterable[int]) -> int:
    """Run a function in a process of its own; returns its process id.

    SIGTERM ends the child unless it says otherwise. INVARIANT P3: it holds only `keep_fds`. Nobody but
    root can trace it or read its memory.
    """
    keep = sorted(keep_fds)

    def body() -> None:
        from setproctitle import setproctitle  # late: the services do without

        _close_other_files(keep)
        setproctitle(title)
        if _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:  # callers' plaintext is in here, and no key
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_DUMPABLE)")
        run()

    return _fork(body)


def exec_service(command: Sequence[str], control_fd: int) -> int:
    """Start a program with nothing of ours but its control socket; returns its process id.

    Secrets: INVARIANT P3: neither our environment nor any other open file reaches it. Its standard
    output is our standard error. It outlives a SIGTERM sent to the whole group, because the workers
    still need it then: it ends when its control socket does.
    """

    def body() -> None:
        os.dup2(2, 1)
        _close_other_files([control_fd])
        os.set_inheritable(control_fd, True)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        arguments = [*command, "--control-fd", str(control_fd)]
        os.execve(arguments[0], arguments, _SERVICE_ENVIRONMENT)  # noqa: S606  no shell is what we want

    return _fork(body)


def _fork(body: Callable[[], None]) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    supervisor_pid = os.getpid()
    # A signal between the fork and the reset below would run the supervisor's handlers in the child.
    before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _run_child(body, supervisor_pid)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _run_child(body: Callable[[], None], supervisor_pid: int) -> NoReturn:
    """Never returns into the supervisor's frames, whatever happens."""
    exit_code = EXIT_FAULT
    try:
        _leave_supervisor(supervisor_pid)
        body()
        exit_code = 0
    except SystemExit as error:
        exit_code = error.code if isinstance(error.code, int) else EXIT_FAULT
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(exit_code)


def _leave_supervisor(supervisor_pid: int) -> None:
    # INVARIANT P2: the kernel kills this process when the supervisor is gone, however it went.
    if _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != supervisor_pid:  # it went before the line above
        os._exit(EXIT_FAULT)
    os.setpgid(0, 0)  # Ctrl-C in a terminal is for the supervisor, which stops us in order
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold callers' plaintext
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)


def _close_other_files(keep: Sequence[int]) -> None:
    """The supervisor's objects that own these files live on in this process, unused, until it ends."""
    first = 3
    for fd in keep:
        os.closerange(first, fd)
        first = fd + 1
    os.closerange(first, _open_files_max())


def _open_files_max() -> int:
    return 1 + max((int(name) for name in os.listdir("/proc/self/fd")), default=1024)
