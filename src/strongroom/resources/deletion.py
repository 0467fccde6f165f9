"""What was deleted and must stay so: entries and lines of the ledger (docs/formats/deletion-ledger.md)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

LEDGER_BYTES_MAX = 1 << 30
LINE_BYTES_MAX = 4096
GENESIS = b"\0" * 32
_NAME = re.compile(r"[ -~]{0,300}")
_LINE = re.compile(
    rb'\{"ledger":1,"sequence":([1-9][0-9]{0,15}),"entry":(\[[^\n]{2,1600}\]),'
    rb'"hash":"([0-9a-f]{64})","seal":"((?:[0-9a-f]{2}){34,200})"\}'
)


class DeletionKind(Enum):
    """What an entry is about."""

    KEY = "key"
    MATERIAL = "material"
    ACCESS_KEY = "access-key"
    ACTIVE_ACCESS_KEY = "active-access-key"
    """The access key stays, and is inactive."""
    PROXY_CREDENTIAL = "proxy-credential"


@dataclass(frozen=True, slots=True)
class Deletion:
    """One deletion. `region` is empty where the thing has none, `material_id` except for key material."""

    kind: DeletionKind
    subject: str
    """A key id or an access key id."""
    account_id: str = ""
    region: str = ""
    material_id: str = ""


class LedgerRefused(Exception):
    """The ledger is damaged, was changed, or belongs to other data. Its text is one sentence."""


class LedgerLine(NamedTuple):
    """One line. `seal` is a ticket of the boundary for `hash`: nobody else can make one."""

    sequence: int
    deletion: Deletion
    hash: bytes
    seal: bytes


def render_deletion(deletion: Deletion) -> str:
    """One JSON array without spaces, in ASCII; the same text for the same deletion."""
    members = [
        deletion.kind.value,
        deletion.subject,
        deletion.account_id,
        deletion.region,
        deletion.material_id,
    ]
    return json.dumps(members, separators=(",", ":"))


def parse_deletion(text: str) -> Deletion:
    """Raises LedgerRefused for what render_deletion does not write."""
    try:
        members = json.loads(text)
        kind, subject, account_id, region, material_id = members
        if not all(isinstance(each, str) and _NAME.fullmatch(each) for each in members):
            raise ValueError
        deletion = Deletion(DeletionKind(kind), subject, account_id, region, material_id)
    except (ValueError, TypeError, RecursionError):
        raise LedgerRefused("an entry is malformed") from None
    if not subject or render_deletion(deletion) != text:
        raise LedgerRefused("an entry is malformed")
    return deletion


def chain_hash(previous: bytes, sequence: int, entry: str) -> bytes:
    """The hash of an entry, bound to all before it."""
    return hashlib.sha256(previous + sequence.to_bytes(8, "big") + entry.encode("ascii")).digest()


def hash_of_all(entries: Sequence[str]) -> bytes:
    """The hash of the last of these entries, which are the first of a ledger."""
    digest = GENESIS
    for sequence, entry in enumerate(entries, 1):
        digest = chain_hash(digest, sequence, entry)
    return digest


def render_line(sequence: int, entry: str, digest: bytes, seal: bytes) -> bytes:
    """With its line end."""
    return (
        f'{{"ledger":1,"sequence":{sequence},"entry":{entry},"hash":"{digest.hex()}","seal":"{seal.hex()}"}}\n'
    ).encode("ascii")


def parse_ledger(content: bytes) -> list[LedgerLine]:
    """All lines, their chain checked; their seals are the boundary's to check. A line without its end is not
    there yet: a crash left it. Raises LedgerRefused."""
    lines: list[LedgerLine] = []
    previous = GENESIS
    whole = content[: content.rfind(b"\n") + 1]
    if len(content) - len(whole) > LINE_BYTES_MAX:
        raise LedgerRefused("its end is no line of a ledger")
    for number, text in enumerate(whole.split(b"\n")[:-1], 1):
        line = _parse_line(text)
        if line is None or line.sequence != number:
            raise LedgerRefused(f"line {number} is malformed or missing")
        previous = chain_hash(previous, number, render_deletion(line.deletion))
        if previous != line.hash:
            raise LedgerRefused(f"line {number} was changed: its hash does not fit")
        lines.append(line)
    return lines


def parse_last_line(tail: bytes) -> LedgerLine | None:
    """The last line of a ledger of which this is the end; None of an empty one. Raises LedgerRefused."""
    if not tail:
        return None
    line = _parse_line(tail[:-1].rpartition(b"\n")[2])
    if line is None:
        raise LedgerRefused("its end is no line of a ledger")
    return line


def _parse_line(text: bytes) -> LedgerLine | None:
    """A line without its end, unless a byte of it is not as it was written."""
    found = _LINE.fullmatch(text) if len(text) <= LINE_BYTES_MAX else None
    if found is None or not found[2].isascii():
        return None
    try:
        deletion = parse_deletion(found[2].decode("ascii"))
    except LedgerRefused:
        return None
    return LedgerLine(
        int(found[1]), deletion, bytes.fromhex(found[3].decode()), bytes.fromhex(found[4].decode())
    )
