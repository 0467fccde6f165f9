"""Every principal of a server: accounts' roots, users, roles, services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

from strongroom.administration.key_finding import list_account_ids
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.resources.iam import Entity, IntegratedService, Role, User, iam_arn
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.interface import Store

ANY_SESSION = "*"
"""In the place of a session's name: whichever session of the role."""

_PAGE = 500
_NO_ACCOUNT = AccountId("")
_NO_KEY = AccessKeyId("")
_ALL_PATHS = "/"

E = TypeVar("E", bound=Entity)


async def list_principals(
    store: Store, partition: str, more_accounts: Sequence[AccountId] = ()
) -> AsyncIterator[AuthenticatedPrincipal]:
    """One after the other, account by account; a role as its session `*`.

    `more_accounts` are known to be there although the server has no record of them.
    """
    for account_id in sorted({*await list_account_ids(store), *more_accounts}):
        yield root_of(account_id, partition)
        async for user in _list(store, User, account_id):
            yield user_principal(user, partition)
        async for role in _list(store, Role, account_id):
            yield role_principal(role, partition)
    async for service in _list(store, IntegratedService, _NO_ACCOUNT):
        name = f"{service.name}.amazonaws.com"
        yield AuthenticatedPrincipal(PrincipalType.AWS_SERVICE, _NO_ACCOUNT, name, name, _NO_KEY)


def root_of(account_id: AccountId, partition: str) -> AuthenticatedPrincipal:
    """An account's root."""
    arn = f"arn:{partition}:iam::{account_id}:root"
    return AuthenticatedPrincipal(
        PrincipalType.ROOT, account_id, arn, account_id, _NO_KEY, unique_id=account_id
    )


def user_principal(user: User, partition: str) -> AuthenticatedPrincipal:
    """A user with a long-term credential."""
    arn = iam_arn(user.account_id, user.kind, user.path, user.name, partition)
    return AuthenticatedPrincipal(
        PrincipalType.IAM_USER, user.account_id, arn, user.unique_id, _NO_KEY, unique_id=user.unique_id
    )


def role_principal(role: Role, partition: str, session_name: str = ANY_SESSION) -> AuthenticatedPrincipal:
    """A session of a role, without session policies."""
    account_id = role.account_id
    return AuthenticatedPrincipal(
        PrincipalType.ASSUMED_ROLE,
        account_id,
        f"arn:{partition}:sts::{account_id}:assumed-role/{role.name}/{session_name}",
        f"{role.unique_id}:{session_name}",
        _NO_KEY,
        unique_id=role.unique_id,
        session=Session(role.created_at, role.created_at, session_name=session_name),
        role_arn=iam_arn(account_id, role.kind, role.path, role.name, partition),
    )


async def _list(store: Store, kind: type[E], account_id: AccountId) -> AsyncIterator[E]:
    after: str | None = None
    while True:
        page = await store.list_entities(kind, account_id, _ALL_PATHS, after, _PAGE)
        for entity in page:
            yield entity
        if len(page) < _PAGE:
            return
        after = page[-1].name
