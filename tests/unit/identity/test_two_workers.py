"""What one worker changes of a caller is true for the next request on every other: real stores over one
database, and a real boundary."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import msgspec
from botocore.credentials import Credentials
from tests.support.new_database import new_database
from tests.support.running_boundary import RunningBoundary
from tests.unit.identity.sessions import credentials_of
from tests.unit.identity.signed_requests import ACCOUNT, sign

from strongroom.aws.errors import ApiError
from strongroom.boundary.client import BoundaryClient
from strongroom.clock import HostClock, MovableClock
from strongroom.identity.access_key_uses import AccessKeyUses
from strongroom.identity.authenticate import OpenAuthenticator, StrictAuthenticator
from strongroom.identity.callers import Callers
from strongroom.identity.principal import PrincipalType
from strongroom.identity.temporary_credentials import TemporaryCredentials, make_temporary_credentials
from strongroom.resources.iam import IdPrefix, Role, User, new_unique_id
from strongroom.resources.identifiers import AccessKeyId
from strongroom.store.iam_interface import AccessKey
from strongroom.store.opening import open_store
from strongroom.store.sql_store import SqlStore
from strongroom.store.stamps import Stamps, new_stamp_words

changed = msgspec.structs.replace


class Worker:
    """One worker's store, boundary channel and authenticator."""

    def __init__(self, path: Path, stamps: Stamps, clock: MovableClock, boundary: RunningBoundary) -> None:
        self.store: SqlStore = open_store(new_database(path), stamps, clock, ballast_bytes=0)
        self.boundary = BoundaryClient(asyncio.get_running_loop(), self.store)
        self.boundary.attach(boundary.new_channel())
        self.uses = AccessKeyUses()
        self.strict = StrictAuthenticator(
            self.store, self.boundary, HostClock(), service_clock=clock, uses=self.uses
        )
        self.open = OpenAuthenticator(ACCOUNT, Callers(self.store, self.boundary, clock))

    def close(self) -> None:
        self.boundary.close()
        self.store.close()

    async def outcome(self, credentials: Credentials, authenticator: str = "strict") -> str:
        """The caller's ARN, or the name of the refusal."""
        try:
            answer = await getattr(self, authenticator).authenticate(sign(credentials=credentials))
        except ApiError as refusal:
            return refusal.code
        arn: str = answer.principal.arn
        return arn.replace(f"arn:aws:iam::{ACCOUNT}:", "").replace(f"arn:aws:sts::{ACCOUNT}:", "")


class Scene:
    """Two workers, a user with an access key, a role, and their sessions."""

    def __init__(self, clock: MovableClock, one: Worker, other: Worker) -> None:
        self.clock, self.one, self.other = clock, one, other
        self.user = User(
            account_id=ACCOUNT, name="alice", unique_id=new_unique_id(IdPrefix.USER), created_at=clock.now()
        )
        self.role = Role(
            account_id=ACCOUNT,
            name="Deploy",
            unique_id=new_unique_id(IdPrefix.ROLE),
            created_at=clock.now(),
            trust_policy="{}",
        )

    async def open(self) -> None:
        store, boundary = self.one.store, self.one.boundary
        await store.insert_entity(self.user)
        await store.insert_entity(self.role)
        access_key_id = AccessKeyId(new_unique_id(IdPrefix.ACCESS_KEY))
        secret, token = await boundary.create_access_key_secret(access_key_id, ACCOUNT)
        self.access_key = AccessKey(
            access_key_id, ACCOUNT, "", self.user.unique_id, PrincipalType.IAM_USER, token, True,
            self.clock.now(),
        )  # fmt: skip
        await store.insert_access_key(self.access_key, of_principal_max=2)
        self.long_term = Credentials(access_key_id, secret)
        self.of_user = credentials_of(await self.session(PrincipalType.IAM_USER, self.user.unique_id, None))
        self.of_role = credentials_of(
            await self.session(PrincipalType.ASSUMED_ROLE, self.role.unique_id, "build")
        )

    async def session(self, kind: PrincipalType, unique_id: str, name: str | None) -> TemporaryCredentials:
        return await make_temporary_credentials(
            self.one.boundary,
            self.clock,
            kind=kind,
            account_id=ACCOUNT,
            unique_id=unique_id,
            duration_seconds=900,
            session_name=name,
        )

    async def outcomes(self, authenticator: str = "strict") -> list[str]:
        """Of the access key, the user's session and the role's; the same on both workers, twice."""
        seen = [
            [
                await worker.outcome(each, authenticator)
                for each in (self.long_term, self.of_user, self.of_role)
            ]
            for worker in (self.other, self.one, self.other, self.one)
        ]
        assert seen[0] == seen[1] == seen[2] == seen[3]
        return seen[0]


