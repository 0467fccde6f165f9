"""CloudHSM key stores whose HSM fails, with a whole server and boto3: what callers and operators see."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.faulty_hsm import make_faulty_cluster
from tests.support.hsm_clusters import make_cluster
from tests.support.hsm_scene import CONTEXT, STATE, Scene, code_of, error_of
from tests.support.strength import promised

UNREACHABLE = "KMS cannot communicate with your CloudHSM cluster."
GONE = "The key material of the KMS key cannot be found in the CloudHSM cluster."


class FaultyScene(Scene):
    """A server with one cluster that can fail, and one that does not."""

    def __init__(self, directory: Path) -> None:
        cluster, self.faults = make_faulty_cluster(make_cluster(directory, 2), directory)
        self.sound = make_cluster(directory, 3, "another-cluster-pin")
        super().__init__(directory, cluster, self.sound)

    def kill_process(self) -> None:
        """Have the cluster's process end, and wait for the next one."""
        before = self.hsm_pid()
        os.kill(before, signal.SIGKILL)
        self.wait_until(lambda: self.hsm_pids() not in ([], [before]))

    def hsm_pids(self) -> list[int]:
        return self.server.processes().get(f"strongroom: hsm {self.cluster.cluster_id}", [])

    def wait_until(self, reached: Callable[[], bool], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def opens(self, blob: bytes) -> bool:
        """Whether a ciphertext is decrypted now; a refusal must be KMSInvalidStateException."""
        try:
            return self.decrypt(blob) == b"text"
        except self.kms.exceptions.KMSInvalidStateException:
            return False

    def refusal(self, blob: bytes) -> tuple[str, str]:
        return error_of(self.kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[FaultyScene]:
    scene = FaultyScene(tmp_path)
    with scene.server:
        yield scene


def test_login_that_the_token_refuses_fails_the_connection_with_its_reason_and_is_tried_once(
    scene: FaultyScene,
) -> None:
    logins = 0
    for returned, reason in (
        ("a0", "INVALID_CREDENTIALS"),
        ("a4", "USER_LOCKED_OUT"),
        ("102", "USER_NOT_FOUND"),
        ("100", "USER_LOGGED_IN"),
        ("104", "USER_LOGGED_IN"),
        ("30", "INTERNAL_ERROR"),
    ):
        scene.faults.begin("login", returned)
        store_id = scene.create()
        assert scene.connect(store_id) == ("FAILED", reason), returned
        time.sleep(1)
        assert scene.faults.logins == logins + 1, returned
        scene.faults.end("login")
        scene.disconnect(store_id)
        assert scene.connect(store_id) == ("CONNECTED", None), returned
        scene.disconnect(store_id)
        scene.kms.delete_custom_key_store(CustomKeyStoreId=store_id)
        logins = scene.faults.logins


def test_module_that_crashes_in_a_login_is_given_the_pin_once(scene: FaultyScene) -> None:
    scene.faults.begin("crash-login")
    store_id = scene.create()
    assert scene.connect(store_id) == ("FAILED", "NETWORK_ERRORS")
    assert scene.faults.logins == 1


@pytest.mark.parametrize(
    ("returned", "reason", "words"),
    [
        ("a0", "INVALID_CREDENTIALS", "current password of kmsuser"),
        ("a4", "USER_LOCKED_OUT", "because the kmsuser is locked out"),
    ],
)
def test_connected_store_whose_password_is_refused_anew_is_failed_and_tries_no_more(
    scene: FaultyScene, returned: str, reason: str, words: str
) -> None:
    store_id = scene.connected()
    key_id = scene.create_key(store_id)
    blob = scene.encrypt(key_id)
    scene.faults.begin("login", returned)
    scene.kill_process()
    code, sentence = scene.refusal(blob)
    assert code == STATE
    assert words in sentence or "is unavailable" in sentence  # the job runner may have been first
    for _ in range(3):
        scene.kill_process()
        code, sentence = scene.refusal(blob)
        assert code == STATE
        assert sentence.endswith("is unavailable.")
    assert scene.settle(store_id) == ("FAILED", reason)
    assert scene.kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Unavailable"
    assert scene.faults.logins == 2
    assert reason in scene.server.logged.decode()
    scene.faults.end("login")
    scene.disconnect(store_id)
    assert scene.connect(store_id) == ("CONNECTED", None)
    assert scene.decrypt(blob) == b"text"


def test_password_that_is_refused_shows_without_any_request(scene: FaultyScene) -> None:
    store_id = scene.connected()
    scene.faults.begin("login", "a0")
    scene.kill_process()
    scene.wait_until(
        lambda: scene.entry(store_id).get("ConnectionErrorCode") == "INVALID_CREDENTIALS", seconds=60
    )
    assert scene.faults.logins == 2


def test_hung_module_costs_its_callers_seconds_its_process_its_life_and_others_nothing(
    scene: FaultyScene,
) -> None:
    store_id = scene.connected()
    other = scene.create_key(scene.connected(scene.sound, "sound"))
    blob, sound, own = scene.encrypt(scene.create_key(store_id)), scene.encrypt(other), scene.kms.create_key()
    scene.faults.begin("hang")
    before = scene.hsm_pid()
    waited: list[float] = []

    def ask() -> None:
        began = time.monotonic()
        code, sentence = scene.refusal(blob)
        assert code == STATE
        assert sentence.startswith(UNREACHABLE)
        waited.append(time.monotonic() - began)

    callers = [threading.Thread(target=ask) for _ in range(12)]  # more than the process has threads
    for caller in callers:
        caller.start()
    began = time.monotonic()
    for _ in range(5):
        assert scene.decrypt(sound) == b"text"
        scene.kms.encrypt(KeyId=own["KeyMetadata"]["KeyId"], Plaintext=b"text")
    assert time.monotonic() - began < promised(3.0, among_others=4.5)  # held up, it were five
    for caller in callers:
        caller.join()
    assert len(waited) == 12
    assert max(waited) < promised(10.0, among_others=20.0)
    scene.wait_until(lambda: before not in scene.hsm_pids())
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTED"
    scene.faults.end("hang")
    scene.wait_until(lambda: scene.opens(blob))


def test_login_that_hangs_holds_up_a_request_for_seconds_only(scene: FaultyScene) -> None:
    blob = scene.encrypt(scene.create_key(scene.connected()))
    scene.faults.begin("hang-login")
    scene.kill_process()
    began = time.monotonic()
    code, sentence = scene.refusal(blob)
    assert code == STATE
    assert sentence.startswith(UNREACHABLE)
    assert time.monotonic() - began < promised(10.0, among_others=20.0)
    scene.faults.end("hang-login")
    scene.wait_until(lambda: scene.opens(blob))


def test_sessions_closed_under_load_fail_no_request(scene: FaultyScene) -> None:
    blob = scene.encrypt(scene.create_key(scene.connected()))
    ends_at = time.monotonic() + 4
    opened: list[bool] = []

    def load() -> None:
        while time.monotonic() < ends_at:
            opened.append(scene.opens(blob))

    callers = [threading.Thread(target=load) for _ in range(6)]
    for caller in callers:
        caller.start()
    while time.monotonic() < ends_at - 0.5:
        scene.faults.begin("close")
        time.sleep(0.25)
    for caller in callers:
        caller.join()
    assert len(opened) > 50
    assert all(opened)
    assert scene.faults.logins > 3


def test_token_that_was_away_is_used_again_without_an_operator(scene: FaultyScene, tmp_path: Path) -> None:
    store_id = scene.connected()
    blob = scene.encrypt(scene.create_key(store_id))
    away = tmp_path / "away"
    for kills in (False, True):
        scene.cluster.token.directory.rename(away)
        if kills:
            scene.kill_process()
            code, sentence = scene.refusal(blob)
            assert code == STATE
            assert sentence.startswith(UNREACHABLE)
        scene.opens(blob)
        away.rename(scene.cluster.token.directory)
        scene.wait_until(lambda: scene.opens(blob), seconds=5)
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTED"


def test_key_deleted_in_the_token_is_an_invalid_state_of_that_key_alone(scene: FaultyScene) -> None:
    store_id = scene.connected()
    deleted, other = scene.create_key(store_id), scene.create_key(store_id)
    blob = scene.encrypt(deleted)
    scene.cluster.ask_token("destroy", deleted)
    for _ in range(2):
        assert scene.refusal(blob) == (STATE, GONE)
        assert error_of(scene.kms.encrypt, KeyId=deleted, Plaintext=b"text") == (STATE, GONE)
    assert code_of(scene.kms.generate_data_key, KeyId=deleted, KeySpec="AES_256") == STATE
    assert scene.decrypt(scene.encrypt(other)) == b"text"
    assert scene.entry(store_id)["ConnectionState"] == "CONNECTED"


def test_key_state_does_not_change_with_the_material_in_the_cluster_and_what_is_restored_is_used(
    scene: FaultyScene, tmp_path: Path
) -> None:
    """Developer Guide, "Key states of AWS KMS keys"."""
    store_id = scene.connected()
    key_id = scene.create_key(store_id)
    blob = scene.encrypt(key_id)
    backup = tmp_path / "backup"
    shutil.copytree(scene.cluster.token.directory, backup)

    def state() -> str:
        return str(scene.kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"])

    scene.cluster.ask_token("destroy", key_id)
    assert scene.refusal(blob) == (STATE, GONE)
    assert state() == "Enabled"
    scene.kms.disable_key(KeyId=key_id)
    assert state() == "Disabled"
    assert scene.refusal(blob)[0] == "DisabledException"
    scene.kms.enable_key(KeyId=key_id)
    assert scene.refusal(blob) == (STATE, GONE)
    scene.disconnect(store_id)
    assert state() == "Unavailable"
    shutil.rmtree(scene.cluster.token.directory)
    shutil.copytree(backup, scene.cluster.token.directory)
    assert scene.connect(store_id) == ("CONNECTED", None)
    assert state() == "Enabled"
    assert scene.decrypt(blob) == b"text"


def test_material_that_comes_back_while_the_store_is_connected_is_found_by_its_next_use(
    scene: FaultyScene, tmp_path: Path
) -> None:
    store_id = scene.connected()
    key_id, other = scene.create_key(store_id), scene.create_key(store_id)
    blob = scene.encrypt(key_id)
    backup = tmp_path / "backup"
    shutil.copytree(scene.cluster.token.directory, backup)
    scene.cluster.ask_token("destroy", key_id)
    assert scene.refusal(blob) == (STATE, GONE)
    shutil.copytree(backup, scene.cluster.token.directory, dirs_exist_ok=True)
    scene.cluster.ask_token("destroy", other)  # SoftHSM looks for new files when another process wrote one
    assert scene.decrypt(blob) == b"text"


def test_four_clusters_start_at_once_and_lose_no_request(tmp_path: Path) -> None:
    clusters = [make_cluster(tmp_path, number, f"pin-of-cluster-{number}") for number in range(2, 6)]
    scene = Scene(tmp_path, *clusters)
    with scene.server:
        stores = [scene.create(cluster, cluster.cluster_id) for cluster in clusters]
        for store_id in stores:
            scene.kms.connect_custom_key_store(CustomKeyStoreId=store_id)
        assert [scene.settle(store_id) for store_id in stores] == [("CONNECTED", None)] * 4
        blobs = [scene.encrypt(scene.create_key(store_id)) for store_id in stores]
        for _ in range(3):
            for cluster in clusters:
                os.kill(scene.hsm_pid(cluster), signal.SIGKILL)
            with ThreadPoolExecutor(4) as callers:
                assert list(callers.map(scene.decrypt_after_a_kill, blobs)) == [b"text"] * 4
