"""The command line: which commands and flags there are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from strongroom import __version__
from strongroom.cli import commands


class UsageError(Exception):
    """The command line is not one of ours."""

    exit_code = 252


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")


def parse_arguments(arguments: list[str]) -> Callable[[], int]:
    """The command to run, ready to be called.

    Raises: UsageError; SystemExit after --help and --version, as argparse does.
    """
    options = vars(_build_parser().parse_args(arguments))
    command: Callable[..., int] = options.pop("command")
    return lambda: command(**options)


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="strongroom",
        description="An AWS KMS that anyone can run.",
        epilog="Settings also come from STRONGROOM_* environment variables; a flag wins over them.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"strongroom {__version__}")
    commands_of = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_dev(commands_of)
    _add_serve(commands_of)
    _add_audit(commands_of)
    return parser


def _add_dev(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    dev = commands_of.add_parser(
        "dev",
        help="start a server to develop against",
        description="Start a server to develop against: open to everyone who can reach it, and with "
        "its data in a temporary directory, unless told otherwise.",
        allow_abbrev=False,
    )
    _add_settings(dev)
    dev.add_argument("--config", type=Path, metavar="FILE", help="read settings from a TOML file")
    dev.set_defaults(command=commands.run_dev)


def _add_serve(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    serve = commands_of.add_parser(
        "serve",
        help="start a server for real keys",
        description="Start a server for real keys: every signature is verified, every answer waits "
        "for its audit record, and the seal key lies outside the data directory.",
        allow_abbrev=False,
    )
    _add_settings(serve)
    serve.add_argument("--config", type=Path, metavar="FILE", help="read settings from a TOML file")
    serve.set_defaults(command=commands.run_serve)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """Flags give text; config.py judges it, so that a flag and a variable are refused alike."""
    for flag, name, metavar, help_text in (
        ("--host", "host", "ADDRESS", "listen on this address (127.0.0.1)"),
        ("--port", "port", "N", "listen on this port; 0 takes any free one (8080)"),
        ("--data-dir", "data_directory", "DIR", "keep all data here"),
        ("--auth", "auth", "open|strict", "believe every caller, or verify every signature"),
        ("--account", "account_id", "ID", "the 12-digit account id (000000000000)"),
        ("--workers", "workers", "N", "processes that answer requests"),
        ("--audit", "audit", "durable|batched", "answer after the record is on disk, or up to 5 ms before"),
    ):
        parser.add_argument(flag, dest=name, metavar=metavar, help=help_text, default=argparse.SUPPRESS)


def _add_audit(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    audit = commands_of.add_parser("audit", help="work with the audit trail", allow_abbrev=False)
    audit_commands = audit.add_subparsers(title="commands", metavar="COMMAND", required=True)
    verify = audit_commands.add_parser(
        "verify",
        help="check that no audit record was changed, removed or added",
        description="Check the hash chain over all audit records. Exit code 0: it holds; 1: it does not.",
        allow_abbrev=False,
    )
    verify.add_argument("--data-dir", dest="data_directory", type=Path, metavar="DIR", required=True)
    verify.set_defaults(command=commands.verify_audit)
