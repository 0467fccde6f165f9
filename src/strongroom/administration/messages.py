"""The commands of the operator and their answers: one line of JSON each way, then the connection closes."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

LINE_BYTES_MAX = 64 * 1024
SOCKET_NAME = "operator.sock"


class CreateAccount(msgspec.Struct, tag="CreateAccount", frozen=True):
    """Make an account with a root access key. Without `account_id` the server chooses one."""

    name: str
    account_id: str | None = None


class ListAccounts(msgspec.Struct, tag="ListAccounts", frozen=True):
    """One page of accounts, beginning after `after`."""

    after: str | None = None


class ReplaceRootAccessKey(msgspec.Struct, tag="ReplaceRootAccessKey", frozen=True):
    """Give an account another root access key; those it had stop working."""

    account_id: str


class RegisterService(msgspec.Struct, tag="RegisterService", frozen=True):
    """Make an integrated service with an access key of its own. Registered again, it gets another key."""

    name: str


class ListServices(msgspec.Struct, tag="ListServices", frozen=True):
    """All integrated services."""


class CreateProxyCredential(msgspec.Struct, tag="CreateProxyCredential", frozen=True):
    """Make a credential for callers of the external key store proxy."""


class ListProxyCredentials(msgspec.Struct, tag="ListProxyCredentials", frozen=True):
    """All credentials of the proxy's callers."""


class DeleteProxyCredential(msgspec.Struct, tag="DeleteProxyCredential", frozen=True):
    """Take one away: from then on its signatures are refused."""

    access_key_id: str


class AuthenticateBackup(msgspec.Struct, tag="AuthenticateBackup", frozen=True):
    """Say that a backup is of this server."""

    manifest_sha256: str
    """In hexadecimal."""


class CheckBackup(msgspec.Struct, tag="CheckBackup", frozen=True):
    """Tell whether a server with this root key made a backup."""

    manifest_sha256: str
    ticket: str
    """In base64."""


class ShowStatus(msgspec.Struct, tag="ShowStatus", frozen=True):
    """What the server is, and what of its protections holds."""


RoomsCommand: TypeAlias = (
    CreateAccount
    | ListAccounts
    | ReplaceRootAccessKey
    | RegisterService
    | ListServices
    | CreateProxyCredential
    | ListProxyCredentials
    | DeleteProxyCredential
    | AuthenticateBackup
    | CheckBackup
)
"""What is done with the rooms of the service."""
Command: TypeAlias = RoomsCommand | ShowStatus


class NewAccessKey(msgspec.Struct, tag="NewAccessKey", frozen=True):
    """An access key that was just made. Secrets: shown once, kept nowhere outside the boundary."""

    owner: str
    """The account id, or the service's principal."""
    access_key_id: str
    secret_access_key: str

    def __repr__(self) -> str:
        return f"NewAccessKey(owner={self.owner!r}, access_key_id={self.access_key_id!r})"


class AccountLine(msgspec.Struct, frozen=True):
    """An account, as listed."""

    account_id: str
    name: str | None
    created_at: str
    """ISO 8601, UTC."""


class Accounts(msgspec.Struct, tag="Accounts", frozen=True):
    """A page of accounts; `more`: there are others after the last."""

    accounts: list[AccountLine]
    more: bool


class ServiceLine(msgspec.Struct, frozen=True):
    """An integrated service, as listed."""

    name: str
    principal: str
    created_at: str
    access_key_ids: list[str]


class Services(msgspec.Struct, tag="Services", frozen=True):
    """All integrated services."""

    services: list[ServiceLine]


class ProxyCredentialLine(msgspec.Struct, frozen=True):
    """A credential, as listed and as deleted."""

    access_key_id: str
    created_at: str


class ProxyCredentials(msgspec.Struct, tag="ProxyCredentials", frozen=True):
    """Credentials of the proxy's callers, the oldest first."""

    credentials: list[ProxyCredentialLine]


class ProcessLine(msgspec.Struct, frozen=True):
    """One process of the server, as the kernel tells of it."""

    name: str
    process_id: int
    user_id: int
    resident_kilobytes: int
    protections: dict[str, str]
    """What it has given up, by name: `held`, or why not. The boundary tells of its own in its facts."""


class ServerStatus(msgspec.Struct, tag="ServerStatus", frozen=True):
    """What a server is, and what holds."""

    version: str
    python: str
    mode: str
    processes: list[ProcessLine]
    boundary: dict[str, str]
    """What the boundary says of itself, by name; empty when it does not answer."""
    is_recording: bool
    """Whether the audit trail takes records."""


class BackupTicket(msgspec.Struct, tag="BackupTicket", frozen=True):
    """The boundary's ticket for a backup, in base64."""

    ticket: str


class BackupChecked(msgspec.Struct, tag="BackupChecked", frozen=True):
    """Whether a server with this root key made it."""

    is_authentic: bool


class Refused(msgspec.Struct, tag="Refused", frozen=True):
    """The command was not carried out; one sentence says why."""

    sentence: str


Reply: TypeAlias = (
    NewAccessKey
    | Accounts
    | Services
    | ProxyCredentials
    | ServerStatus
    | BackupTicket
    | BackupChecked
    | Refused
)
