"""GetKeyLastUsage with unmodified boto3: what a worker noted outlives a clean stop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.support.server import Server

from strongroom.clock import HostClock
from strongroom.operations.last_usage import TRACKING_STARTED_SETTING
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words


def tracking_started_at(data_dir: Path) -> float:
    """What the server wrote at its first start."""
    store = open_store(data_dir / "strongroom.db", Stamps(new_stamp_words()), HostClock())
    try:
        return float(asyncio.run(store.find_setting(TRACKING_STARTED_SETTING)) or "nan")
    finally:
        store.close()


def test_last_usage_is_kept_over_a_clean_stop_at_once(tmp_path: Path) -> None:
    with Server(data_dir=tmp_path / "data") as server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        before = time.time()
        sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x")
        assert server.stop() == 0
    began = tracking_started_at(tmp_path / "data")
    with Server(data_dir=tmp_path / "data") as server:
        answer = server.client().get_key_last_usage(KeyId=key_id)
    usage = answer["KeyLastUsage"]
    assert usage["Operation"] == "Encrypt"
    assert usage["KmsRequestId"] == sealed["ResponseMetadata"]["RequestId"]
    assert before - 1 <= usage["Timestamp"].timestamp() <= time.time()
    assert answer["TrackingStartDate"] == answer["KeyCreationDate"]
    assert before - 60 < began <= answer["KeyCreationDate"].timestamp() + 0.001
    assert tracking_started_at(tmp_path / "data") == began, "a later start does not begin anew"


def test_use_on_another_worker_is_told_of_within_seconds() -> None:
    with Server("--workers", "2") as server:
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        server.client().encrypt(KeyId=key_id, Plaintext=b"x")
        waiting = [server.client() for _ in range(8)]  # connections of their own: surely both workers
        deadline = time.monotonic() + 10
        while not all(kms.get_key_last_usage(KeyId=key_id)["KeyLastUsage"] for kms in waiting):
            if time.monotonic() > deadline:
                pytest.fail("another worker never heard of the use")
            time.sleep(0.1)
