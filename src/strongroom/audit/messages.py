"""The frames between a worker and the audit writer, over one Unix stream socket.

worker → writer   u32 length of what follows | u8 flags | u64 batch id | u32 record count | records
writer → worker   u64 batch id | u8 status [| u64 block | u64 records | 32-byte hash]

Records are joined by newlines. The first frame of a channel is a greeting: flag GREETING, the id of
the oldest batch that the worker still holds, count 0, and the worker's 16-byte instance id as body.
Batch ids of one instance start at 1 and have no gaps; frames and answers travel in that order.

A frame with the flag END_ASKED, batch id 1, count 0 and one zero byte asks where the chain ends; the answer
has the status END, and the block that the chain ends with once all that came before is on disk.

Standard library only: the writer process imports this.
"""

from __future__ import annotations

import struct

DURABLE = 0x01
END_ASKED = 0x40
GREETING = 0x80

WRITTEN = 0
FAILED = 1
END = 2

INSTANCE_ID_BYTES = 16
FRAME_HEADER = struct.Struct(">IBQI")
FRAME_REST_BYTES = FRAME_HEADER.size - 4
ANSWER = struct.Struct(">QB")
CHAIN_END = struct.Struct(">QQ32s")

FRAME_BYTES_MAX = 4 << 20
RECORD_BYTES_MAX = 1 << 20

RECORD_START = b'{"eventVersion":'
"""How every record begins. A line that begins otherwise is a chain line, or damage."""


ASK_END = FRAME_HEADER.pack(FRAME_REST_BYTES + 1, END_ASKED, 1, 0) + b"\0"
"""The frame that asks where the chain ends."""


class FrameRefused(Exception):
    """The bytes on a channel are not frames of this format; the channel is closed."""


def render_greeting(instance_id: bytes, oldest_batch_id: int) -> bytes:
    """The first frame of a channel."""
    length = FRAME_REST_BYTES + len(instance_id)
    return FRAME_HEADER.pack(length, GREETING, oldest_batch_id, 0) + instance_id


def render_batch(batch_id: int, records: list[bytes], *, durable: bool) -> bytes:
    """One batch of records, ready to send (and to send again, unchanged, to a respawned writer)."""
    body = b"\n".join(records)
    header = FRAME_HEADER.pack(
        FRAME_REST_BYTES + len(body), DURABLE if durable else 0, batch_id, len(records)
    )
    return header + body


class Frame:
    """One frame as the writer received it."""

    __slots__ = ("batch_id", "body", "count", "flags")

    def __init__(self, flags: int, batch_id: int, count: int, body: bytes) -> None:
        self.flags = flags
        self.batch_id = batch_id
        self.count = count
        self.body = body


def parse_frames(received: bytearray) -> list[Frame]:
    """Take all whole frames off the front of `received`; what is incomplete stays in it.

    Raises FrameRefused. A worker parses network input, so nothing it sends is believed: a body that
    is not `count` lines which each begin as a record would break the chain's own lines.
    """
    frames: list[Frame] = []
    position, end = 0, len(received)
    while end - position >= FRAME_HEADER.size:
        length, flags, batch_id, count = FRAME_HEADER.unpack_from(received, position)
        if not FRAME_REST_BYTES < length <= FRAME_BYTES_MAX:
            raise FrameRefused(f"a frame of {length} bytes")
        start, stop = position + FRAME_HEADER.size, position + 4 + length
        if stop > end:
            break
        frame = Frame(flags, batch_id, count, bytes(memoryview(received)[start:stop]))
        _require_sound(frame)
        frames.append(frame)
        position = stop
    if position:
        del received[:position]
    return frames


def _require_sound(frame: Frame) -> None:
    body, count = frame.body, frame.count
    if frame.batch_id == 0:
        raise FrameRefused("a batch numbered 0")
    if frame.flags == GREETING:
        if count != 0 or len(body) != INSTANCE_ID_BYTES:
            raise FrameRefused("a malformed greeting")
    elif frame.flags == END_ASKED:
        if count != 0 or len(body) != 1:
            raise FrameRefused("a malformed question")
    elif frame.flags & ~DURABLE:
        raise FrameRefused(f"unknown flags {frame.flags}")
    elif (
        count == 0
        or not body.startswith(RECORD_START)
        or body.count(b"\n" + RECORD_START) != count - 1
        or body.count(b"\n") != count - 1
        or 0 in body
    ):
        # INVARIANT A4: no worker can write a chain line or a line that is not a record; nor a zero byte,
        # which to the trail's readers is where the chain ends.
        raise FrameRefused("a body that is not the announced number of records")
