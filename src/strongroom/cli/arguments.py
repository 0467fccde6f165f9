"""The command line: which commands and flags there are."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from strongroom import __version__
from strongroom.cli import (
    audit_command,
    backup_commands,
    commands,
    inquiries,
    key_commands,
    operator,
    proxy_commands,
    status_command,
)
from strongroom.cli.seal_arguments import add_seal_commands

DATA_DIRECTORY = "/var/lib/strongroom"
"""Where `serve` keeps its data unless told otherwise."""


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
    add_seal_commands(commands_of)
    backup_commands.add_to(commands_of, _add_data_directory)
    _add_audit(commands_of)
    _add_account(commands_of)
    _add_service(commands_of)
    _add_key(commands_of)
    _add_explain(commands_of)
    _add_who_can(commands_of)
    _add_policy(commands_of)
    proxy_commands.add_to(commands_of, _add_settings, _add_data_directory)
    status_command.add_to(commands_of, _add_data_directory)
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
        description="Check the hash chain over all audit records, and the boundary's signatures of it. Exit "
        "code 0: both hold; 1: they do not.",
        allow_abbrev=False,
    )
    verify.add_argument("--data-dir", dest="data_directory", type=Path, metavar="DIR", required=True)
    verify.add_argument(
        "--public-key",
        type=Path,
        metavar="FILE",
        help="who signed: your own copy of audit-key.pem (default: the one in the data directory)",
    )
    verify.add_argument(
        "--checkpoint",
        type=Path,
        metavar="FILE",
        help="an older copy of audit.checkpoint: the trail must be the one that was signed then",
    )
    verify.set_defaults(command=audit_command.verify_audit)


def _add_account(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    account = commands_of.add_parser("account", help="make and list accounts", allow_abbrev=False)
    account_commands = account.add_subparsers(title="commands", metavar="COMMAND", required=True)
    create = account_commands.add_parser(
        "create",
        help="make an account; its root access key is shown once",
        description="Make an account on the running server. Its root access key is shown once.",
        allow_abbrev=False,
    )
    create.add_argument("--name", required=True, help="what the account is called")
    create.add_argument("--id", dest="account_id", metavar="ID", help="12 digits (chosen if not given)")
    _add_data_directory(create)
    create.set_defaults(command=operator.create_account)
    listing = account_commands.add_parser("list", help="list the accounts", allow_abbrev=False)
    _add_data_directory(listing)
    listing.set_defaults(command=operator.list_accounts)
    replacing = account_commands.add_parser(
        "replace-root-key",
        help="give an account's root another access key",
        description="Give an account's root another access key, shown once. The ones it had stop working.",
        allow_abbrev=False,
    )
    replacing.add_argument("account_id", metavar="ID")
    _add_data_directory(replacing)
    replacing.set_defaults(command=operator.replace_root_key)


def _add_service(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    service = commands_of.add_parser(
        "service", help="register services that use keys for their users", allow_abbrev=False
    )
    service_commands = service.add_subparsers(title="commands", metavar="COMMAND", required=True)
    register = service_commands.add_parser(
        "register",
        help="register a service; its access key is shown once",
        description="Register an integrated service on the running server: it signs as itself and says for "
        "whom it acts. Registered again, it gets another access key and the one before stops working.",
        allow_abbrev=False,
    )
    register.add_argument("name", metavar="NAME", help="such as s3")
    _add_data_directory(register)
    register.set_defaults(command=operator.register_service)
    listing = service_commands.add_parser("list", help="list the services", allow_abbrev=False)
    _add_data_directory(listing)
    listing.set_defaults(command=operator.list_services)


def _add_key(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    key = commands_of.add_parser("key", help="look at a KMS key's use", allow_abbrev=False)
    key_commands_of = key.add_subparsers(title="commands", metavar="COMMAND", required=True)
    usage = key_commands_of.add_parser(
        "usage",
        help="who used a key, for what, how often, when last",
        description="Who used a KMS key, for what, how often and when last, from the audit trail.",
        allow_abbrev=False,
    )
    usage.add_argument("key", metavar="KEY", help="a key id or key ARN")
    usage.add_argument("--days", type=_whole_number, metavar="N", help="of the last N days only")
    _add_data_directory(usage)
    usage.set_defaults(command=key_commands.show_key_usage)
    deletion = key_commands_of.add_parser(
        "schedule-deletion",
        help="show a key's use, ask, and schedule its deletion",
        description="Show who used a KMS key, ask, and call ScheduleKeyDeletion with the credentials, Region "
        "and endpoint of the environment, as the AWS CLI would.",
        allow_abbrev=False,
    )
    deletion.add_argument("key", metavar="KEY", help="a key id or key ARN")
    deletion.add_argument(
        "--pending-window-days", type=_whole_number, metavar="N", default=30, help="7 to 30 (30)"
    )
    deletion.add_argument("--yes", dest="is_confirmed", action="store_true", help="do not ask")
    _add_data_directory(deletion)
    deletion.set_defaults(command=key_commands.schedule_key_deletion)


def _add_explain(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    explain = commands_of.add_parser(
        "explain",
        help="why a request was allowed or denied",
        description="Why a request was allowed or denied: every policy and grant that had a say, what of "
        "each statement fitted, and what would have allowed it. From the audit trail and today's policies.",
        allow_abbrev=False,
    )
    explain.add_argument("request_id", metavar="REQUEST_ID", help="as the answer's x-amzn-RequestId has it")
    _add_json(explain)
    _add_data_directory(explain)
    explain.set_defaults(command=inquiries.explain)


def _add_who_can(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    who_can = commands_of.add_parser(
        "who-can",
        help="who could use a key for something, and how",
        description="Every principal of the server that could do something with a KMS key now: by which "
        "statements or grants, and under which conditions.",
        allow_abbrev=False,
    )
    who_can.add_argument("--key", metavar="KEY", required=True, help="a key id or key ARN")
    who_can.add_argument("--action", metavar="ACTION", required=True, help="such as kms:Decrypt")
    _add_json(who_can)
    _add_data_directory(who_can)
    who_can.set_defaults(command=inquiries.who_can)


def _add_policy(commands_of: argparse._SubParsersAction[_Parser]) -> None:
    policy = commands_of.add_parser("policy", help="try a key policy out", allow_abbrev=False)
    policy_commands = policy.add_subparsers(title="commands", metavar="COMMAND", required=True)
    test = policy_commands.add_parser(
        "test",
        help="what another key policy would change for those who used the key",
        description="Ask again for every request of the last days on a KMS key, under another key policy and "
        "under its own, and show whose answer would change. Nothing is changed. Exit code 1: something that "
        "is allowed would be denied, or nobody could change the policy any more.",
        allow_abbrev=False,
    )
    test.add_argument("--key", metavar="KEY", required=True, help="a key id or key ARN")
    test.add_argument(
        "--policy", dest="policy_file", type=Path, metavar="FILE", required=True, help="the policy, as JSON"
    )
    test.add_argument("--days", type=_whole_number, metavar="N", default=30, help="of the last N days (30)")
    _add_json(test)
    _add_data_directory(test)
    test.set_defaults(command=inquiries.test_policy)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", dest="as_json", action="store_true", help="print JSON")


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def _add_data_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        dest="data_directory",
        type=Path,
        metavar="DIR",
        default=Path(DATA_DIRECTORY),
        help=f"the server's data directory ({DATA_DIRECTORY})",
    )
