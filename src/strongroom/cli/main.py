"""`strongroom`: reads the command line and turns every refusal into one sentence and an exit code."""

from __future__ import annotations

import os
import sys

from strongroom.cli.root_secret import shelter_root_secret


def main() -> int:
    """The command `strongroom`. Returns the exit code."""
    open_standard_files()
    shelter_root_secret()  # before anything else is imported
    return run(sys.argv[1:])


def open_standard_files() -> None:
    """Have descriptors 0 to 2 open, or the first files that the server opens would take their place."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def run(arguments: list[str]) -> int:
    """Run one command; a refusal is a sentence on stderr, never a traceback.

    An error that has an `exit_code` is a refusal. As with the AWS CLI: 252 wrong usage, 253 wrong
    configuration, 255 anything else. Every other exception is a fault of ours and keeps its traceback.
    """
    from strongroom.cli.arguments import parse_arguments

    try:
        return parse_arguments(arguments)()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        exit_code = getattr(error, "exit_code", None)
        if not isinstance(exit_code, int):
            raise
        print(f"strongroom: {error}", file=sys.stderr)
        return exit_code


if __name__ == "__main__":
    sys.exit(main())
