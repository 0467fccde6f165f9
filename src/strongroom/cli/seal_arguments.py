"""The flags of `strongroom init` and `strongroom seal`."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from strongroom.cli import seal_commands

DATA_DIRECTORY = "/var/lib/strongroom"


def add_seal_commands(commands_of: argparse._SubParsersAction[Any]) -> None:
    """`init`, and `seal` with its commands."""
    init = commands_of.add_parser(
        "init",
        help="make the root key and the slots that open it",
        description="Make the root key of a new data directory, and the slots that open it: any one "
        "of them does. Take two or more, one of them offline (a passphrase or shares).",
        allow_abbrev=False,
    )
    _add_new(init, "")
    _add_token(init)
    _add_kms(init)
    _add_data_directory(init)
    init.set_defaults(command=seal_commands.run_init)
    seal = commands_of.add_parser(
        "seal", help="look at the seal, prove it, change it, open it", allow_abbrev=False
    )
    seal_commands_of = seal.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, help_text in (
        ("status", "which slots there are, and what to worry about"),
        ("verify", "decrypt every slot that something was brought for"),
        ("add-slot", "open the seal in one more way; one that is there has to be opened first"),
        ("remove-slot", "take a slot away; one that stays has to be opened first"),
        ("unseal", "open the seal of a server that waits for it"),
    ):
        parser = seal_commands_of.add_parser(
            name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".", allow_abbrev=False
        )
        if name == "add-slot":
            _add_new(parser, "new-")
        if name == "remove-slot":
            parser.add_argument("slot", type=_slot_number, metavar="N", help="its number in seal status")
        if name != "status":
            _add_brought(parser)
        if name == "unseal":
            _add_one_share(parser)
        _add_data_directory(parser)
        parser.set_defaults(command=seal_commands.run_seal, seal_command=name)


def _add_new(parser: argparse.ArgumentParser, prefix: str) -> None:
    new = parser.add_argument_group("slots to make")
    new.add_argument(
        f"--{prefix}key-file",
        dest="new_key_file",
        type=Path,
        metavar="FILE",
        help="32 random bytes, made if not there; outside the data directory",
    )
    new.add_argument(
        f"--{prefix}passphrase", dest="new_passphrase", action="store_true", help="asked for on the terminal"
    )
    new.add_argument(
        f"--{prefix}passphrase-fd",
        dest="new_passphrase_fd",
        type=_file_number,
        metavar="N",
        help="a passphrase, read from an open file",
    )
    new.add_argument(
        f"--{prefix}shares",
        dest="new_shares",
        type=_quorum,
        metavar="KofN",
        help="N shares, of which any K open the seal, such as 3of5; shown once",
    )
    new.add_argument(
        f"--{prefix}pkcs11-token",
        dest="new_pkcs11_token",
        metavar="LABEL",
        help="a PKCS #11 token, with a key made in it (with --pkcs11-module)",
    )
    new.add_argument(
        f"--{prefix}kms-key",
        dest="new_kms_key",
        metavar="ARN",
        help="a key of another KMS (with --kms-endpoint)",
    )


def _add_brought(parser: argparse.ArgumentParser) -> None:
    brought = parser.add_argument_group("what opens a slot")
    brought.add_argument("--key-file", type=Path, metavar="FILE", help="the key file")
    brought.add_argument(
        "--passphrase", dest="asks_passphrase", action="store_true", help="ask for the passphrase"
    )
    brought.add_argument("--passphrase-fd", type=_file_number, metavar="N", help="read it from an open file")
    brought.add_argument("--shares", dest="asks_shares", action="store_true", help="ask for the shares")
    brought.add_argument(
        "--shares-fd", type=_file_number, metavar="N", help="read them from an open file, one a line"
    )
    _add_token(parser)
    _add_kms(parser)


def _add_one_share(parser: argparse.ArgumentParser) -> None:
    one = parser.add_argument_group(
        "shares one at a time, from several people",
        "The sealed server keeps them for an hour after the first.",
    ).add_mutually_exclusive_group()
    one.add_argument("--share", dest="asks_share", action="store_true", help="ask for one share, and give it")
    one.add_argument("--share-fd", type=_file_number, metavar="N", help="read it from an open file")
    one.add_argument(
        "--forget-shares",
        dest="forgets_shares",
        action="store_true",
        help="have the server forget those that it was given",
    )


def _add_token(parser: argparse.ArgumentParser) -> None:
    token = parser.add_argument_group("a PKCS #11 token")
    token.add_argument("--pkcs11-module", type=Path, metavar="FILE", help="the library that speaks to it")
    token.add_argument("--pkcs11-arguments", metavar="TEXT", help="what the library needs to start (NSS)")
    token.add_argument(
        "--pin-fd",
        type=_file_number,
        metavar="N",
        help="its user's PIN, from an open file (asked for otherwise)",
    )


def _add_kms(parser: argparse.ArgumentParser) -> None:
    kms = parser.add_argument_group("another KMS")
    kms.add_argument("--kms-endpoint", metavar="URL", help="where it is, such as https://kms.example.com")
    kms.add_argument(
        "--kms-credentials-file",
        type=Path,
        metavar="FILE",
        help="its section [default], as AWS's tools have it (AWS_ACCESS_KEY_ID and so on of the environment)",
    )
    kms.add_argument(
        "--kms-ca-file", type=Path, metavar="FILE", help="certificate authorities, instead of the system's"
    )


def _add_data_directory(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        dest="data_directory",
        type=Path,
        metavar="DIR",
        default=Path(DATA_DIRECTORY),
        help=f"the server's data directory ({DATA_DIRECTORY})",
    )


def _quorum(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,2})of([0-9]{1,2})", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError("must be such as 3of5")
    return int(found[1]), int(found[2])


def _file_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 6):
        raise argparse.ArgumentTypeError("must be the number of an open file")
    return int(text)


def _slot_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 3):
        raise argparse.ArgumentTypeError("must be the number of a slot")
    return int(text)
