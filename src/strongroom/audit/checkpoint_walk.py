"""Checks the checkpoints of a trail while its blocks are read: signed, true, and one after the other."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from strongroom.audit.chain import Link
from strongroom.audit.checkpoints import (
    EVENT_MARK,
    FIRST,
    Checkpoint,
    CheckpointRefused,
    SignedCheckpoint,
    parse_record,
    parse_text,
)

if TYPE_CHECKING:
    from strongroom.audit.checkpoint_signatures import CheckpointKey

BLOCKS_BACK_MAX: Final = 1 << 16
"""How far before its record the block of a checkpoint is looked for: in truth it is a few blocks before."""


class CheckpointProblem(Exception):
    """The trail is not the one that was signed. Its text is a sentence."""


class CheckpointWalk:
    """One pass over a trail, block by block. Memory: the hashes of some 65,000 blocks."""

    def __init__(self, key: CheckpointKey | None, known: Sequence[SignedCheckpoint] = ()) -> None:
        """`known`: from elsewhere. Raises CheckpointProblem for one that the key has not signed."""
        self._key = key
        self._recent: deque[Link] = deque(maxlen=BLOCKS_BACK_MAX)
        self._known: dict[int, list[Checkpoint]] = {}
        self._first_block = 0
        self.count = 0
        self.foreign = 0
        self.last = FIRST
        """The last one that the key has signed, and the trail bears out."""
        for signed in known:
            if key is None or not key.has_signed(signed):
                raise CheckpointProblem("The checkpoint that was given is not signed by this key.")
            checkpoint = parse_text(signed.text)
            self._known.setdefault(checkpoint.block, []).append(checkpoint)

    def take(self, link: Link, records: bytes) -> None:
        """The next block, and its record lines. Raises CheckpointProblem."""
        if self._key is None:
            return
        self._first_block = self._first_block or link.block
        self._recent.append(link)
        for checkpoint in self._known.pop(link.block, []):
            if checkpoint.hash != link.hash:
                raise CheckpointProblem(
                    f"Block {link.block} is not the one that was signed at {checkpoint.time}: the trail was "
                    "rewritten."
                )
        if EVENT_MARK not in records:
            return
        for line in records.split(b"\n"):
            if EVENT_MARK in line:
                self._take_record(line)

    def finish(self, first_block: int) -> None:
        """At the end of the trail, which began with `first_block`. Raises CheckpointProblem."""
        for block in sorted(self._known):
            if block >= first_block:
                raise CheckpointProblem(
                    f"The trail ends before block {block}, which was signed at {self._known[block][0].time}."
                )

    def _take_record(self, line: bytes) -> None:
        assert self._key is not None  # noqa: S101
        try:
            parsed = parse_record(json.loads(line))
        except CheckpointRefused:
            raise CheckpointProblem("A record claims to be a checkpoint and holds none.") from None
        except (ValueError, RecursionError, AttributeError):
            return  # no record of ours
        if parsed is None:
            return
        signed, key_id = parsed
        if key_id != self._key.id:
            self.foreign += 1
            return
        if not self._key.has_signed(signed):
            raise CheckpointProblem("A record claims to be a checkpoint, and its signature is false.")
        self._take_checkpoint(parse_text(signed.text))

    def _take_checkpoint(self, checkpoint: Checkpoint) -> None:
        last = self.last
        if checkpoint.number < last.number or checkpoint == last:
            return  # written once more: it was true then
        self._require_true(checkpoint)
        follows = (checkpoint.previous_block, checkpoint.previous_hash)
        if last.number == 0:
            # The first in an archive's rest: what came before is not here.
            is_next = checkpoint.number == 1 or self._first_block > 1
        elif checkpoint.number == last.number:  # its first record was all that a job runner still did
            is_next = follows == (last.previous_block, last.previous_hash)
        else:
            is_next = checkpoint.number == last.number + 1 and follows == (last.block, last.hash)
        if not is_next:
            raise CheckpointProblem(
                f"Checkpoint {checkpoint.number} of {checkpoint.time} names a checkpoint before it that the "
                "trail has not: what came before was rewritten."
            )
        self.last = checkpoint
        self.count += 1

    def _require_true(self, checkpoint: Checkpoint) -> None:
        if checkpoint.block < self._first_block:
            return  # it was archived away; the chain of checkpoints begins with this one
        for link in reversed(self._recent):
            if link.block == checkpoint.block:
                if (link.hash, link.records) == (checkpoint.hash, checkpoint.records):
                    return
                break
        raise CheckpointProblem(
            f"Checkpoint {checkpoint.number} of {checkpoint.time} does not name a block of this trail: what "
            "came before was rewritten."
        )
