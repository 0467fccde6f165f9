"""The process of an HSM cluster by itself, with a module that fails as real HSMs do."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.support.faulty_hsm import Faults, make_faulty_cluster
from tests.support.hsm_clusters import TestCluster, make_cluster
from tests.support.running_cluster import ClusterGone, ClusterRefusedIt, RunningCluster
from tests.support.strength import promised

from strongroom.hsm.cluster import UNCLEAR_SECONDS
from strongroom.hsm.frames import Opcode, Status
from strongroom.hsm.process import EXIT_OVERDUE

KEY_ID = b"1234abcd-12ab-34cd-56ef-1234567890ab"
AAD = b"aad"
DELAY_SECONDS = 0.6


@pytest.fixture
def faulty(tmp_path: Path) -> tuple[TestCluster, Faults]:
    return make_faulty_cluster(make_cluster(tmp_path), tmp_path)


def connected(running: RunningCluster) -> bytes:
    """Log in and make a key; returns a ciphertext of it."""
    running.log_in()
    running.ask(Opcode.CREATE_KEY, KEY_ID)
    return running.ask(Opcode.WRAP, KEY_ID, b"text", AAD)


@pytest.mark.parametrize(
    ("returned", "status", "is_tried_again"),
    [
        ("a0", Status.PIN_REFUSED, False),
        ("a4", Status.PIN_LOCKED, False),
        ("102", Status.USER_UNKNOWN, False),
        ("100", Status.USER_LOGGED_IN, True),
        ("104", Status.USER_LOGGED_IN, True),
    ],
)
def test_refused_login_is_told_as_what_it_is_and_a_pin_is_given_once(
    faulty: tuple[TestCluster, Faults], returned: str, status: Status, is_tried_again: bool
) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        faults.begin("login", returned)
        with pytest.raises(ClusterRefusedIt) as caught:
            running.log_in()
        assert (caught.value.status, faults.logins) == (status, 1)
        for _ in range(3):
            with pytest.raises(ClusterRefusedIt) as caught:
                running.log_in(Opcode.RESUME)
            assert caught.value.status is status
        assert faults.logins == (4 if is_tried_again else 1)
        faults.end("login")
        running.log_in(Opcode.CONNECT)


def test_login_that_fails_without_a_word_on_the_pin_is_tried_again_after_a_while(
    faulty: tuple[TestCluster, Faults],
) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        wrapped = connected(running)
        faults.begin("login", "30")
        faults.begin("close")
        assert running.refusal(Opcode.UNWRAP, KEY_ID, wrapped, AAD) is Status.NOT_CONNECTED
        for _ in range(5):
            with pytest.raises(ClusterRefusedIt) as caught:
                running.log_in(Opcode.RESUME)
            assert (caught.value.status, faults.logins) == (Status.LOGIN_UNCLEAR, 2)
        faults.end("login")
        with pytest.raises(ClusterRefusedIt):
            running.log_in(Opcode.RESUME)
        time.sleep(UNCLEAR_SECONDS)
        running.log_in(Opcode.RESUME)
        assert faults.logins == 3


def test_wrong_pin_is_given_to_the_token_once(faulty: tuple[TestCluster, Faults]) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        for opcode in (Opcode.CONNECT, Opcode.RESUME, Opcode.RESUME):
            with pytest.raises(ClusterRefusedIt) as caught:
                running.log_in(opcode, b"not-the-pin")
            assert (caught.value.status, faults.logins) == (Status.PIN_REFUSED, 1)


def test_call_that_does_not_return_ends_the_process_and_holds_up_no_other_call(
    faulty: tuple[TestCluster, Faults],
) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        wrapped = connected(running)
        faults.begin("hang")
        began = time.monotonic()
        for _ in range(3):
            running.send(Opcode.UNWRAP, KEY_ID, wrapped, AAD)
        assert len(running.ask_beside(Opcode.RANDOM, b"\0\x08")) == 8
        assert time.monotonic() - began < promised(2.0, among_others=4.5)
        with pytest.raises(ClusterGone):
            running.receive()
        assert 4.5 < time.monotonic() - began < promised(8.0, among_others=20.0)
        assert running.wait_for_end(20) == EXIT_OVERDUE


def test_module_that_crashes_ends_its_process_alone(faulty: tuple[TestCluster, Faults]) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        connected(running)
        faults.begin("crash")
        with pytest.raises(ClusterGone):
            running.ask(Opcode.WRAP, KEY_ID, b"text", AAD)


def test_calls_of_a_slow_module_run_side_by_side(faulty: tuple[TestCluster, Faults]) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        connected(running)
        faults.begin("delay", "20000")
        one_after_another = running.rate(Opcode.WRAP, KEY_ID, b"x", AAD, calls=30, under_way=1)
        at_once = running.rate(Opcode.WRAP, KEY_ID, b"x", AAD, calls=240, under_way=16)
        assert at_once > promised(4, among_others=2) * one_after_another


def test_module_that_bears_one_thread_gets_one(faulty: tuple[TestCluster, Faults]) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster, threads="1") as running:
        connected(running)
        faults.begin("delay", "20000")
        assert running.rate(Opcode.WRAP, KEY_ID, b"x", AAD, calls=40, under_way=16) < 55


def test_module_that_cannot_lock_is_never_called_by_two_threads_at_once(
    faulty: tuple[TestCluster, Faults],
) -> None:
    cluster, faults = faulty
    faults.begin("single")
    with RunningCluster(cluster) as running:
        wrapped = connected(running)
        faults.begin("delay", "5000")
        assert running.rate(Opcode.WRAP, KEY_ID, b"x", AAD, calls=100, under_way=16) < 210
        assert running.ask(Opcode.UNWRAP, KEY_ID, wrapped, AAD) == b"text"
        running.log_in()  # the module ends, and starts anew
        assert running.ask(Opcode.UNWRAP, KEY_ID, wrapped, AAD) == b"text"


def test_module_that_cannot_lock_and_hangs_ends_the_process(faulty: tuple[TestCluster, Faults]) -> None:
    cluster, faults = faulty
    faults.begin("single")
    with RunningCluster(cluster) as running:
        wrapped = connected(running)
        faults.begin("hang")
        for _ in range(3):
            running.send(Opcode.UNWRAP, KEY_ID, wrapped, AAD)
        assert running.wait_for_end(8) == EXIT_OVERDUE


def test_token_that_bears_few_sessions_is_used_with_those(faulty: tuple[TestCluster, Faults]) -> None:
    cluster, faults = faulty
    faults.begin("sessions", "5")  # two pairs, and half of one
    with RunningCluster(cluster) as running:
        connected(running)
        faults.begin("delay", "5000")
        running.rate(Opcode.WRAP, KEY_ID, b"x", AAD, calls=200, under_way=16)


def test_sessions_closed_under_load_are_a_lost_login_and_resuming_mends_it(
    faulty: tuple[TestCluster, Faults],
) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        wrapped = connected(running)
        for _ in range(5):
            ids = {running.send(Opcode.UNWRAP, KEY_ID, wrapped, AAD) for _ in range(50)}
            faults.begin("close")
            ids |= {running.send(Opcode.UNWRAP, KEY_ID, wrapped, AAD) for _ in range(100)}
            answers = [running.receive() for _ in ids]
            assert {call_id for call_id, _, _ in answers} == ids
            assert {status for _, status, _ in answers} <= {Status.OK, Status.NOT_CONNECTED}
            running.log_in(Opcode.RESUME)
            assert running.ask(Opcode.UNWRAP, KEY_ID, wrapped, AAD) == b"text"
        assert faults.logins == 6


def test_last_key_deleted_in_the_token_costs_one_login_and_is_then_not_found(
    faulty: tuple[TestCluster, Faults],
) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        wrapped = connected(running)
        cluster.ask_token("destroy", KEY_ID.decode())
        logins = faults.logins
        with pytest.raises(ClusterRefusedIt) as caught:  # a token that shows no keys any more may be away
            running.ask(Opcode.UNWRAP, KEY_ID, wrapped, AAD)
        assert caught.value.status is Status.NOT_CONNECTED
        running.log_in(Opcode.RESUME)
        for _ in range(3):
            with pytest.raises(ClusterRefusedIt) as caught:
                running.ask(Opcode.UNWRAP, KEY_ID, wrapped, AAD)
            assert caught.value.status is Status.KEY_NOT_FOUND
        assert faults.logins == logins + 1


def test_disconnecting_waits_for_calls_under_way_and_nobody_resumes(
    faulty: tuple[TestCluster, Faults],
) -> None:
    cluster, faults = faulty
    with RunningCluster(cluster) as running:
        connected(running)
        faults.begin("delay", str(int(DELAY_SECONDS * 1e6)))
        begun_at = time.monotonic()
        for _ in range(4):
            running.send(Opcode.WRAP, KEY_ID, b"x", AAD)
        time.sleep(DELAY_SECONDS / 2)  # every call is in the module
        disconnecting = running.send(Opcode.DISCONNECT)
        came_at = {}
        for _ in range(5):
            call_id, status, _ = running.receive()
            assert status is Status.OK
            came_at[call_id] = time.monotonic()
        assert came_at[disconnecting] - begun_at >= DELAY_SECONDS
        with pytest.raises(ClusterRefusedIt) as caught:
            running.log_in(Opcode.RESUME)
        assert (caught.value.status, faults.logins) == (Status.NOT_CONNECTED, 1)


@pytest.mark.parametrize("lie", ["tells", "forgives"])
def test_token_that_tells_its_keys_or_takes_tampered_ciphertexts_is_refused_at_connect_and_for_each_key(
    faulty: tuple[TestCluster, Faults], lie: str
) -> None:
    """INVARIANT H3 of hsm."""
    cluster, faults = faulty
    faults.begin(lie)
    with RunningCluster(cluster) as running:
        with pytest.raises(ClusterRefusedIt) as caught:
            running.log_in()
        assert caught.value.status is Status.TOKEN_UNSOUND
        with pytest.raises(ClusterRefusedIt) as caught:
            running.log_in(Opcode.RESUME)
        assert (caught.value.status, faults.logins) == (Status.TOKEN_UNSOUND, 1)
        faults.end(lie)
        running.log_in()
        faults.begin(lie)
        with pytest.raises(ClusterRefusedIt) as caught:
            running.ask(Opcode.CREATE_KEY, KEY_ID)
        assert caught.value.status is Status.TOKEN_UNSOUND
        faults.end(lie)
        with pytest.raises(ClusterRefusedIt) as caught:
            running.ask(Opcode.WRAP, KEY_ID, b"text", AAD)
        assert caught.value.status is Status.KEY_NOT_FOUND
