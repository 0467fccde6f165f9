"""The frames between worker and writer."""

from __future__ import annotations

import pytest

from strongroom.audit.messages import (
    DURABLE,
    END_ASKED,
    FRAME_BYTES_MAX,
    FRAME_HEADER,
    GREETING,
    FrameRefused,
    parse_frames,
    render_batch,
    render_greeting,
)

RECORD = b'{"eventVersion":"1.11","n":1}'


def test_frames_split_at_every_byte_are_parsed_whole() -> None:
    stream = render_greeting(b"i" * 16, 1) + render_batch(1, [RECORD, RECORD], durable=True)
    for cut in range(len(stream) + 1):
        received = bytearray(stream[:cut])
        frames = parse_frames(received)
        received += stream[cut:]
        frames += parse_frames(received)
        assert [(frame.flags, frame.batch_id, frame.count) for frame in frames] == [
            (GREETING, 1, 0),
            (DURABLE, 1, 2),
        ]
        assert frames[1].body == RECORD + b"\n" + RECORD
        assert not received


@pytest.mark.parametrize(
    ("flags", "batch", "count", "body"),
    [
        (0, 1, 2, RECORD),
        (0, 1, 1, RECORD + b"\n" + RECORD),
        (0, 1, 1, RECORD + b"\n"),
        (0, 1, 2, RECORD + b'\n{"chain":1,"block":1}'),
        (0, 1, 1, b'{"chain":1,"block":1}'),
        (0, 1, 0, b"x"),
        (0, 1, 1, RECORD + b"\0"),
        (0, 1, 2, RECORD[:-1] + b"\0}\n" + RECORD),
        (0, 0, 1, RECORD),
        (2, 1, 1, RECORD),
        (GREETING, 1, 0, b"short"),
        (END_ASKED, 1, 1, b"\0"),
        (END_ASKED, 1, 0, b"\0\0"),
        (END_ASKED | DURABLE, 1, 1, RECORD),
        (GREETING, 1, 1, b"i" * 16),
        (GREETING | DURABLE, 1, 0, b"i" * 16),
    ],
)
def test_frame_not_of_the_form_is_refused(flags: int, batch: int, count: int, body: bytes) -> None:
    """INVARIANT A4: a worker that was taken over cannot write lines of the chain."""
    frame = FRAME_HEADER.pack(13 + len(body), flags, batch, count) + body
    with pytest.raises(FrameRefused):
        parse_frames(bytearray(frame))


@pytest.mark.parametrize("length", [0, 12, 13, FRAME_BYTES_MAX + 1, 0xFFFFFFFF])
def test_frame_length_out_of_bounds_is_refused_before_it_is_awaited(length: int) -> None:
    with pytest.raises(FrameRefused):
        parse_frames(bytearray(FRAME_HEADER.pack(length, 0, 1, 1)))
