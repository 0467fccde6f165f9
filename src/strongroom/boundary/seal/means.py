"""What somebody brings to open the seal, and trying the slots with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from strongroom.boundary.seal.kms_slot import KeyService, unwrap_with_kms
from strongroom.boundary.seal.passphrase_slot import unwrap_with_passphrase
from strongroom.boundary.seal.pkcs11_slot import TokenKeys, unwrap_with_token
from strongroom.boundary.seal.refusal import PinNotTaken, SealRefused
from strongroom.boundary.seal.shamir_slot import Quorum, parse_quorum, unwrap_with_shares
from strongroom.boundary.seal.shares import Share
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen, unwrap_root_key
from strongroom.boundary.seal_format import SealSlot, SlotType


class NotTried(Exception):
    """Nothing was brought to try a slot with; the text says what would be needed."""


@dataclass(frozen=True, slots=True)
class Means:
    """Secrets: what opens slots, or asks for it when it is needed. None: was not brought."""

    key_file: bytes | None = field(default=None, repr=False)
    passphrase: Callable[[], bytes] | None = None
    shares: Callable[[Quorum], Sequence[Share]] | None = None
    tokens: TokenKeys | None = None
    kms: KeyService | None = None


def open_slot(slot: SealSlot, slots: Sequence[SealSlot], means: Means) -> bytes:
    """The root key, from one of the record's slots.

    Raises: NotTried; SealRefused with a sentence that says what is wrong.
    """
    opener = _OPENERS.get(slot.slot_type)
    if opener is None:
        raise NotTried("a later version of Strongroom made it")
    try:
        return opener(slot, slots, means)
    except SlotDoesNotOpen:
        raise SealRefused(_REFUSALS[slot.slot_type]) from None


def open_any_slot(slots: Sequence[SealSlot], means: Means) -> tuple[int, bytes]:
    """The number of the first slot that opens, and the root key; what needs no person is tried first.

    Raises: SealRefused with the sentences of the slots that were tried, or that none could be; PinNotTaken
    when one of them was a token's.
    """
    refusals: list[str] = []
    missing: list[str] = []
    kind = SealRefused
    for number, slot in sorted(
        enumerate(slots, 1), key=lambda one: _ORDER.get(one[1].slot_type, len(_ORDER))
    ):
        try:
            return number, open_slot(slot, slots, means)
        except NotTried as reason:
            missing.append(str(reason))
        except SealRefused as refused:
            refusals.append(str(refused))
            kind = PinNotTaken if isinstance(refused, PinNotTaken) else kind
    if refusals:
        raise kind(" ".join(dict.fromkeys(refusals)))
    raise SealRefused(
        "No slot of the seal could be tried: "
        + "; or ".join(dict.fromkeys(missing))
        + ". Nothing was changed."
    )


def _with_key_file(slot: SealSlot, _: Sequence[SealSlot], means: Means) -> bytes:
    if means.key_file is None:
        raise NotTried("its key file was not given (--key-file)")
    return unwrap_root_key(slot, means.key_file)


def _with_passphrase(slot: SealSlot, _: Sequence[SealSlot], means: Means) -> bytes:
    if means.passphrase is None:
        raise NotTried("its passphrase was not given (--passphrase or --passphrase-fd)")
    return unwrap_with_passphrase(slot, means.passphrase())


def _with_shares(slot: SealSlot, slots: Sequence[SealSlot], means: Means) -> bytes:
    if means.shares is None:
        raise NotTried("its shares were not given (--shares or --shares-fd)")
    quorum = parse_quorum(slot)
    others = {_set_of(other) for other in slots if other.slot_type == SlotType.SHAMIR} - {quorum.set_id}
    shares = [share for share in means.shares(quorum) if share.set_id not in others]
    if not shares:
        raise NotTried("none of its shares was given")
    return unwrap_with_shares(slot, shares)


def _set_of(slot: SealSlot) -> bytes | None:
    try:
        return parse_quorum(slot).set_id
    except SlotDoesNotOpen:
        return None


def _with_token(slot: SealSlot, _: Sequence[SealSlot], means: Means) -> bytes:
    if means.tokens is None:
        raise NotTried("its token was not given (--pkcs11-module and --pin-fd)")
    return unwrap_with_token(slot, means.tokens)


def _with_kms(slot: SealSlot, _: Sequence[SealSlot], means: Means) -> bytes:
    if means.kms is None:
        raise NotTried("its KMS was not given (--kms-endpoint)")
    return unwrap_with_kms(slot, means.kms)


_Opener: TypeAlias = Callable[[SealSlot, Sequence[SealSlot], Means], bytes]

_OPENERS: Final[Mapping[int, _Opener]] = {
    SlotType.KEY_FILE: _with_key_file,
    SlotType.PKCS11: _with_token,
    SlotType.KMS: _with_kms,
    SlotType.PASSPHRASE: _with_passphrase,
    SlotType.SHAMIR: _with_shares,
}
_ORDER: Final = {slot_type: place for place, slot_type in enumerate(_OPENERS)}

_REFUSALS: Final[Mapping[int, str]] = {
    SlotType.KEY_FILE: (
        "The key file does not open its slot: it is another key file, or the file or the slot was changed."
        " Nothing was changed."
    ),
    SlotType.PKCS11: (
        "The token's key does not open its slot: it is another key, or the slot was changed. Nothing"
        " was changed."
    ),
    SlotType.KMS: (
        "The KMS does not open its slot: the slot was changed, or was made for another seal. Nothing"
        " was changed."
    ),
    SlotType.PASSPHRASE: (
        "The passphrase does not open its slot: it is another one, or the slot was changed. Nothing"
        " was changed."
    ),
    SlotType.SHAMIR: "The shares do not open their slot: the slot was changed. Nothing was changed.",
}
