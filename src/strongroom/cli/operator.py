"""The operator's commands: they ask the running server, which does what is asked and records it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom.administration.messages import NewAccessKey


def create_account(data_directory: Path, name: str, account_id: str | None) -> int:
    """`strongroom account create`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import CreateAccount, NewAccessKey

    made = ask(data_directory, CreateAccount(name, account_id))
    assert isinstance(made, NewAccessKey)  # noqa: S101
    print(f"Account {made.owner} ({name}) is there. Its root's access key, shown this once:")
    _show(made)
    return 0


def list_accounts(data_directory: Path) -> int:
    """`strongroom account list`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import Accounts, ListAccounts

    after: str | None = None
    while True:
        page = ask(data_directory, ListAccounts(after))
        assert isinstance(page, Accounts)  # noqa: S101
        for account in page.accounts:
            print(f"{account.account_id}  {account.created_at[:19]}Z  {account.name or '(no name)'}")
        if not page.more:
            return 0
        after = page.accounts[-1].account_id


def replace_root_key(data_directory: Path, account_id: str) -> int:
    """`strongroom account replace-root-key`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import NewAccessKey, ReplaceRootAccessKey

    made = ask(data_directory, ReplaceRootAccessKey(account_id))
    assert isinstance(made, NewAccessKey)  # noqa: S101
    print(
        f"The root of account {account_id} has another access key, shown this once; older ones are inactive:"
    )
    _show(made)
    return 0


def register_service(data_directory: Path, name: str) -> int:
    """`strongroom service register`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import NewAccessKey, RegisterService

    made = ask(data_directory, RegisterService(name))
    assert isinstance(made, NewAccessKey)  # noqa: S101
    print(f"The service {made.owner} is registered. Its access key, shown this once:")
    _show(made)
    return 0


def list_services(data_directory: Path) -> int:
    """`strongroom service list`. Raises: ServerNotThere, CommandFailed."""
    from strongroom.administration.client import ask
    from strongroom.administration.messages import ListServices, Services

    found = ask(data_directory, ListServices())
    assert isinstance(found, Services)  # noqa: S101
    for service in found.services:
        keys = ", ".join(service.access_key_ids) or "no active access key"
        print(f"{service.principal}  {service.created_at[:19]}Z  {keys}")
    return 0


def _show(made: NewAccessKey) -> None:
    print(f"export AWS_ACCESS_KEY_ID={made.access_key_id}")
    print(f"export AWS_SECRET_ACCESS_KEY={made.secret_access_key}")
