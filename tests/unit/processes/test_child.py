"""When a dead child comes back, and when it does not any more."""

from __future__ import annotations

import time

import pytest

from strongroom.processes.child import FAILED_STARTS_MAX, RESPAWN_DELAY_SECONDS_MAX, Child, render_ending


def _child() -> Child:
    return Child("boundary", lambda control: 0)


def test_death_of_a_child_that_worked_brings_it_back_at_once() -> None:
    child = _child()
    child.ready = True
    child.note_death()
    assert child.respawn_at is not None
    assert child.respawn_at <= time.monotonic()
    assert not child.is_crash_looping()


def test_failed_starts_in_a_row_wait_longer_each_time_and_then_end() -> None:
    child, delays = _child(), []
    for _ in range(FAILED_STARTS_MAX):
        assert not child.is_crash_looping()
        now = time.monotonic()
        child.note_death()
        assert child.respawn_at is not None
        delays.append(round(child.respawn_at - now, 2))
    assert child.is_crash_looping()
    assert delays == sorted(delays)
    assert delays[0] < 0.1
    assert delays[-1] == pytest.approx(RESPAWN_DELAY_SECONDS_MAX, abs=0.05)


def test_failed_starts_with_a_good_one_between_do_not_end_it() -> None:
    child = _child()
    for _ in range(FAILED_STARTS_MAX - 1):
        child.note_death()
    child.ready = True
    child.note_death()
    child.note_death()
    assert not child.is_crash_looping()


def test_deaths_too_many_in_too_little_time_end_it_even_if_it_worked() -> None:
    child = _child()
    for _ in range(20):
        assert not child.is_crash_looping()
        child.ready = True
        child.note_death()
    assert child.is_crash_looping()


@pytest.mark.parametrize(
    ("exit_code", "sentence"),
    [
        (3, "ended with exit code 3"),
        (-9, "was ended by SIGKILL"),
        (-63, "was ended by signal 63"),
    ],
)
def test_ending_is_told_in_words(exit_code: int, sentence: str) -> None:
    assert render_ending(exit_code) == sentence
