"""Exported key tokens that somebody puts back into the database open nothing, once a rotation is through."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.operations.road_requests import TEXT
from tests.support.key_imports import described, external_key, import_material
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.boundary.interface import TokenRefused
from strongroom.boundary.key_hierarchy import TokenKind, wrapping_key_id_of
from strongroom.jobs.domain_keys import bring_tokens_up_to_date, replace_domain_keys
from strongroom.operations.context import Rooms
from strongroom.operations.domain_key_anchor import DomainKeyAnchor
from strongroom.operations.rules import Rules
from strongroom.processes.data_directory import DataDirectory
from strongroom.request_ids import RequestIds
from strongroom.resources.domain_key import HeldToken, TokenPlace

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
DAY_SECONDS = 86_400
SETTLED_SECONDS = 3_601
MANY = int(os.environ.get("ROLLED_BACK_TOKENS", "15"))


class AnchoredRoad:
    """A road whose job runner keeps an anchor."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.file = road.directory / "domain-keys.anchor"

    @property
    def rooms(self) -> Rooms:
        """As a job runner that was started now has them."""
        return dataclasses.replace(
            self.road.rooms, domain_key_anchor=DomainKeyAnchor(self.file, self.road.boundary, self)
        )

    async def open_file(self, path: Path) -> int:
        """As the supervisor does for the job runner."""
        return os.open(path, os.O_RDONLY)

    async def replace_file(self, path: Path, content: bytes) -> None:
        """As the supervisor does for the job runner."""
        DataDirectory(path.parent, lock_fd=-1).replace_file(path.name, content)

    def replace_domain_keys(self) -> None:
        self.road.clock.advance(DAY_SECONDS + 3_600)
        self.road.wait(replace_domain_keys(self.rooms, self.road.audit, RequestIds()))

    def keep_up(self) -> None:
        self.road.wait(bring_tokens_up_to_date(self.rooms, self.road.audit, RequestIds()))

    def rotate(self) -> None:
        """Until the older domain keys are retired."""
        self.replace_domain_keys()
        self.keep_up()
        self.road.clock.advance(SETTLED_SECONDS)
        self.keep_up()

    def held(self, place: TokenPlace, region: str = REGION) -> list[HeldToken]:
        return list(self.road.wait(self.road.store.list_held_tokens(region, place, None, 1000)))

    def put_back(self, old: list[HeldToken], place: TokenPlace, region: str = REGION) -> None:
        """What somebody who can write the database does."""
        now = {one.row: one for one in self.held(place, region)}
        replaced = self.road.wait(
            self.road.store.replace_held_tokens([(now[one.row], one.token) for one in old])
        )
        assert replaced == len(old)


@pytest.fixture
def anchored(tmp_path: Path) -> Iterator[AnchoredRoad]:
    with Road(tmp_path, Rules(require_policy_principals=False)) as road:
        yield AnchoredRoad(road)


def test_many_tokens_put_back_after_a_rotation_open_nothing(anchored: AnchoredRoad) -> None:
    road = anchored.road
    keys = [road.create_key()["KeyId"] for _ in range(MANY)]
    blobs = {key: road.call("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"] for key in keys}
    old = anchored.held(TokenPlace.KEY_MATERIAL)
    anchored.rotate()
    assert all(road.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == TEXT for blob in blobs.values())
    anchored.put_back(old, TokenPlace.KEY_MATERIAL)
    for key, blob in blobs.items():
        for operation, members in (
            ("Encrypt", {"KeyId": key, "Plaintext": TEXT}),
            ("Decrypt", {"CiphertextBlob": blob}),
            ("GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"}),
        ):
            with pytest.raises(Refusal) as refused:
                road.call(operation, **members)
            assert refused.value.status == 500
    anchored.rotate()  # which makes nothing good of them
    assert {one.token for one in anchored.held(TokenPlace.KEY_MATERIAL)} == {one.token for one in old}
    with pytest.raises(Refusal):
        road.call("Decrypt", CiphertextBlob=blobs[keys[0]])


def test_deleted_material_put_back_opens_nothing(anchored: AnchoredRoad) -> None:
    """Which is what DeleteImportedKeyMaterial promises."""
    road = anchored.road
    key = external_key(road)
    material = os.urandom(32)
    import_material(road, key, material)
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    with _database(road) as database:
        rows = {
            table: database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in ("keys", "key_materials")
        }
    anchored.rotate()
    road.call("DeleteImportedKeyMaterial", KeyId=key["KeyId"])
    with _database(road) as database:
        for table, kept in rows.items():
            places = ", ".join("?" * len(kept[0]))
            database.executemany(f"INSERT OR REPLACE INTO {table} VALUES ({places})", kept)  # noqa: S608
    road.call("UpdateKeyDescription", KeyId=key["KeyId"], Description="read anew")
    assert described(road, key)["KeyState"] == "Enabled"  # so far he comes
    with pytest.raises(Refusal) as refused:
        road.call("Decrypt", CiphertextBlob=blob)
    assert refused.value.status == 500