Story: TypeAlias = Callable[[Scene], Awaitable[None]]


def play(tmp_path: Path, story: Story) -> None:
    async def playing(boundary: RunningBoundary) -> None:
        clock = MovableClock(memoryview(bytearray(8)).cast("Q"))
        stamps = Stamps(new_stamp_words())
        with ExitStack() as opened:
            workers = []
            for _ in range(2):
                workers.append(Worker(tmp_path / "strongroom.db", stamps, clock, boundary))
                opened.callback(workers[-1].close)
            scene = Scene(clock, *workers)
            await scene.open()
            assert await scene.outcomes() == ["user/alice", "user/alice", "assumed-role/Deploy/build"]
            assert await scene.outcomes("open") == await scene.outcomes()
            await story(scene)

    with RunningBoundary(tmp_path / "seal.key") as boundary:
        asyncio.run(playing(boundary))


GONE = "UnrecognizedClientException"


def test_deactivated_access_key_stops_at_once_and_sessions_go_on(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.one.store.put_access_key(replace(scene.access_key, active=False))
        assert await scene.outcomes() == [GONE, "user/alice", "assumed-role/Deploy/build"]
        await scene.one.store.put_access_key(scene.access_key)
        assert (await scene.outcomes())[0] == "user/alice"
        await scene.one.store.delete_access_key(scene.access_key.access_key_id)
        assert await scene.outcomes() == [GONE, "user/alice", "assumed-role/Deploy/build"]

    play(tmp_path, story)


def test_deleted_user_and_role_stop_at_once_and_never_come_back_by_name(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        store = scene.one.store
        await store.delete_entity(scene.role)
        assert await scene.outcomes() == ["user/alice", "user/alice", GONE]
        await store.insert_entity(changed(scene.role, unique_id=new_unique_id(IdPrefix.ROLE)))
        assert (await scene.outcomes())[2] == GONE
        await store.delete_access_key(scene.access_key.access_key_id)
        await store.delete_entity(scene.user)
        await store.insert_entity(changed(scene.user, unique_id=new_unique_id(IdPrefix.USER)))
        assert await scene.outcomes() == [GONE, GONE, GONE]

    play(tmp_path, story)


def test_renamed_user_is_called_by_the_new_name_at_once(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        await scene.one.store.update_entity(changed(scene.user, name="alicia", path="/staff/"))
        expected = ["user/staff/alicia", "user/staff/alicia", "assumed-role/Deploy/build"]
        assert await scene.outcomes() == expected
        assert await scene.outcomes("open") == expected

    play(tmp_path, story)


def test_session_ends_on_every_worker_when_its_time_is_over(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        scene.clock.advance(901)
        expired = "ExpiredTokenException"
        assert await scene.outcomes() == ["user/alice", expired, expired]
        assert await scene.outcomes("open") == ["user/alice", expired, expired]

    play(tmp_path, story)


def test_use_of_an_access_key_is_kept_by_the_store(tmp_path: Path) -> None:
    async def story(scene: Scene) -> None:
        access_key_id = scene.access_key.access_key_id
        assert await scene.one.store.find_access_key_use(access_key_id) is None
        await scene.one.uses.flush(scene.one.store)
        use = await scene.other.store.find_access_key_use(access_key_id)
        assert use is not None
        assert (use.region, use.service) == ("eu-central-1", "kms")
        assert abs((use.used_at - scene.clock.now()).total_seconds()) < 60

    play(tmp_path, story)
