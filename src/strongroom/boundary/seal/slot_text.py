"""Slots in words, and what a seal is warned about."""

from __future__ import annotations

from collections.abc import Sequence

from strongroom.boundary.seal.kms_slot import parse_kms_reference
from strongroom.boundary.seal.passphrase_slot import parse_cost
from strongroom.boundary.seal.pkcs11_slot import parse_token_reference
from strongroom.boundary.seal.shamir_slot import parse_quorum
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen
from strongroom.boundary.seal_format import SealSlot, SlotType


def describe_slot(slot: SealSlot) -> str:
    """One slot, for a line. Nothing of it is proven: only opening it shows that it is sound."""
    try:
        return _describe(slot)
    except SlotDoesNotOpen:
        return f"{SlotType(slot.slot_type).name.lower().replace('_', ' ')}, damaged"


def _describe(slot: SealSlot) -> str:
    match slot.slot_type:
        case SlotType.KEY_FILE:
            return "key file"
        case SlotType.PASSPHRASE:
            cost = parse_cost(slot)
            return f"passphrase (Argon2id, {cost.memory_kib // 1024} MiB, {cost.passes} passes)"
        case SlotType.SHAMIR:
            quorum = parse_quorum(slot)
            return f"any {quorum.needed} of {len(quorum.commitments)} shares (set {quorum.set_id.hex()})"
        case SlotType.PKCS11:
            token = parse_token_reference(slot)
            return f'PKCS #11 token "{token.token_label}", key "{token.key_label}"'
        case SlotType.KMS:
            return f"KMS key {parse_kms_reference(slot).key_arn}"
    return f"of a later version (type {slot.slot_type})"


def seal_warnings(slots: Sequence[SealSlot]) -> list[str]:
    """What could cost the keys one day; a sentence each."""
    warnings: list[str] = []
    if len(slots) < 2:
        warnings.append(
            "There is one slot: whoever loses what opens it loses every key. Add another one"
            " (strongroom seal add-slot)."
        )
    if not any(slot.slot_type in (SlotType.PASSPHRASE, SlotType.SHAMIR) for slot in slots):
        warnings.append(
            "No slot is offline: what opens them is on machines alone. Add a passphrase or shares that"
            " are kept"
            " on paper, apart from them."
        )
    return warnings
