"""The baseline: a service that does nothing, on the very front that serves KMS.

    python bench/null_handler.py --port 8080                 serve; prints the port when ready
    python bench/null_handler.py --compare                   processor time per request of three stacks

It reads the body as JSON and answers 336 bytes. `--stack` picks what carries it: `lane` (our front),
`asgi` (uvicorn's plain ASGI) or `bare` (asyncio.Protocol with httptools: the floor).
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import httptools
import msgspec
import uvicorn
import uvloop

if __package__ in (None, ""):  # run as a script
    sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from bench.load import LoadResult, processor_seconds, run_load_process

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.wire.http_front import HttpFront
from strongroom.wire.limits import Limits

ANSWER = msgspec.json.encode(
    {"CiphertextBlob": "A" * 214, "KeyId": "arn:aws:kms:eu-west-1:123456789012:key/x"}
)
ANSWER += b" " * (336 - len(ANSWER))
CONTENT_TYPE = b"application/x-amz-json-1.1"
REQUEST_ID = "7f4a2c1e-0000-4000-8000-000000000000"
BODY_DECODER = msgspec.json.Decoder(dict[str, Any])


def example_request(number: int = 0) -> bytes:
    """An Encrypt call as botocore sends it (its signature is not checked here)."""
    body = b'{"KeyId":"alias/bench-%d","Plaintext":"%b","EncryptionContext":{"a":"1","b":"2"}}' % (
        number,
        b"QUFB" * 22,
    )
    return (
        b"POST / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept-Encoding: identity\r\n"
        b"X-Amz-Target: TrentService.Encrypt\r\nContent-Type: application/x-amz-json-1.1\r\n"
        b"User-Agent: Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux#6.18 md/arch#x86_64 lang/python\r\n"
        b"X-Amz-Date: 20260101T000000Z\r\n"
        b"Authorization: AWS4-HMAC-SHA256 "
        b"Credential=AKIAIOSFODNN7EXAMPLE/20260101/eu-west-1/kms/aws4_request, "
        b"SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=" + b"0" * 64 + b"\r\n"
        b"amz-sdk-invocation-id: 00000000-0000-4000-8000-000000000000\r\namz-sdk-request: attempt=1\r\n"
        b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    )


async def null_service(request: HttpRequest) -> Answer:
    BODY_DECODER.decode(request.body)
    return Answer(200, CONTENT_TYPE, ANSWER, REQUEST_ID)


async def null_app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    message = await receive()
    body = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    BODY_DECODER.decode(body)
    headers = [
        (b"x-amzn-requestid", REQUEST_ID.encode()),
        (b"content-type", CONTENT_TYPE),
        (b"content-length", b"%d" % len(ANSWER)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


class BareProtocol(asyncio.Protocol):
    """The least a Python server can do with httptools: no limits, no order, no time-outs."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = b""

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        BODY_DECODER.decode(self.body)
        self.transport.write(
            b"HTTP/1.1 200 OK\r\nx-amzn-RequestId: %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n"
            b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n%b"
            % (REQUEST_ID.encode(), CONTENT_TYPE, len(ANSWER), ANSWER)
        )


async def serve(stack: str, listener: socket.socket) -> None:
    print(listener.getsockname()[1], flush=True)
    if stack == "lane":
        await HttpFront(null_service, null_app, Limits()).serve([listener])
    elif stack == "asgi":
        config = uvicorn.Config(
            null_app, http="httptools", lifespan="off", log_config=None, access_log=False, server_header=False
        )
        await uvicorn.Server(config).serve([listener])
    else:
        server = await asyncio.get_running_loop().create_server(BareProtocol, sock=listener)
        await server.serve_forever()


def measure(stack: str, seconds: float, connections: int) -> tuple[LoadResult, float]:
    """Load one stack in a fresh process. Returns the load and the processor time per request in us."""
    command = [sys.executable, str(Path(__file__).resolve()), "--stack", stack, "--port", "0"]
    requests = [example_request(number) for number in range(64)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            run_load_process("127.0.0.1", port, requests, connections=connections, seconds=0.3)
            before = processor_seconds(server.pid)
            result = run_load_process("127.0.0.1", port, requests, connections=connections, seconds=seconds)
            used = processor_seconds(server.pid) - before
        finally:
            server.terminate()
    return result, used / result.count * 1e6


def compare(rounds: int, seconds: float, connections: int) -> None:
    stacks = ("bare", "lane", "asgi")
    figures: dict[str, list[tuple[float, float, float]]] = {stack: [] for stack in stacks}
    for _ in range(rounds):
        for stack in stacks:
            result, processor_us = measure(stack, seconds, connections)
            assert not result.failed
            assert not result.non_200
            figures[stack].append((processor_us, result.requests_per_second, result.p50_us))
    print(f"{connections} connections, medians of {rounds} rounds of {seconds:g} s, rounds alternate")
    for stack, rows in figures.items():
        processor_us, rate, p50_us = (statistics.median(column) for column in zip(*rows, strict=True))
        print(f"{stack:5} {processor_us:6.2f} us processor time/request, {rate:6.0f}/s, p50 {p50_us:5.0f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--stack", choices=("lane", "asgi", "bare"), default="lane")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    if options.compare:
        compare(options.rounds, options.seconds, options.connections)
        return
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", options.port))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(options.stack, listener))


if __name__ == "__main__":
    main()
