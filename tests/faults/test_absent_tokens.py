"""A PKCS#11 token that is away while domain keys would follow one another several times loses no key."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from tests.support import hsm_clusters
from tests.support.domain_key_rotation import DAY_SECONDS, advance, rotate, wait_for_anchor
from tests.support.hsm_scene import CONTEXT, Scene
from tests.support.server import REGION, Server
from tests.support.softhsm import TestToken, write_token_configuration

HOUR_SECONDS = 3_600
ROTATIONS = int(os.environ.get("ABSENT_TOKEN_ROTATIONS", "1"))
"""Each takes two rounds of the job runner: 10 seconds."""


def test_cluster_that_is_away_for_several_domain_keys_serves_its_keys_again(tmp_path: Path) -> None:
    cluster = hsm_clusters.make_cluster(tmp_path)
    scene = Scene(tmp_path, cluster)
    with scene.server:
        store_id = scene.connected()
        blob = scene.encrypt(scene.create_key(store_id))
        away = tmp_path / "away"
        cluster.token.directory.rename(away)
        for newest in range(2, 2 + ROTATIONS):
            rotate(scene.server, tmp_path / "data", newest)
        refused(scene.kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT)
        away.rename(cluster.token.directory)
        scene.disconnect(store_id)
        assert scene.connect(store_id) == ("CONNECTED", None)
        assert scene.decrypt(blob) == b"text"


def test_token_of_the_boundary_that_is_away_for_days_opens_its_keys_again(
    tmp_path: Path, softhsm: TestToken
) -> None:
    configuration, data = write_token_configuration(tmp_path, softhsm), tmp_path / "data"
    with Server("--config", str(configuration), data_dir=data) as server:
        kms = server.client()
        blobs = [
            kms.encrypt(KeyId=kms.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"text")["CiphertextBlob"]
            for _ in range(3)
        ]
        advance(server, DAY_SECONDS + 60)  # replaced, and perhaps not all is wrapped again
        away = softhsm.directory.with_name("away")
        softhsm.directory.rename(away)
        for _ in range(3):
            with pytest.raises(AssertionError):  # the clock has moved, and no domain key could be made
                advance(server, DAY_SECONDS + 60)
        refused(kms.create_key)
        away.rename(softhsm.directory)
        deadline = time.monotonic() + 40
        while f"domain key 3 of {REGION} wraps from now on" not in server.logged.decode():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert {kms.decrypt(CiphertextBlob=blob)["Plaintext"] for blob in blobs} == {b"text"}
        wait_for_anchor(data, 3, 1)
        advance(server, HOUR_SECONDS + 60)
        wait_for_anchor(data, 3, 3)
        assert {kms.decrypt(CiphertextBlob=blob)["Plaintext"] for blob in blobs} == {b"text"}


def refused(call: Any, **arguments: Any) -> None:
    with pytest.raises(ClientError):
        call(**arguments)
