"""Shares that are given one at a time, to a sealed boundary: from several people, at several terminals.

They are in the boundary's memory alone, and not for long: all are forgotten an hour after the first, when a
set does not open, and when somebody asks for it. Whether a share is genuine, its slot tells anybody who can
read the seal record (shamir_slot.py): what is said of one here tells nobody more than the record does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.shamir_slot import Quorum, parse_quorum, require_genuine, unwrap_with_shares
from strongroom.boundary.seal.shares import Share
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen
from strongroom.boundary.seal_format import SealSlot, SlotType

GATHER_SECONDS: Final = 3600.0


class _ShamirSlot(NamedTuple):
    number: int
    slot: SealSlot
    quorum: Quorum


class ShareGathering:
    """The shares that were given to one sealed boundary. Secrets: the shares. Concurrency: one thread.

    `now` is on the monotonic clock throughout.
    """

    def __init__(self, slots: Sequence[SealSlot], seconds_max: float = GATHER_SECONDS) -> None:
        self._slots = list(_shamir_slots(slots))
        self._seconds_max = seconds_max
        self._given: dict[bytes, dict[int, Share]] = {}
        """By set, then by the share's number."""
        self._ends_at = 0.0

    def add(self, share: Share, now: float) -> tuple[int, bytes] | None:
        """The number of the slot that the shares open, and the root key; None while some are missing.

        Raises: SealRefused with a sentence; then what was given before is kept, unless the sentence says so.
        """
        self.forget_expired(now)
        found = self._find(share)
        require_genuine(found.quorum, share)
        given = self._given.setdefault(share.set_id, {})
        if share.number in given:
            raise SealRefused(f"Share {share.number} was given already: another one is needed.")
        if not any(self._given.values()):
            self._ends_at = now + self._seconds_max
        given[share.number] = share
        if len(given) < found.quorum.needed:
            return None
        try:
            root_key = unwrap_with_shares(found.slot, list(given.values()))
        except SlotDoesNotOpen:
            self.forget()
            raise SealRefused(
                "The shares do not open their slot: the slot was changed. All that were given are forgotten."
            ) from None
        self.forget()
        return found.number, root_key

    def forget(self) -> None:
        """Begin anew."""
        self._given.clear()

    def forget_expired(self, now: float) -> None:
        """`forget`, when the time is over."""
        if now >= self._ends_at:
            self.forget()

    def seconds_left(self, now: float) -> float | None:
        """Until what was given is forgotten; None when there is nothing to forget."""
        return max(0.0, self._ends_at - now) if any(self._given.values()) else None

    def describe(self, now: float) -> str:
        """A sentence: how many were given, and for how long."""
        self.forget_expired(now)
        counts = [
            f"{len(given)} of {one.quorum.needed} shares given (set {one.quorum.set_id.hex()})"
            for one in self._slots
            if (given := self._given.get(one.quorum.set_id))
        ]
        if not counts:
            return "No share was given."
        minutes = -(-max(0.0, self._ends_at - now) // 60)
        return f"{'; '.join(counts)}; forgotten in {minutes:.0f} minutes."

    def _find(self, share: Share) -> _ShamirSlot:
        if not self._slots:
            raise SealRefused("No slot of this seal is opened by shares. Nothing was changed.")
        for one in self._slots:
            if one.quorum.set_id == share.set_id:
                return one
        return self._slots[0]  # which says that the share is of another set


def _shamir_slots(slots: Sequence[SealSlot]) -> list[_ShamirSlot]:
    found = []
    for number, slot in enumerate(slots, 1):
        if slot.slot_type == SlotType.SHAMIR:
            try:
                found.append(_ShamirSlot(number, slot, parse_quorum(slot)))
            except SlotDoesNotOpen:
                continue
    return found
