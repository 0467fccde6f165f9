"""The hash chain over all records: the block format, its hash, and the reader that checks it.

A segment file is a row of blocks. A block is some record lines and one chain line:

    {"chain":1,"block":7,"first":120,"records":3,"bytes":3741,"time":"2026-11-23T19:31:00.123Z",
     "clients":{"<instance>":<highest batch>},["torn":{...},]"previous":"<hash>","hash":"<hash>"}

hash = SHA-256(previous, 32 bytes | length of the records, u64 big endian | record lines, newlines
included | the chain line up to and including `previous`). The exact format: docs/formats/audit.md.

Standard library only, and no dataclasses: the writer process imports this and stays small.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import BinaryIO, NamedTuple

CHAIN_START = b'{"chain":'
GENESIS = b"\0" * 32
"""What the first block names as its previous hash."""

BLOCK_BYTES_MAX = 64 << 20
_READ_BYTES = 1 << 20

_NUMBER = rb"(0|[1-9][0-9]{0,18})"
_CHAIN_LINE = re.compile(
    rb'\{"chain":1,"block":' + _NUMBER + rb',"first":' + _NUMBER + rb',"records":' + _NUMBER +
    rb',"bytes":' + _NUMBER + rb',"time":"([0-9TZ:.-]{24})","clients":\{([^}]{0,1000000})\}'
    rb'(?:,"torn":\{"file":"([0-9a-f.-]{1,60}torn)","bytes":' + _NUMBER + rb',"sha256":"([0-9a-f]{64})"\})?'
    rb',"previous":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}'
)  # fmt: skip
_CLIENT = re.compile(rb'"([0-9a-f]{32})":([1-9][0-9]{0,19})')
_HASH_MEMBER_BYTES = len(',"hash":"') + 64 + len('"}')


class ChainBroken(Exception):
    """The trail was damaged or changed. The message says how, `offset` at which byte of the file."""

    def __init__(self, sentence: str, offset: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.offset = offset


class Torn(NamedTuple):
    """What a restart cut off the end and set aside: a block that was never finished."""

    file: str
    bytes: int
    sha256: str


class Link(NamedTuple):
    """The state of the chain after a block: all that the next block needs."""

    block: int
    records: int
    hash: bytes


START = Link(0, 0, GENESIS)


class Block(NamedTuple):
    """One checked block: where it ends in its file, and what its chain line says."""

    end: int
    link: Link
    records: int
    time: str
    clients: dict[bytes, int]
    torn: Torn | None


def render_block(
    before: Link,
    records: bytes,
    count: int,
    clients: Mapping[bytes, int],
    *,
    epoch_seconds: float,
    torn: Torn | None = None,
) -> tuple[bytes, Link]:
    """The bytes of the next block and the state of the chain after it.

    Shape: `records` is empty or ends with a newline and holds `count` lines; `clients` maps the
    instance id (hexadecimal) of each worker to its highest batch in the chain.
    """
    note = ""
    if torn is not None:
        note = f'"torn":{{"file":"{torn.file}","bytes":{torn.bytes},"sha256":"{torn.sha256}"}},'
    seen = ",".join([f'"{instance.decode()}":{batch}' for instance, batch in clients.items()])
    header = (
        f'{{"chain":1,"block":{before.block + 1},"first":{before.records + 1},"records":{count},'
        f'"bytes":{len(records)},"time":"{render_time(epoch_seconds)}","clients":{{{seen}}},'
        f'{note}"previous":"{before.hash.hex()}"'
    ).encode()
    digest = _block_hash(before.hash, records, header)
    after = Link(before.block + 1, before.records + count, digest)
    return b'%b%b,"hash":"%b"}\n' % (records, header, digest.hex().encode()), after


def render_time(epoch_seconds: float) -> str:
    """An instant in UTC, to the millisecond."""
    milliseconds = int(epoch_seconds * 1000)
    date = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{date}.{milliseconds % 1000:03d}Z"


def _block_hash(previous: bytes, records: bytes, header: bytes) -> bytes:
    digest = hashlib.sha256(previous)
    digest.update(len(records).to_bytes(8, "big"))
    digest.update(records)
    digest.update(header)
    return digest.digest()


class BlockReader:
    """Reads the blocks of one segment in order and checks each; holds one block in memory.

    After the last block `position` is where it ends and `unfinished` the bytes that follow without
    a chain line: a block that is being written, or one that a crash cut short. No record holds a zero
    byte, so the first one ends the reading: what follows it is room made ahead, or damage
    (`find_data_end` tells which).
    """

    def __init__(self, file: BinaryIO, before: Link | None) -> None:
        """`before` None: take the first block's own word for what precedes it."""
        self._file = file
        self._before = before
        self._buffer = bytearray()
        self._is_at_end = False
        self.position = 0
        self.unfinished = 0
        self.records = b""
        """The record lines of the block that was read last."""

    def __iter__(self) -> Iterator[Block]:
        """Raises ChainBroken at the first block that is not as it was written."""
        while (stop := self._find_chain_line()) is not None:
            start, end = stop
            with memoryview(self._buffer) as view:
                records, line = bytes(view[:start]), bytes(view[start:end])
            self.records = records
            yield self._check(records, line)
            del self._buffer[:end]
        self.unfinished = len(self._buffer)

    def _find_chain_line(self) -> tuple[int, int] | None:
        """Where the next chain line starts and ends in the buffer; None at the end of the file."""
        buffer, searched, start = self._buffer, 0, -1
        while True:
            if start < 0:
                if buffer.startswith(CHAIN_START):
                    start = 0
                else:
                    newline = buffer.find(b"\n" + CHAIN_START, max(0, searched - len(CHAIN_START)))
                    start = newline + 1 if newline >= 0 else -1
            if start >= 0 and (newline := buffer.find(b"\n", max(start, searched - 1))) >= 0:
                return start, newline + 1
            searched = len(buffer)
            if searched > BLOCK_BYTES_MAX:
                raise ChainBroken("a block has no chain line", self.position)
            more = b"" if self._is_at_end else self._file.read(_READ_BYTES)
            if (zero := more.find(0)) >= 0:
                self._is_at_end = True
                more = more[:zero]
            if not more:
                return None
            buffer += more

    def _check(self, records: bytes, line: bytes) -> Block:
        block = self._parse(records, line)
        self._before = block.link
        self.position = block.end
        return block

    def _parse(self, records: bytes, line: bytes) -> Block:
        at = self.position + len(records)
        match = _CHAIN_LINE.fullmatch(line, 0, len(line) - 1)
        if match is None:
            raise ChainBroken("a chain line is malformed", at)
        number, first, count, size, when, clients, torn_file, torn_bytes, torn_hash, previous, digest = (
            match.groups()
        )
        before = self._before or Link(int(number) - 1, int(first) - 1, bytes.fromhex(previous.decode()))
        if before.block + 1 != int(number):
            raise ChainBroken(f"block {before.block + 1} is missing: block {int(number)} stands there", at)
        if before.hash.hex().encode() != previous:
            raise ChainBroken(f"block {int(number)} does not follow from the block before it", at)
        found = _block_hash(before.hash, records, line[: -_HASH_MEMBER_BYTES - 1])
        if found.hex().encode() != digest:
            raise ChainBroken(f"block {int(number)} was changed: its hash does not fit", self.position)
        # A right hash over wrong numbers was never written by us; whoever forged it is told so.
        if (
            before.records + 1 != int(first)
            or int(size) != len(records)
            or records.count(b"\n") != int(count)
        ):
            raise ChainBroken(f"block {int(number)} does not hold the records that it counts", self.position)
        torn = None
        if torn_file is not None:
            torn = Torn(torn_file.decode(), int(torn_bytes), torn_hash.decode())
        seen = {instance: int(batch) for instance, batch in _CLIENT.findall(clients)}
        after = Link(int(number), before.records + int(count), found)
        return Block(at + len(line), after, int(count), when.decode(), seen, torn)


