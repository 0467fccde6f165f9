"""`strongroom xks-proxy`: a server that offers keys to AWS KMS or another Strongroom, and who may call it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.cli import commands

if TYPE_CHECKING:
    from strongroom.administration.messages import ProxyCredentials


def add_to(
    commands_of: argparse._SubParsersAction[Any],
    add_settings: Callable[[Any], None],
    add_data_directory: Callable[[Any], None],
) -> None:
    """Add the command and those under it."""
    proxy = commands_of.add_parser(
        "xks-proxy", help="offer keys as an external key store", allow_abbrev=False
    )
    proxy_commands = proxy.add_subparsers(title="commands", metavar="COMMAND", required=True)
    serve = proxy_commands.add_parser(
        "serve",
        help="start a server that offers keys",
        description="Start a server, as `strongroom serve` does, that also offers the keys of its "
        "[xks_proxy] table as an external key store to AWS KMS or to another Strongroom.",
        allow_abbrev=False,
    )
    add_settings(serve)
    serve.add_argument(
        "--config", type=Path, metavar="FILE", required=True, help="read settings from a TOML file"
    )
    serve.set_defaults(command=commands.run_serve_with_proxy)
    create = proxy_commands.add_parser(
        "create-credential",
        help="make a credential for the caller; its secret is shown once",
        description="Make a credential for the key management service that calls the proxy. Its secret is "
        "shown once. There are at most two: the old one and the new one of a rotation.",
        allow_abbrev=False,
    )
    create.add_argument("--json", dest="as_json", action="store_true", help="print JSON")
    add_data_directory(create)
    create.set_defaults(command=create_credential)
    listing = proxy_commands.add_parser("list-credentials", help="list them", allow_abbrev=False)
    add_data_directory(listing)
    listing.set_defaults(command=list_credentials)
    delete = proxy_commands.add_parser(
        "delete-credential",
        help="delete one; its signatures are refused from then on",
        allow_abbrev=False,
    )
    delete.add_argument("access_key_id", metavar="ID")
    add_data_directory(delete)
    delete.set_defaults(command=delete_credential)


def create_credential(data_directory: Path, as_json: bool) -> int:
    """`strongroom xks-proxy create-credential`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import CreateProxyCredential, NewAccessKey

    made = ask(data_directory, CreateProxyCredential())
    assert isinstance(made, NewAccessKey)  # noqa: S101
    if as_json:  # XksProxyAuthenticationCredential, as CreateCustomKeyStore takes it
        credential = {"AccessKeyId": made.access_key_id, "RawSecretAccessKey": made.secret_access_key}
        print(json.dumps(credential, indent=2))
        return 0
    print("A credential for the caller of the XKS proxy. Its secret, shown this once:")
    print(f"AccessKeyId         {made.access_key_id}")
    print(f"RawSecretAccessKey  {made.secret_access_key}")
    return 0


def list_credentials(data_directory: Path) -> int:
    """`strongroom xks-proxy list-credentials`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import ListProxyCredentials, ProxyCredentials

    found = ask(data_directory, ListProxyCredentials())
    assert isinstance(found, ProxyCredentials)  # noqa: S101
    _show(found)
    return 0


def delete_credential(data_directory: Path, access_key_id: str) -> int:
    """`strongroom xks-proxy delete-credential`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import DeleteProxyCredential, ProxyCredentials

    left = ask(data_directory, DeleteProxyCredential(access_key_id))
    assert isinstance(left, ProxyCredentials)  # noqa: S101
    print(f"The credential {access_key_id} is deleted.")
    if not left.credentials:
        print("There is none left: nobody can call the XKS proxy.")
    _show(left)
    return 0


def _show(found: ProxyCredentials) -> None:
    for credential in found.credentials:
        print(f"{credential.access_key_id}  {credential.created_at[:19]}Z")
