"""CloudHSM key stores with a whole server, boto3, and real tokens of SoftHSM and NSS's softokn."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.secrets.memory_scan import Needles
from tests.support.hsm_clusters import PASSWORD, make_cluster
from tests.support.hsm_scene import CONTEXT, STATE, Scene, code_of
from tests.support.strength import promised


@pytest.fixture
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path, make_cluster(tmp_path, is_nss=getattr(request, "param", "softhsm") == "nss"))
    with scene.server:
        yield scene


@pytest.mark.parametrize("scene", ["softhsm", "nss"], indirect=True)
def test_hsm_key_store_lives_from_create_to_delete(scene: Scene) -> None:
    kms = scene.kms
    store_id = scene.connected()
    key_id = scene.create_key(store_id)
    described = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    assert (described["Origin"], described["CustomKeyStoreId"]) == ("AWS_CLOUDHSM", store_id)
    assert (described["CloudHsmClusterId"], described["KeyState"]) == (scene.cluster.cluster_id, "Enabled")
    assert "CurrentKeyMaterialId" not in described

    blob = scene.encrypt(key_id)
    for _ in range(4):  # whichever worker
        assert scene.decrypt(blob) == b"text"
    data_key = kms.generate_data_key(KeyId=key_id, KeySpec="AES_256")
    assert kms.decrypt(CiphertextBlob=data_key["CiphertextBlob"])["Plaintext"] == data_key["Plaintext"]
    bare = kms.generate_data_key_without_plaintext(KeyId=key_id, NumberOfBytes=33)
    assert len(kms.decrypt(CiphertextBlob=bare["CiphertextBlob"])["Plaintext"]) == 33
    pair = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec="ECC_NIST_P256")
    opened = kms.decrypt(CiphertextBlob=pair["PrivateKeyCiphertextBlob"])["Plaintext"]
    assert opened == pair["PrivateKeyPlaintext"]
    least = kms.encrypt(KeyId=key_id, Plaintext=b"1")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=least)["Plaintext"] == b"1"
    largest = kms.encrypt(KeyId=key_id, Plaintext=b"x" * 4096)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=largest)["Plaintext"] == b"x" * 4096

    own = kms.create_key()["KeyMetadata"]["KeyId"]
    for source, destination in ((key_id, own), (own, key_id), (key_id, key_id)):
        before = kms.encrypt(KeyId=source, Plaintext=b"moved")["CiphertextBlob"]
        moved = kms.re_encrypt(CiphertextBlob=before, DestinationKeyId=destination)["CiphertextBlob"]
        assert kms.decrypt(CiphertextBlob=moved, KeyId=destination)["Plaintext"] == b"moved"

    first, second = (
        kms.generate_random(NumberOfBytes=1024, CustomKeyStoreId=store_id)["Plaintext"] for _ in range(2)
    )
    assert (len(first), len(second)) == (1024, 1024)
    assert first != second

    scene.disconnect(store_id)
    assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Unavailable"
    assert code_of(kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == STATE
    assert code_of(kms.encrypt, KeyId=key_id, Plaintext=b"text") == STATE
    invalid = "CustomKeyStoreInvalidStateException"
    assert code_of(kms.create_key, CustomKeyStoreId=store_id, Origin="AWS_CLOUDHSM") == invalid
    assert code_of(kms.generate_random, NumberOfBytes=8, CustomKeyStoreId=store_id) == invalid
    assert code_of(kms.delete_custom_key_store, CustomKeyStoreId=store_id) == "CustomKeyStoreHasCMKsException"
    assert scene.connect(store_id) == ("CONNECTED", None)
    assert scene.decrypt(blob) == b"text"


@pytest.mark.parametrize("scene", ["softhsm", "nss"], indirect=True)
def test_tampered_ciphertext_of_an_hsm_key_is_refused_and_costs_no_connection(scene: Scene) -> None:
    kms = scene.kms
    key_id = scene.create_key(scene.connected())
    blob = scene.encrypt(key_id)
    for position in (3, 30, 60, 90, len(blob) - 1):
        forged = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        code = code_of(kms.decrypt, CiphertextBlob=forged, KeyId=key_id, EncryptionContext=CONTEXT)
        assert code in ("InvalidCiphertextException", "IncorrectKeyException")
    assert code_of(kms.decrypt, CiphertextBlob=blob) == "InvalidCiphertextException"  # without the context
    assert scene.decrypt(blob) == b"text"


def test_hsm_key_store_that_does_not_fit_its_cluster_is_refused(scene: Scene) -> None:
    kms = scene.kms
    members = scene.cluster.store_members("store")
    other = members | {"CloudHsmClusterId": "cluster-3a23b4cdefg"}
    assert code_of(kms.create_custom_key_store, **other) == "CloudHsmClusterNotFoundException"
    elsewhere = scene.server.client(region="us-east-1")
    assert code_of(elsewhere.create_custom_key_store, **members) == "CloudHsmClusterNotFoundException"
    anchor = members | {
        "TrustAnchorCertificate": members["TrustAnchorCertificate"].replace("planted", "Planted")
    }
    assert code_of(kms.create_custom_key_store, **anchor) == "IncorrectTrustAnchorException"
    scene.create(TrustAnchorCertificate=members["TrustAnchorCertificate"].replace("\n", "\r\n"))
    again = members | {"CustomKeyStoreName": "another"}
    assert code_of(kms.create_custom_key_store, **again) == "CloudHsmClusterInUseException"


def test_wrong_password_fails_the_connection_until_it_is_corrected(scene: Scene) -> None:
    kms = scene.kms
    store_id = scene.create(KeyStorePassword="not-the-password")
    assert scene.connect(store_id) == ("FAILED", "INVALID_CREDENTIALS")
    invalid = "CustomKeyStoreInvalidStateException"
    assert code_of(kms.connect_custom_key_store, CustomKeyStoreId=store_id) == invalid
    scene.disconnect(store_id)
    kms.update_custom_key_store(CustomKeyStoreId=store_id, KeyStorePassword=scene.cluster.token.pin.decode())
    assert scene.connect(store_id) == ("CONNECTED", None)


def test_killed_hsm_process_comes_back_logged_in_and_no_request_fails(scene: Scene) -> None:
    key_id = scene.create_key(scene.connected())
    blob = scene.encrypt(key_id)
    before = scene.hsm_pid()
    os.kill(before, signal.SIGKILL)
    for _ in range(6):
        assert scene.decrypt_after_a_kill(blob) == b"text"
    assert scene.hsm_pid() != before
    boundary = scene.server.pid_of("strongroom: boundary")
    os.kill(boundary, signal.SIGKILL)  # it makes another transport key
    time.sleep(0.5)
    os.kill(scene.hsm_pid(), signal.SIGKILL)
    assert scene.decrypt_after_a_kill(blob) == b"text"


def test_changed_pin_refuses_the_keys_after_a_restart_of_the_process_and_says_so(scene: Scene) -> None:
    store_id = scene.connected()
    key_id = scene.create_key(store_id)
    blob = scene.encrypt(key_id)
    scene.cluster.ask_token("change-pin", "another-pin-99")
    os.kill(scene.hsm_pid(), signal.SIGKILL)
    for _ in range(3):
        assert code_of(scene.kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == STATE
    scene.disconnect(store_id)
    assert scene.connect(store_id) == ("FAILED", "INVALID_CREDENTIALS")
    scene.disconnect(store_id)
    scene.kms.update_custom_key_store(CustomKeyStoreId=store_id, KeyStorePassword="another-pin-99")
    assert scene.connect(store_id) == ("CONNECTED", None)
    assert scene.decrypt(blob) == b"text"


def test_removed_token_is_an_invalid_state_and_other_keys_go_on(scene: Scene, tmp_path: Path) -> None:
    kms = scene.kms
    store_id = scene.connected()
    key_id = scene.create_key(store_id)
    own = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = scene.encrypt(key_id)
    away = tmp_path / "away"
    scene.cluster.token.directory.rename(away)
    os.kill(scene.hsm_pid(), signal.SIGKILL)
    assert code_of(kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == STATE
    kms.encrypt(KeyId=own, Plaintext=b"text")
    scene.disconnect(store_id)
    assert (
        code_of(kms.connect_custom_key_store, CustomKeyStoreId=store_id)
        == "CloudHsmClusterNotActiveException"
    )
    away.rename(scene.cluster.token.directory)
    assert scene.connect(store_id) == ("CONNECTED", None)
    assert scene.decrypt(blob) == b"text"


def test_two_clusters_hold_their_own_keys_and_one_that_hangs_holds_up_nothing(tmp_path: Path) -> None:
    clusters = make_cluster(tmp_path, 2), make_cluster(tmp_path, 3, "another-cluster-pin")
    scene = Scene(tmp_path, *clusters)
    with scene.server:
        stores = [scene.connected(cluster, f"store {cluster.cluster_id}") for cluster in clusters]
        keys = [scene.create_key(store_id) for store_id in stores]
        blobs = [scene.encrypt(key_id) for key_id in keys]
        assert (
            code_of(scene.kms.decrypt, CiphertextBlob=blobs[0], KeyId=keys[1], EncryptionContext=CONTEXT)
            == "IncorrectKeyException"
        )
        hung = scene.hsm_pid(clusters[1])
        os.kill(hung, signal.SIGSTOP)
        try:
            began = time.monotonic()
            for _ in range(5):
                assert scene.decrypt(blobs[0]) == b"text"
            assert time.monotonic() - began < promised(2.0, among_others=4.5)  # held up, it were five
            assert code_of(scene.kms.decrypt, CiphertextBlob=blobs[1], EncryptionContext=CONTEXT) == STATE
        finally:
            os.kill(hung, signal.SIGCONT)
        assert scene.decrypt(blobs[1]) == b"text"


def test_destroyed_key_is_deleted_from_the_token(scene: Scene) -> None:
    key_id, other = (scene.create_key(store_id) for store_id in [scene.connected()] * 2)
    assert scene.key_labels() == {key_id: "stays", other: "stays"}
    scene.kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    body = json.dumps({"advance_seconds": 8 * 86_400}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", scene.server.port, timeout=10)
    connection.request("POST", "/_strongroom/clock", body)
    assert connection.getresponse().status == 200
    connection.close()
    deadline = time.monotonic() + 60
    while key_id in scene.key_labels():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert list(scene.key_labels()) == [other]


def test_planted_password_is_in_no_process_but_the_two_that_need_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path, make_cluster(tmp_path))
    with scene.server:
        key_id = scene.create_key(scene.connected())
        blob = scene.encrypt(key_id)
    with scene.server:  # nobody has sent the password to these processes
        assert scene.decrypt(blob) == b"text"
        for _ in range(20):
            assert scene.decrypt(scene.encrypt(key_id)) == b"text"
        needles, searched = Needles({"password": PASSWORD.encode()}), []
        for title, (pid, *_) in scene.server.processes().items():
            if title not in ("strongroom: boundary", f"strongroom: hsm {scene.cluster.cluster_id}"):
                assert needles.find_in_process(pid) == Counter(), title
                searched.append(title)
        assert {"strongroom: worker 1", "strongroom: worker 2", "strongroom: jobs"} <= set(searched)
        assert needles.find_in([bytes(scene.server.logged)]) == Counter()
    assert needles.find_in_files(tmp_path / "data") == {}
