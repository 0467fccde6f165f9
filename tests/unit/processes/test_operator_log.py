"""The log of a process: a full pipe stops nobody, and lines that repeat are counted."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator

import pytest

from strongroom.processes.operator_log import REPEAT_SECONDS, OperatorLog


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def new_log(fd: int) -> logging.Logger:
    log = logging.Logger("strongroom.test")
    log.addHandler(OperatorLog(fd))
    return log


def test_full_pipe_that_nobody_reads_drops_lines_and_holds_nobody_up(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = new_log(writing)

    def write_much() -> None:
        for number in range(5000):
            log.error("line %d %s", number, "x" * 100)

    thread = threading.Thread(target=write_much, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()
    held = os.read(reading, 1 << 20)
    assert held.startswith(b"line 0 ")
    log.error("once there is room again")
    assert os.read(reading, 1 << 20) == b"once there is room again\n"


def test_same_line_again_and_again_is_written_once_and_counted(pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    log = new_log(writing)
    for _ in range(1000):
        log.error("a request failed with %s", "BoundaryUnavailable")
    log.error("another line")
    time.sleep(REPEAT_SECONDS + 0.05)
    log.error("a request failed with %s", "BoundaryUnavailable")
    assert os.read(reading, 1 << 20).decode().splitlines() == [
        "a request failed with BoundaryUnavailable",
        "another line",
        "a request failed with BoundaryUnavailable (and 999 times more)",
    ]


def test_line_whose_reader_has_gone_raises_nothing(pipe: tuple[int, int]) -> None:
    _, writing = pipe
    reading, gone = os.pipe()
    os.close(reading)
    new_log(gone).error("to nobody")
    os.close(gone)
    new_log(writing).error("%d", "not a number")