@contextlib.contextmanager
def _database(road: Road) -> Iterator[sqlite3.Connection]:
    with (
        contextlib.closing(sqlite3.connect(road.directory / "strongroom.db", timeout=10)) as database,
        database,
    ):
        yield database


def test_access_key_put_back_signs_nothing(anchored: AnchoredRoad) -> None:
    road = anchored.road
    _, old = road.wait(road.boundary.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT))
    anchored.rotate()
    with pytest.raises(TokenRefused):
        road.wait(road.boundary.derive_signing_key(old, ACCESS_KEY_ID, "20260101", REGION, "kms"))
    _, new = road.wait(road.boundary.create_access_key_secret(ACCESS_KEY_ID, ACCOUNT))
    assert road.wait(road.boundary.derive_signing_key(new, ACCESS_KEY_ID, "20260101", REGION, "kms"))


def test_tokens_stored_late_by_a_request_that_was_under_way_are_no_losers(anchored: AnchoredRoad) -> None:
    """It was given its token before the new domain key wrapped, and stores it after the pass was through."""
    road = anchored.road
    key = road.create_key()["KeyId"]
    (old,) = anchored.held(TokenPlace.KEY_MATERIAL)
    anchored.replace_domain_keys()
    anchored.keep_up()
    anchored.put_back([old], TokenPlace.KEY_MATERIAL)  # as late as that
    anchored.keep_up()
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)
    road.clock.advance(SETTLED_SECONDS)
    anchored.keep_up()
    (now,) = anchored.held(TokenPlace.KEY_MATERIAL)
    newest = road.wait(road.store.list_domain_keys(REGION))[-1]
    assert wrapping_key_id_of(now.token) == newest.domain_key_id
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)


def test_keys_that_cannot_be_judged_here_keep_their_domain_key_open(anchored: AnchoredRoad) -> None:
    """A server that is without its PKCS#11 token for days must not lose the keys in it."""
    road = anchored.road
    key = road.create_key()["KeyId"]
    (sound,) = anchored.held(TokenPlace.KEY_MATERIAL)
    in_token = sound.token[:1] + bytes([TokenKind.TOKEN_KEY]) + sound.token[2:]
    anchored.put_back([dataclasses.replace(sound, token=in_token)], TokenPlace.KEY_MATERIAL)
    anchored.rotate()
    assert _known(anchored) == (2, 1)
    anchored.put_back([sound], TokenPlace.KEY_MATERIAL)  # the token is there again
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)
    anchored.keep_up()
    assert _known(anchored) == (2, 1)  # not before another hour
    road.clock.advance(SETTLED_SECONDS)
    anchored.keep_up()
    assert _known(anchored) == (2, 2)
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)


def test_keys_under_a_domain_key_that_does_not_open_just_now_keep_it_open(anchored: AnchoredRoad) -> None:
    """A PKCS#11 token that shows no keys for a while, as SoftHSM whose directory is away, loses none."""
    road = anchored.road
    key = road.create_key()["KeyId"]
    row = road.wait(road.store.list_domain_keys(REGION))[0].domain_key_id
    token = road.wait(road.store.find_domain_key_token(row)) or b""
    put_domain_key = "UPDATE domain_keys SET token = ? WHERE domain_key_id = ?"
    anchored.replace_domain_keys()
    road.restart_boundary()
    with _database(road) as database:
        database.execute(put_domain_key, (token[:-1] + bytes([token[-1] ^ 1]), row))
    anchored.keep_up()
    road.clock.advance(SETTLED_SECONDS)
    anchored.keep_up()
    assert _known(anchored) == (2, 1)
    with _database(road) as database:
        database.execute(put_domain_key, (token, row))
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)
    road.clock.advance(SETTLED_SECONDS)
    anchored.keep_up()
    assert _known(anchored) == (2, 2)
    road.call("Encrypt", KeyId=key, Plaintext=TEXT)


def test_anchor_follows_the_domain_keys(anchored: AnchoredRoad) -> None:
    road = anchored.road
    road.create_key()
    anchored.keep_up()
    assert not anchored.file.exists()  # there is one domain key, and nothing to tell
    seen = []
    for _ in range(2):
        anchored.replace_domain_keys()
        anchored.keep_up()
        seen.append(_known(anchored))
        road.clock.advance(SETTLED_SECONDS)
        anchored.keep_up()
        seen.append(_known(anchored))
    assert seen == [(2, 1), (2, 2), (3, 2), (3, 3)]
    assert anchored.file.stat().st_mode & 0o777 == 0o600
    anchored.file.unlink()
    anchored.keep_up()
    assert _known(anchored) == (3, 3)


def _known(anchored: AnchoredRoad) -> tuple[int, int]:
    known = json.loads(anchored.file.read_bytes().split(b"\n")[0])["domain_keys"][REGION]
    return known["newest"], known["serving_from"]
