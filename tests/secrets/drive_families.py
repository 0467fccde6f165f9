"""The driver: a process of its own that uses every family of operations, well and badly.

    python -m tests.secrets.drive_families < job

`job` is JSON: port, access_key_id, secret_access_key, region, account, keys, recipient, and calls: how
many at least of each family of KMS, IAM and STS, without those that are malformed or signed by nobody. It
writes a line of JSON for each tenth of its work, and one with what it counted. It knows key ids, and no
key material.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import Counter
from typing import Any, Final

from tests.secrets.iam_families import (
    IAM_ROUNDS,
    IAM_ROWS,
    STS_ROUNDS,
    STS_ROWS,
    filled,
    make_driver_user,
)
from tests.secrets.kms_families import ROUNDS, World, make_keys_that_cannot_be_imported, use_every_key
from tests.secrets.signed_calls import QUERY_VERSIONS, Caller, RoundOver

FAMILIES: Final = [
    *(("kms", name) for name in ROUNDS),
    *(("iam", name) for name in (*IAM_ROUNDS, *IAM_ROWS)),
    *(("sts", name) for name in (*STS_ROUNDS, *STS_ROWS)),
]
BADLY_EVERY: Final = 8
"""So many rounds are followed by calls that are malformed, or signed with another secret."""
ABANDONED_PAUSE_SECONDS: Final = 0.02
TRIES: Final = 10
ROUNDS_MIN: Final = 4
"""Of a family: during some of them processes die."""


OUTSIDE: Final = ("preparation", "badly")
"""Counted apart: no calls of a family."""


def answered(counted: Counter[str]) -> int:
    return counted.total() - sum(count for name, count in counted.items() if name.endswith(": status 0"))


class Driver:
    """All families at once, a connection each."""

    def __init__(self, job: dict[str, Any]) -> None:
        self.job = job
        self.world = World(job["keys"], job["account"], job["recipient"])
        self.counted: dict[str, Counter[str]] = {}
        self._told = 0

    def caller(self, family: str) -> Caller:
        job = self.job
        counted = self.counted.setdefault(family, Counter())
        credentials = job["access_key_id"], job["secret_access_key"]
        return Caller(job["port"], *credentials, job["region"], counted=counted)

    async def run(self) -> None:
        first = self.caller("preparation")
        await make_keys_that_cannot_be_imported(first, self.world)
        await make_driver_user(first, self.world)
        async with asyncio.TaskGroup() as group:
            for service, name in FAMILIES:
                group.create_task(self._use(service, name))
        for _ in range(TRIES):
            with contextlib.suppress(RoundOver):
                await use_every_key(first, self.world)
                return
            await asyncio.sleep(1)
        raise RoundOver("the server is not served by its boundary any more")

    async def _use(self, service: str, family: str) -> None:
        caller = self.caller(f"{service} {family}")
        badly = self.caller("badly")
        number = 0
        while answered(caller.counted) < self.job["calls"] or number < ROUNDS_MIN:
            try:
                await self._round(caller, service, family, number)
            except RoundOver:
                await asyncio.sleep(ABANDONED_PAUSE_SECONDS)
            if number % BADLY_EVERY == 0:
                await self._badly(badly, service, sorted({name.split(": ")[0] for name in caller.counted}))
            number += 1
            self._tell()
        caller.close()
        badly.close()

    async def _round(self, caller: Caller, service: str, family: str, number: int) -> None:
        rounds = {"kms": ROUNDS, "iam": IAM_ROUNDS, "sts": STS_ROUNDS}[service]
        if family in rounds:
            await rounds[family](caller, self.world, number)
            return
        for operation, members in (IAM_ROWS if service == "iam" else STS_ROWS)[family]:
            await caller.query(service, operation, **filled(members, caller, self.world, family, number))

    async def _badly(self, caller: Caller, service: str, operations: list[str]) -> None:
        """Each operation of the family, with bodies that are none and by somebody who is nobody."""
        for operation in operations:
            if service == "kms":
                start, members = b"", b'{"KeyId": ["' + b"x" * 300 + b'"], "Plaintext": {"a": {}}}'
            else:
                start = f"Action={operation}&Version={QUERY_VERSIONS[service]}&".encode()
                members = b"UserName=" + b"x" * 300 + b"&Tags.member.1=%ff"
            await caller.send(service, operation, start + os.urandom(60))
            await caller.send(service, operation, start + members)
            await caller.send(service, operation, start + b"{}", is_signed=False)

    def _tell(self) -> None:
        """So that who watches can break things in the middle."""
        wanted = self.job["calls"]
        done = sum(
            min(counted.total(), wanted) for name, counted in self.counted.items() if name not in OUTSIDE
        )
        tenth = 10 * done // (wanted * len(FAMILIES))
        if tenth > self._told:
            self._told = tenth
            sys.stdout.write(json.dumps({"tenth": tenth}) + "\n")
            sys.stdout.flush()


def main() -> None:
    driver = Driver(json.load(sys.stdin))
    asyncio.run(driver.run())
    sys.stdout.write(json.dumps({"counted": driver.counted, "keys": driver.world.keys}) + "\n")


if __name__ == "__main__":
    main()
