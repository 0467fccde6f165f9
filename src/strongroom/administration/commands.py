"""What each command of the operator does."""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Sequence
from typing import Final

import msgspec

from strongroom.administration.backups import HashRefused, authenticate_backup, check_backup
from strongroom.administration.messages import (
    AccountLine,
    Accounts,
    AuthenticateBackup,
    CheckBackup,
    CreateAccount,
    CreateProxyCredential,
    DeleteProxyCredential,
    ListAccounts,
    ListProxyCredentials,
    ListServices,
    NewAccessKey,
    RegisterService,
    ReplaceRootAccessKey,
    Reply,
    RoomsCommand,
    ServiceLine,
    Services,
)
from strongroom.administration.proxy_credentials import (
    CredentialRefused,
    create_proxy_credential,
    delete_proxy_credential,
    list_proxy_credentials,
)
from strongroom.identity.principal import PrincipalType
from strongroom.operations.context import Rooms
from strongroom.operations.deletion_ledger import keep_deletions
from strongroom.resources.iam import IdPrefix, IntegratedService, new_unique_id
from strongroom.resources.identifiers import (
    ACCOUNT_ID,
    SERVICE_ACCOUNT_PREFIX,
    AccessKeyId,
    AccountId,
    is_service_account,
)
from strongroom.store.iam_interface import AccessKey, Account
from strongroom.store.interface import AlreadyExists, ConcurrentChange

PAGE_ACCOUNTS: Final = 200
SERVICES_MAX: Final = 1000
NO_ACCOUNT: Final = AccountId("000000000000")
"""The account in whose name the boundary wraps a service's secret: services are of no account."""

_ACCOUNT_NAME = re.compile(r"[ -~]{1,50}")  # AWS Organizations, CreateAccount: AccountName, 1 to 50
_SERVICE_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
_OWN_SERVICES = frozenset({"kms", "sts", "iam"})


class CommandRefused(Exception):
    """The command asks for what cannot be; its text is one sentence for the operator."""


async def carry_out(rooms: Rooms, command: RoomsCommand) -> Reply:
    """Do what the operator asked. Raises CommandRefused; StoreUnavailable, BoundaryUnavailable."""
    match command:
        case CreateAccount():
            return await _create_account(rooms, command)
        case ListAccounts():
            return await _list_accounts(rooms, command)
        case ReplaceRootAccessKey():
            return await _replace_root_access_key(rooms, command)
        case RegisterService():
            return await _register_service(rooms, command)
        case ListServices():
            return await _list_services(rooms)
        case _:
            return await _of_other_files(rooms, command)


async def _of_other_files(
    rooms: Rooms,
    command: CreateProxyCredential
    | ListProxyCredentials
    | DeleteProxyCredential
    | AuthenticateBackup
    | CheckBackup,
) -> Reply:
    try:
        match command:
            case CreateProxyCredential():
                return await create_proxy_credential(rooms)
            case ListProxyCredentials():
                return await list_proxy_credentials(rooms)
            case DeleteProxyCredential():
                return await delete_proxy_credential(rooms, command)
            case AuthenticateBackup():
                return await authenticate_backup(rooms, command)
            case CheckBackup():
                return await check_backup(rooms, command)
    except (CredentialRefused, HashRefused) as refused:
        raise CommandRefused(str(refused)) from None


async def _create_account(rooms: Rooms, command: CreateAccount) -> Reply:
    if _ACCOUNT_NAME.fullmatch(command.name) is None:
        raise CommandRefused("An account's name has 1 to 50 printable ASCII characters.")
    account_id = command.account_id or f"{secrets.randbelow(9 * 10**11) + 10**11}"
    if ACCOUNT_ID.fullmatch(account_id) is None:
        raise CommandRefused("An account id has 12 digits.")
    if is_service_account(account_id):
        raise CommandRefused(f"Account ids that begin with {SERVICE_ACCOUNT_PREFIX} are kept for services.")
    try:
        await rooms.store.insert_account(Account(AccountId(account_id), command.name, rooms.clock.now()))
    except AlreadyExists:
        raise CommandRefused(f"There is an account {account_id} already.") from None
    return await _new_root_access_key(rooms, AccountId(account_id))


async def _list_accounts(rooms: Rooms, command: ListAccounts) -> Reply:
    after = None if command.after is None else AccountId(command.after)
    found = await rooms.store.list_accounts(after, PAGE_ACCOUNTS + 1)
    page = [
        AccountLine(account.account_id, account.name, account.created_at.isoformat())
        for account in found[:PAGE_ACCOUNTS]
    ]
    return Accounts(page, more=len(found) > PAGE_ACCOUNTS)


