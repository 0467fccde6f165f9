"""What a decision costs: in this process, and as part of Encrypt by a user, beside the null handler.

In process: from memory, and not, for a key policy of 20 statements and 10 identity policies. On a server: a
user with 10 policies and 5,000 grants on the key, allowed by a policy and by one of the grants.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.signed import signed_request
from tests.support.server import (
    REGION,
    ROOT_ACCESS_KEY_ID,
    ROOT_SECRET_ACCESS_KEY,
    Server,
    strict_environment,
)
from tests.support.store_records import new_key

from strongroom.authorization.ask import Ask, ConditionValues
from strongroom.authorization.authorizer import Authorizer
from strongroom.aws.generated.enums import GrantOperation
from strongroom.clock import HostClock
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.preparation import DATABASE_FILE
from strongroom.resources.grant import Grant, GrantConstraints, new_grant_id
from strongroom.resources.iam import EntityKind, Identity, IdPrefix, PolicySource, new_unique_id
from strongroom.resources.identifiers import AccessKeyId, AccountId, KeyId, Region
from strongroom.resources.key import Key
from strongroom.store.opening import open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

ACCOUNT = AccountId("111122223333")
CACHED_US_MAX, UNCACHED_US_MAX = 1.0, 60.0
STATEMENTS, POLICIES, GRANTS = 20, 10, 5_000
REPEATS = 40
APP = "kms:EncryptionContext:app"


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def key_policy(account: str, **of_account: Any) -> str:
    """19 statements for roles under conditions, and one that trusts the account, with `of_account` in it."""
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey*"]
    of_roles = [
        allow(
            actions,
            Sid=f"role{number}",
            Principal={"AWS": f"arn:aws:iam::{account}:role/r{number}"},
            Condition={"StringEquals": {APP: f"v{number}"}},
        )
        for number in range(STATEMENTS - 1)
    ]
    trust = allow("kms:*", Principal={"AWS": f"arn:aws:iam::{account}:root"}, **of_account)
    return policy(*of_roles, trust)


def identity_policies(account: str) -> list[str]:
    """Nine of three statements each that are about something else, and one that allows Encrypt."""
    others = [
        policy(
            *(
                allow(
                    [f"s3:Get{place}*", "kms:Describe*", "kms:List*"],
                    f"arn:aws:kms:*:{account}:key/{number}{place}*",
                )
                for place in range(3)
            )
        )
        for number in range(POLICIES - 1)
    ]
    return [*others, policy(allow("kms:Enc*", f"arn:aws:kms:*:{account}:key/*"))]


class _Facts:
    """What the store would answer, from memory as in a worker."""

    def __init__(self, identity: Identity) -> None:
        self.identity = identity

    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        return self.identity

    async def find_policy_text(self, arn: str) -> str | None:
        return None

    async def list_grants_to(
        self, region: Region, key_id: KeyId, grantee_principal: str
    ) -> tuple[Grant, ...]:
        return ()


class _Values:
    """One value for every key; another one when the bench says so."""

    def __init__(self) -> None:
        self.number = 0
        self.value = ("x0",)

    def change(self) -> None:
        self.number += 1
        self.value = (f"x{self.number}",)

    def values_of(self, key: str) -> tuple[str, ...]:
        return self.value

    def needs_store(self, keys: frozenset[str]) -> bool:
        return False

    async def prepare(self, keys: frozenset[str]) -> None:
        pass


def bench_decisions() -> None:
    """In this process."""
    user = AuthenticatedPrincipal(
        PrincipalType.IAM_USER,
        ACCOUNT,
        f"arn:aws:iam::{ACCOUNT}:user/alice",
        "AIDAALICE",
        AccessKeyId("AKIAALICE"),
        unique_id="AIDAALICE",
    )
    identity = Identity(
        account_id=ACCOUNT,
        kind=EntityKind.USER,
        name="alice",
        path="/",
        unique_id="AIDAALICE",
        tags={},
        policies=tuple(PolicySource(f"p{n}", text) for n, text in enumerate(identity_policies(ACCOUNT))),
        boundary=None,
    )
    plain = new_key(account_id=ACCOUNT, policy=policy(allow("kms:*", Principal={"AWS": ACCOUNT})))
    long = replace(plain, policy=key_policy(ACCOUNT, Condition={"StringLike": {APP: "x*"}}))
    values = _Values()

    print(f"\nOne decision, us: key policy of {STATEMENTS} statements, {POLICIES} identity policies")
    cached = _measure(user, identity, plain, values, 4_000)
    with_condition = _measure(user, identity, long, values, 4_000)
    uncached = _measure(user, identity, long, values, 500, values.change)
    print(f"{'from memory':34}{cached:9.2f}   (limit {CACHED_US_MAX})")
    print(f"{'from memory, one condition value':34}{with_condition:9.2f}")
    print(f"{'not remembered':34}{uncached:9.2f}   (limit {UNCACHED_US_MAX})")


def _measure(
    user: AuthenticatedPrincipal,
    identity: Identity,
    key: Key,
    values: ConditionValues,
    count: int,
    between: Callable[[], None] | None = None,
) -> float:
    """The best of several runs, in processor time: what else the machine does counts as little as can be."""
    authorizer = Authorizer(_Facts(identity))
    ask = Ask(user, "kms:Encrypt", key.arn, key.account_id, values, key, True, GrantOperation.ENCRYPT)
    assert asyncio.run(authorizer.authorize_key(ask)).allowed
    best = float("inf")
    for _ in range(REPEATS):
        started = time.process_time()
        for _ in range(count):
            if between is not None:
                between()
            try:
                authorizer.authorize_key(ask).send(None)
            except StopIteration:
                continue
        best = min(best, (time.process_time() - started) / count * 1e6)
    return best


# on a server -------------------------------------------------------------------------------------


def bench_users(rounds: int, seconds: float, directory: Path) -> None:
    """Encrypt by the root, by a user with ten policies, and by one whom only a grant lets."""
    from bench.run import CONTEXT, DISTINCT_REQUESTS, Target, null_server

    data_dir = directory / "users"
    arguments, environment = ("--auth", "strict"), strict_environment()
    with Server(*arguments, environment=environment, data_dir=data_dir) as server:
        root = (ROOT_ACCESS_KEY_ID, ROOT_SECRET_ACCESS_KEY)
        kms = server.client(access_key_id=root[0], secret_access_key=root[1])
        iam = server.client("iam", access_key_id=root[0], secret_access_key=root[1])
        key = kms.create_key()["KeyMetadata"]
        for number in range(STATEMENTS - 1):
            iam.create_role(RoleName=f"r{number}", AssumeRolePolicyDocument=_TRUST)
        kms.put_key_policy(KeyId=key["KeyId"], Policy=key_policy(key["AWSAccountId"]))
        callers = {"root": root}
        ids = {}
        for name in ("by policy", "by grant"):
            user = name.replace(" ", "-")
            ids[name] = iam.create_user(UserName=user)["User"]
            made = iam.create_access_key(UserName=user)["AccessKey"]
            callers[name] = (made["AccessKeyId"], made["SecretAccessKey"])
            texts = identity_policies(key["AWSAccountId"])
            for number, text in enumerate(texts if name == "by policy" else texts[:-1]):
                arn = iam.create_policy(PolicyName=f"{user}{number}", PolicyDocument=text)["Policy"]["Arn"]
                iam.attach_user_policy(UserName=user, PolicyArn=arn)
    _put_grants(data_dir, key, ids)
    with (
        Server(*arguments, environment=environment, data_dir=data_dir) as server,
        null_server() as null,
    ):
        requests = {
            name: [
                signed_request(
                    server.port,
                    "Encrypt",
                    {
                        "KeyId": key["KeyId"],
                        "Plaintext": base64.b64encode(os.urandom(64)).decode(),
                        "EncryptionContext": CONTEXT,
                    },
                    *credentials,
                    REGION,
                )
                for _ in range(DISTINCT_REQUESTS)
            ]
            for name, credentials in callers.items()
        }
        target = Target("Encrypt", server.port, server.process.pid, requests)
        for name in requests:
            target.measure(name, 0.3)
        target.cpu_us.clear()
        for _ in range(rounds):
            null.measure("null", seconds)
            for name in requests:
                target.measure(name, seconds)
        floor = null.median("null")
        print(f"\nEncrypt, CPU us: key policy of {STATEMENTS} statements, {GRANTS} grants on the key")
        print(f"{'null handler':34}{floor:9.1f}{1:9.2f}x")
        for name in requests:
            cost = statistics.median(target.cpu_us[name])
            who = "the root" if name == "root" else f"a user with {POLICIES} policies, {name}"
            print(f"{who:34}{cost:9.1f}{cost / floor:9.2f}x")


_TRUST = policy(
    {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}
)


def _put_grants(data_dir: Path, key: dict[str, Any], users: dict[str, dict[str, Any]]) -> None:
    """Half of the grants are to others; of the rest each is for its own tenant, and one lets Encrypt."""

    async def work(store: SqlStore) -> None:
        stored = await store.find_key(Region(REGION), KeyId(key["KeyId"]))
        assert stored is not None
        for number in range(GRANTS):
            mine = users["by grant"] if number % 2 else None
            is_open = number == GRANTS - 1
            grant = Grant(
                account_id=stored.account_id,
                region=stored.region,
                key_id=stored.key_id,
                grant_id=new_grant_id(),
                name=None,
                grantee_principal=mine["Arn"] if mine else f"arn:aws:iam::{stored.account_id}:user/u{number}",
                grantee_service_principal=None,
                retiring_principal=None,
                retiring_service_principal=None,
                issuing_account=f"arn:aws:iam::{stored.account_id}:root",
                operations=(GrantOperation.ENCRYPT,),
                constraints=GrantConstraints(
                    encryption_context_subset={"tenant": "blau" if is_open else f"t{number}"}
                ),
                created_at=datetime.now(UTC),
                grantee_id=mine["UserId"] if mine else new_unique_id(IdPrefix.USER),
            )
            await store.insert_grant(grant, of_key_version=stored.version)

    async def working() -> None:
        store = open_store(data_dir / DATABASE_FILE, Stamps(new_stamp_words()), HostClock())
        try:
            await work(store)
        finally:
            store.close()

    asyncio.run(working())
