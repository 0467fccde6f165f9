"""The audit writer hangs in a whole server."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
from tests.support.load import load_on, serving_process, wait_until_served
from tests.support.server import Server
from tests.support.strength import promised

HUNG_SECONDS = 9.0
ANSWER_SECONDS_MAX = promised(8.0, among_others=13.0)


@pytest.mark.slow
def test_audit_writer_that_hangs_answers_with_an_error_in_time(tmp_path: Path) -> None:
    with Server("--workers", "2", "--audit", "durable", data_dir=tmp_path / "data") as server:
        with load_on(server, 6) as load:
            time.sleep(0.5)
            writer = serving_process(server, "audit")
            os.kill(writer, signal.SIGSTOP)
            try:
                time.sleep(HUNG_SECONDS)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(writer, signal.SIGCONT)
            time.sleep(1)
            load.stop()
        wait_until_served(server, 30)
    assert load.faults == []
    assert [outcome for outcome in load.outcomes if outcome.status == 500]
    assert max(outcome.seconds for outcome in load.outcomes) < ANSWER_SECONDS_MAX