async def _replace_root_access_key(rooms: Rooms, command: ReplaceRootAccessKey) -> Reply:
    account_id = AccountId(command.account_id)
    if await rooms.store.find_account(account_id) is None:
        raise CommandRefused(f"There is no account {command.account_id}.")
    before = await rooms.store.list_access_keys(account_id, account_id)
    made = await _new_root_access_key(rooms, account_id)
    await _retire(rooms, before)
    return made


async def _new_root_access_key(rooms: Rooms, account_id: AccountId) -> NewAccessKey:
    return await _new_access_key(
        rooms, PrincipalType.ROOT, account_id, account_id, f"arn:aws:iam::{account_id}:root", account_id
    )


async def _register_service(rooms: Rooms, command: RegisterService) -> Reply:
    name = command.name.removesuffix(".amazonaws.com")
    if _SERVICE_NAME.fullmatch(name) is None:
        raise CommandRefused(
            "A service's name has up to 31 lower-case letters, digits and hyphens, a letter first: s3, say."
        )
    if name in _OWN_SERVICES:
        raise CommandRefused(f"{name} is this server itself.")
    before = await rooms.store.list_access_keys(NO_ACCOUNT, name)
    await _require_registered(rooms, name)
    principal = f"{name}.amazonaws.com"
    made = await _new_access_key(rooms, PrincipalType.AWS_SERVICE, NO_ACCOUNT, name, principal, principal)
    await _retire(rooms, before)
    return made


async def _retire(rooms: Rooms, access_keys: Sequence[AccessKey]) -> None:
    """Make them inactive. One that was deleted meanwhile must not come back."""
    for access_key in access_keys:
        if access_key.active:
            with contextlib.suppress(ConcurrentChange):
                await rooms.store.set_access_key_active(access_key.access_key_id, False)
    await keep_deletions(rooms.deletion_ledger)


async def _require_registered(rooms: Rooms, name: str) -> None:
    """The service is kept, with an account for the keys that it owns; the one it has stays its own."""
    known = await rooms.store.find_entity(IntegratedService, AccountId(""), name)
    if known is not None and known.own_account_id:
        return
    every = await rooms.store.list_entities(IntegratedService, AccountId(""), "/", None, SERVICES_MAX)
    if known is None and len(every) >= SERVICES_MAX:
        raise CommandRefused(f"There are {SERVICES_MAX} services already.")
    taken = {service.own_account_id for service in every}
    own_account_id = next(
        account_id
        for account_id in iter(lambda: f"{SERVICE_ACCOUNT_PREFIX}{secrets.randbelow(10**6):06}", "")
        if account_id not in taken
    )
    if known is not None:
        await rooms.store.update_entity(msgspec.structs.replace(known, own_account_id=own_account_id))
        return
    await rooms.store.insert_entity(
        IntegratedService(
            account_id=AccountId(""),
            name=name,
            unique_id=f"service-{name}",
            created_at=rooms.clock.now(),
            own_account_id=own_account_id,
        )
    )


async def _list_services(rooms: Rooms) -> Reply:
    found = await rooms.store.list_entities(IntegratedService, AccountId(""), "/", None, SERVICES_MAX)
    lines = []
    for service in found:
        access_keys = await rooms.store.list_access_keys(NO_ACCOUNT, service.name)
        active = [str(access_key.access_key_id) for access_key in access_keys if access_key.active]
        principal = f"{service.name}.amazonaws.com"
        lines.append(ServiceLine(service.name, principal, service.created_at.isoformat(), active))
    return Services(lines)


async def _new_access_key(
    rooms: Rooms,
    kind: PrincipalType,
    account_id: AccountId,
    principal_id: str,
    arn: str,
    owner: str,
) -> NewAccessKey:
    access_key_id = AccessKeyId(new_unique_id(IdPrefix.ACCESS_KEY))
    secret, token = await rooms.boundary.create_access_key_secret(access_key_id, account_id)
    await rooms.store.put_access_key(
        AccessKey(
            access_key_id=access_key_id,
            account_id=account_id,
            principal_arn=arn,
            principal_id=principal_id,
            principal_type=kind,
            secret_token=token,
            active=True,
            created_at=rooms.clock.now(),
        )
    )
    return NewAccessKey(owner, access_key_id, secret)
