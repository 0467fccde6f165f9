"""The seal program: the part of the boundary that meets operators, files, tokens and another KMS.

    python -I -m strongroom.boundary.seal.program --request JSON      for an operator, by the command line
    python -I -m strongroom.boundary.seal.program --control-fd N      for the supervisor, at a server's start

Short-lived; what the boundary process must not do (read files, wait for a network, spend 64 MiB on a
passphrase) is done here, and the root key goes to the boundary over a socket that others only pass on.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import NoReturn

from strongroom.boundary.seal.commands import carry_out
from strongroom.boundary.seal.opening_at_start import open_at_start
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.request import parse_request
from strongroom.confinement.sandbox import end_with_parent, protect_memory

EXIT_REFUSED = 255
EXIT_INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    sys.excepthook = _tell_type_only
    os.umask(0o077)
    protect_memory()  # before any secret comes in
    if len(arguments) == 2 and arguments[0] == "--request":
        return _serve_operator(arguments[1])
    if len(arguments) == 2 and arguments[0] == "--control-fd" and arguments[1].isdecimal():
        from setproctitle import setproctitle  # late: an operator's command keeps its name

        setproctitle("strongroom: seal")
        end_with_parent()
        return open_at_start(int(arguments[1]))
    print("This program is started by strongroom init and strongroom seal.", file=sys.stderr)  # noqa: T201
    return 2


def _serve_operator(text: str) -> int:
    try:
        return carry_out(parse_request(text))
    except SealRefused as refused:
        print(f"strongroom: {refused}", file=sys.stderr)  # noqa: T201
        return EXIT_REFUSED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _tell_type_only(kind: type[BaseException], _: BaseException, __: TracebackType | None) -> None:
    """What an exception says, and the lines around it, may hold a secret."""
    print(f"strongroom: the seal program failed on an unexpected {kind.__name__}", file=sys.stderr)  # noqa: T201


def _run() -> NoReturn:
    raise SystemExit(main(sys.argv[1:]))


if __name__ == "__main__":
    _run()
