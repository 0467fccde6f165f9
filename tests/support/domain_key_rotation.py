"""A development server whose clock is moved until domain keys have followed one another and are retired."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from pathlib import Path

from tests.support.server import REGION, Server

DAY_SECONDS = 86_400


def advance(server: Server, seconds: int) -> None:
    body = json.dumps({"advance_seconds": seconds})
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
    connection.request("POST", "/_strongroom/clock", body, {"Content-Type": "application/json"})
    assert connection.getresponse().status == 200
    connection.close()


def wait_for_anchor(data: Path, newest: int, serving_from: int) -> None:
    deadline = time.monotonic() + 90
    while True:
        with contextlib.suppress(FileNotFoundError):
            known = json.loads((data / "domain-keys.anchor").read_bytes().split(b"\n")[0])["domain_keys"]
            if known.get(REGION) == {"newest": newest, "serving_from": serving_from}:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def rotate(server: Server, data: Path, newest: int) -> None:
    """Until older domain keys open nothing any more."""
    advance(server, DAY_SECONDS + 60)
    wait_for_anchor(data, newest, newest - 1)
    advance(server, 3_700)
    wait_for_anchor(data, newest, newest)
