"""Random bytes at every place of the audit room that reads what others wrote."""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from strongroom.audit.chain import BlockReader, ChainBroken, find_data_end, find_last_link, parse_head
from strongroom.audit.cloudtrail import render_envelope, render_event, render_user_identity
from strongroom.audit.messages import FrameRefused, parse_frames, render_batch, render_greeting
from strongroom.audit.recovery import TrailDamaged
from strongroom.audit.trail import Trail
from strongroom.audit.verify import verify

RECORD = b'{"eventVersion":"1.11","n":%d}'


def make_trail() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as directory:
        trail = Trail(directory)
        for number in range(4):
            trail.append((RECORD % number + b"\n") * (number + 1), number + 1, {b"ab" * 16: number + 1})
        trail.close()
        return {path.name: path.read_bytes() for path in Path(directory).iterdir()}


TRAIL = make_trail()
SEGMENT = TRAIL["00000001.jsonl"]
PIECES = [SEGMENT, *SEGMENT.splitlines(keepends=True), b'{"chain":1,', b"\n", b"\0" * 8]


@st.composite
def changed_segments(draw: st.DrawFn) -> bytes:
    """The segment with some stretches replaced, doubled, taken out or put in."""
    content = SEGMENT
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 600)))
        piece = draw(st.one_of(st.binary(max_size=40), st.sampled_from(PIECES)))
        content = content[:start] + piece + content[end:]
    return content


@given(changed_segments())
@settings(max_examples=300, deadline=None)
def test_segment_changed_anyhow_is_a_problem_and_never_an_exception(content: bytes) -> None:
    """INVARIANT A2: also for changes nobody thought of."""
    assume(content != SEGMENT)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "head").write_bytes(TRAIL["head"])
        (directory / "00000001.jsonl").write_bytes(content)
        report = verify(directory)
        if content.startswith(SEGMENT) and report.problem is None:
            # Only bytes after the end: not records of the trail, and told as what they are.
            assert report.unfinished_bytes == len(content.rstrip(b"\0")) - len(SEGMENT)
            assert report.records == 10
        else:
            assert report.problem is not None


@given(changed_segments())
@settings(max_examples=100, deadline=None)
def test_segment_changed_anyhow_start_refuses_or_keeps_all_that_was_vouched_for(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "head").write_bytes(TRAIL["head"])
        (directory / "00000001.jsonl").write_bytes(content)
        try:
            trail = Trail(name)
        except TrailDamaged:
            assert (directory / "00000001.jsonl").read_bytes() == content
            return
        trail.close()
        assert (directory / "00000001.jsonl").read_bytes().startswith(SEGMENT)
        assert verify(directory).is_sound


@given(st.one_of(st.binary(max_size=600), changed_segments()))
@settings(max_examples=300, deadline=None)
def test_block_reader_on_any_bytes_raises_nothing_else(content: bytes) -> None:
    reader = BlockReader(io.BytesIO(content), None)
    broken_at: int | None = None
    try:
        records = sum(block.records for block in reader)
    except ChainBroken as error:
        broken_at = error.offset
    if broken_at is None:
        assert records <= content.count(b"\n")
        assert reader.position + reader.unfinished == len(content.partition(b"\0")[0])
        data_end = find_data_end(io.BytesIO(content), reader.position)
        assert data_end == max(reader.position, len(content.rstrip(b"\0")))
    else:
        assert reader.position <= broken_at < len(content)
    find_last_link(content)


@given(st.one_of(st.binary(max_size=400), st.binary(max_size=20).map(lambda piece: TRAIL["head"] + piece)))
@settings(max_examples=200, deadline=None)
def test_head_file_of_any_bytes_raises_nothing_else(content: bytes) -> None:
    assume(content != TRAIL["head"])
    try:
        parse_head(content)
    except ChainBroken:
        return
    raise AssertionError("a head file that we never wrote was taken")


@given(st.lists(st.binary(max_size=80), max_size=4), st.integers(1, 50))
@settings(max_examples=300, deadline=None)
def test_frames_of_any_bytes_are_refused_or_parsed_alike_in_any_pieces(noise: list[bytes], step: int) -> None:
    """INVARIANT A4: whatever a worker sends, only whole records come out."""
    stream = render_greeting(b"i" * 16, 1) + b"".join(
        render_batch(number, [RECORD % number], durable=False) + piece
        for number, piece in enumerate(noise, 1)
    )

    def parse(pieces: list[bytes]) -> tuple[list[tuple[int, int, int, bytes]], bool]:
        received = bytearray()
        taken: list[tuple[int, int, int, bytes]] = []
        for piece in pieces:
            received += piece
            try:
                frames = parse_frames(received)
            except FrameRefused:
                return taken, False
            taken += [(frame.flags, frame.batch_id, frame.count, frame.body) for frame in frames]
        return taken, True

    split, split_sound = parse([stream[i : i + step] for i in range(0, len(stream), step)])
    whole, whole_sound = parse([stream])
    assert split_sound == whole_sound
    if whole_sound:
        assert split == whole
    for flags, _, count, body in split:
        if flags < 0x80:
            assert [line.startswith(b'{"eventVersion":') for line in body.split(b"\n")] == [True] * count
            assert b"\0" not in body


@given(
    st.text(st.characters(), max_size=50),
    st.text(st.characters(), max_size=50),
    st.dictionaries(st.text(st.characters(), max_size=10), st.text(st.characters(), max_size=10), max_size=4),
)
@settings(max_examples=500, deadline=None)
def test_record_of_any_text_is_one_line_of_ascii(
    user_agent: str, error_message: str, context: dict[str, str]
) -> None:
    """INVARIANT A6: nothing a caller sends can end the line."""
    envelope = render_envelope(
        user_identity=render_user_identity("IAMUser", user_agent),
        event_source="kms.amazonaws.com",
        event_name="Encrypt",
        region="us-east-1",
        source_ip="192.0.2.0",
        user_agent=user_agent,
        read_only=True,
        resources=[],
        recipient_account_id="111122223333",
        tls_details=None,
    )
    rendered = render_event(
        envelope,
        event_time=0.0,
        error_code="AccessDenied",
        error_message=error_message,
        request_parameters={"encryptionContext": context},
        response_elements=None,
        additional_event_data=None,
        request_id="r",
        event_id="e",
    )
    assert rendered.isascii()
    assert len(rendered.decode().splitlines()) == 1
    event = json.loads(rendered)
    assert len(event["requestParameters"]["encryptionContext"]) == len(context)
    if user_agent.isascii():
        assert event["userAgent"] == user_agent
