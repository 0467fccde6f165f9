"""A stand-in for the boundary or the audit process: speaks the control protocol and answers who it is.

Started by the real supervisor as a program: stand_in_service.py KIND STATE_DIRECTORY --control-fd N.
Files in the state directory change what it does: `<kind>.refuse` (send its text as the refusal),
`<kind>.crash` (exit before being ready).
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "src"))

from strongroom.processes.control import receive_packet, send_packet


def main() -> int:
    kind, state, control_fd = sys.argv[1], Path(sys.argv[2]), int(sys.argv[4])
    fds_at_start = sorted(int(name) for name in os.listdir("/proc/self/fd"))[:-1]  # the last is listdir's own
    control = socket.socket(fileno=control_fd)
    begin = receive_packet(control)
    if begin is None or begin.letter != b"I":
        return 2
    if (state / f"{kind}.crash").exists():
        return 3
    if (state / f"{kind}.refuse").exists():
        send_packet(control, b"E", (state / f"{kind}.refuse").read_bytes())
        return 4
    about: dict[str, Any] = {
        "kind": kind,
        "pid": os.getpid(),
        "environment": sorted(os.environ),
        "fds_at_start": fds_at_start,
        "files": len(begin.files),
        "begin": begin.payload.partition(b"\n\n")[2].hex(),
    }
    secret = b""
    if kind == "boundary":
        if os.fstat(begin.files[0]).st_size == 0:
            os.pwrite(begin.files[0], os.urandom(32), 0)
        if len(begin.files) > 1:
            secret = os.read(begin.files[1], 1024)
            about["secret"] = secret.decode()
        send_packet(control, b"R", begin.payload.partition(b"\n\n")[2] or b"sealed:" + os.urandom(8))
    else:
        send_packet(control, b"R")
    serve(control, about)
    return 0


def serve(control: socket.socket, about: dict[str, Any]) -> None:
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is control:
                packet = receive_packet(control)
                if packet is None:
                    return
                stream = socket.socket(fileno=packet.files[0])
                selector.register(stream, selectors.EVENT_READ, packet.payload.decode())
            else:
                client = key.fileobj
                assert isinstance(client, socket.socket)
                if client.recv(1):
                    client.sendall(json.dumps({**about, "client": key.data}).encode() + b"\n")
                else:
                    selector.unregister(client)
                    client.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (BrokenPipeError, ConnectionResetError):  # the supervisor is gone
        sys.exit(1)