def find_data_end(file: BinaryIO, position: int) -> int:
    """Where the last byte at or after `position` that is not zero ends; `position` if there is none."""
    end = position
    file.seek(position)
    while chunk := file.read(_READ_BYTES):
        if data := chunk.rstrip(b"\0"):
            end = position + len(data)
        position += len(chunk)
    return end


def find_last_link(tail: bytes) -> Link | None:
    """The state of the chain that the last chain line in `tail` claims; not checked."""
    start = tail.rfind(b"\n" + CHAIN_START) + 1
    match = (
        _CHAIN_LINE.fullmatch(tail, start, len(tail) - 1) if start or tail.startswith(CHAIN_START) else None
    )
    if match is None or not tail.endswith(b"\n"):
        return None
    return Link(int(match[1]), int(match[2]) - 1 + int(match[3]), bytes.fromhex(match[11].decode()))


# The head file -----------------------------------------------------------------------------------

HEAD_FILE = "head"
LOCK_FILE = "lock"

_HEAD = re.compile(
    rb'(\{"head":1,"segment":' + _NUMBER + rb',"offset":' + _NUMBER + rb',"block":' + _NUMBER +
    rb',"records":' + _NUMBER + rb',"hash":"([0-9a-f]{64})","time":"[0-9TZ:.-]{24}")'
    rb',"check":"([0-9a-f]{64})"\}\n'
)  # fmt: skip


class Head(NamedTuple):
    """How far the trail is known to be on disk: less than this may never be found again."""

    segment: int
    offset: int
    link: Link


def render_head(head: Head, epoch_seconds: float) -> bytes:
    """The head file's one line."""
    text = (
        f'{{"head":1,"segment":{head.segment},"offset":{head.offset},"block":{head.link.block},'
        f'"records":{head.link.records},"hash":"{head.link.hash.hex()}","time":"{render_time(epoch_seconds)}"'
    ).encode()
    return b'%b,"check":"%b"}\n' % (text, hashlib.sha256(text).hexdigest().encode())


def parse_head(text: bytes) -> Head:
    """Read a head file. Raises ChainBroken."""
    match = _HEAD.fullmatch(text)
    if match is None or hashlib.sha256(match[1]).hexdigest().encode() != match[7]:
        raise ChainBroken("the head file is damaged", 0)
    link = Link(int(match[4]), int(match[5]), bytes.fromhex(match[6].decode()))
    return Head(int(match[2]), int(match[3]), link)


def segment_name(number: int) -> str:
    """The file name of a segment."""
    return f"{number:08d}.jsonl"


def segment_numbers(names: list[str]) -> list[int]:
    """The segments among the names of a directory, in order."""
    return sorted(int(name[:-6]) for name in names if re.fullmatch(r"[0-9]{8}\.jsonl", name))
