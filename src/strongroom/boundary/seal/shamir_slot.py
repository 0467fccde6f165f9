"""Slot type 3, Shamir shares: k of n people (or safes) open it together.

The slot holds a commitment to each share, so that a share that is not genuine is named, where otherwise
only the sum of all would not open. A commitment gives nothing of its share away: that is 32 random bytes.
"""

from __future__ import annotations

import hmac
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from strongroom.boundary.key_hierarchy import LABEL_SHAMIR_SHARE
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.shamir import SHARES_MAX, join_shares, split_secret
from strongroom.boundary.seal.shares import SET_ID_BYTES, Share
from strongroom.boundary.seal.wrapping import (
    SLOT_KEY_BYTES,
    SlotDoesNotOpen,
    unwrap_root_key,
    wrap_root_key,
)
from strongroom.boundary.seal_format import SALT_BYTES, SealSlot, SlotType
from strongroom.boundary.software.key_derivation import derive_key

_COMMITMENT_BYTES: Final = 16
_QUORUM = struct.Struct(">6sBB")


@dataclass(frozen=True, slots=True)
class Quorum:
    """What a Shamir slot says of its shares."""

    set_id: bytes
    needed: int
    commitments: tuple[bytes, ...]
    """One for each share, in the order of their numbers."""


def wrap_under_shares(root_key: bytes, needed: int, shares: int) -> tuple[SealSlot, list[Share]]:
    """A Shamir slot for `root_key`, and its shares. Raises SealRefused for numbers that are not to be."""
    slot_key = os.urandom(SLOT_KEY_BYTES)
    set_id = os.urandom(SET_ID_BYTES)
    try:
        values = split_secret(slot_key, needed, shares)
    except ValueError:
        raise SealRefused(
            f"{needed} of {shares} shares cannot be: at least 2 must be needed, and at most"
            f" {SHARES_MAX} made."
            " Nothing was changed."
        ) from None
    made = [Share(set_id, number, needed, value) for number, value in values.items()]
    parameters = _QUORUM.pack(set_id, needed, shares) + b"".join(map(_commit, made))
    return wrap_root_key(root_key, SlotType.SHAMIR, slot_key, parameters), made


def parse_quorum(slot: SealSlot) -> Quorum:
    """What the slot says of its shares. Raises SlotDoesNotOpen when no sound slot says that."""
    start = SALT_BYTES + _QUORUM.size
    if len(slot.parameters) < start:
        raise SlotDoesNotOpen
    set_id, needed, shares = _QUORUM.unpack_from(slot.parameters, SALT_BYTES)
    if not 2 <= needed <= shares <= SHARES_MAX or len(slot.parameters) != start + shares * _COMMITMENT_BYTES:
        raise SlotDoesNotOpen
    commitments = tuple(
        slot.parameters[position : position + _COMMITMENT_BYTES]
        for position in range(start, len(slot.parameters), _COMMITMENT_BYTES)
    )
    return Quorum(set_id, needed, commitments)


def require_genuine(quorum: Quorum, share: Share) -> None:
    """Raises SealRefused with a sentence that names the share when it is none of the slot's."""
    if share.set_id != quorum.set_id:
        raise SealRefused(
            f"Share {share.number} (set {share.set_id.hex()}) belongs to another seal, or to shares that were"
            f" replaced: those of this seal are of set {quorum.set_id.hex()}. Nothing was changed."
        )
    is_numbered = 1 <= share.number <= len(quorum.commitments) and share.needed == quorum.needed
    if not is_numbered or not hmac.compare_digest(_commit(share), quorum.commitments[share.number - 1]):
        raise SealRefused(
            f"Share {share.number} is not genuine: it was changed, or the seal record was. Nothing was"
            " changed."
        )


def unwrap_with_shares(slot: SealSlot, shares: Sequence[Share]) -> bytes:
    """The root key. Raises SlotDoesNotOpen, SealRefused with a sentence that says which share is wrong."""
    quorum = parse_quorum(slot)
    for share in shares:
        require_genuine(quorum, share)
    values = {share.number: share.value for share in shares}
    if len(values) < quorum.needed:
        raise SealRefused(
            f"{len(values)} of the {quorum.needed} shares that are needed were given. Nothing was changed."
        )
    enough = dict(sorted(values.items())[: quorum.needed])
    return unwrap_root_key(slot, join_shares(enough))


def _commit(share: Share) -> bytes:
    context = share.set_id + bytes((share.number, share.needed))
    return derive_key(share.value, LABEL_SHAMIR_SHARE, context)[:_COMMITMENT_BYTES]
