"""Users with credentials on a real server, put into its database before it hears of them."""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from tests.support.server import STRONGROOM

from strongroom.clock import HostClock
from strongroom.resources.iam import Entity, IdPrefix, Role, User, iam_arn, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.opening import open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

T = TypeVar("T")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Credentials = tuple[str, str]


def strongroom(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command, as a user types it."""
    return subprocess.run(
        [str(STRONGROOM), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def in_store(data: Path, work: Callable[[SqlStore], Awaitable[T]]) -> T:
    """Done to the database beside its server, whose workers do not hear of it: only for what they have not
    asked for yet."""

    async def working() -> T:
        store = open_store(data / "strongroom.db", Stamps(new_stamp_words()), HostClock())
        try:
            return await work(store)
        finally:
            store.close()

    return asyncio.run(working())


def root_credentials(data: Path, account_id: str, name: str = "Test") -> Credentials:
    """Of a new account."""
    made = strongroom("account", "create", "--id", account_id, "--name", name, "--data-dir", str(data))
    assert made.returncode == 0, made.stderr
    return _shown(made.stdout)


def user_credentials(data: Path, user: User) -> Credentials:
    """Of a user, who is put into the database. The access key is made by the running server for the
    account's root and given to the user before any worker has seen it."""
    made = strongroom("account", "replace-root-key", user.account_id, "--data-dir", str(data))
    assert made.returncode == 0, made.stderr
    access_key_id, secret = _shown(made.stdout)

    async def work(store: SqlStore) -> None:
        access_key = await store.find_access_key(AccessKeyId(access_key_id))
        assert access_key is not None
        arn = iam_arn(user.account_id, user.kind, user.path, user.name)
        await store.insert_entity(user)
        await store.put_access_key(
            replace(access_key, principal_arn=arn, principal_id=user.unique_id, principal_type="IAMUser")
        )

    in_store(data, work)
    return access_key_id, secret


def put_entities(data: Path, *entities: Entity) -> None:
    """Entities that no worker has asked for yet."""

    async def work(store: SqlStore) -> None:
        for entity in entities:
            await store.insert_entity(entity)

    in_store(data, work)


def new_user(account_id: str, name: str, **members: object) -> User:
    return User(
        account_id=AccountId(account_id),
        name=name,
        unique_id=new_unique_id(IdPrefix.USER),
        created_at=NOW,
        **members,  # type: ignore[arg-type]
    )


def new_role(account_id: str, name: str, **members: object) -> Role:
    return Role(
        account_id=AccountId(account_id),
        name=name,
        unique_id=new_unique_id(IdPrefix.ROLE),
        created_at=NOW,
        trust_policy="{}",
        **members,  # type: ignore[arg-type]
    )


def _shown(output: str) -> Credentials:
    found = re.search(r"AWS_ACCESS_KEY_ID=(\S+)\nexport AWS_SECRET_ACCESS_KEY=(\S+)\n", output)
    assert found is not None, output
    return found[1], found[2]
