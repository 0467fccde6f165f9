"""Slots of every type open with what they were made with, and with nothing else, nor with a bit flipped."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from strongroom.boundary.seal.key_file_slot import wrap_under_key_file
from strongroom.boundary.seal.kms_slot import CONTEXT_NAME, wrap_under_kms
from strongroom.boundary.seal.means import Means, NotTried, open_any_slot, open_slot
from strongroom.boundary.seal.passphrase_slot import (
    Cost,
    parse_cost,
    unwrap_with_passphrase,
    wrap_under_passphrase,
)
from strongroom.boundary.seal.pkcs11_slot import wrap_under_token
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.shamir_slot import wrap_under_shares
from strongroom.boundary.seal.slot_text import describe_slot, seal_warnings
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen, load_slots
from strongroom.boundary.seal_format import SealSlot, SlotType, parse_seal, render_seal
from strongroom.boundary.software.key_wrapping import root_key_id

ROOT_KEY = bytes(range(32))
KEY_FILE = bytes(range(100, 132))
PASSPHRASE = b"correct horse battery staple"
CHEAP = Cost(memory_kib=8_192, passes=1, lanes=1)
KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
FLIPS = int(os.environ.get("SEAL_BIT_FLIPS", "500"))


class LockedBox:
    """Stands for a token's key, or a KMS: gives back what was put in under the same name and context."""

    def __init__(self) -> None:
        self.kept: dict[bytes, tuple[object, bytes]] = {}

    def _put(self, plaintext: bytes, bound_to: object) -> bytes:
        handle = os.urandom(40)
        self.kept[handle] = (bound_to, plaintext)
        return handle

    def _take(self, handle: bytes, bound_to: object) -> bytes:
        kept = self.kept.get(handle)
        if kept is None or kept[0] != bound_to:
            raise SlotDoesNotOpen
        return kept[1]


class TokenDouble(LockedBox):
    def encrypt(self, plaintext: bytes, authenticated: bytes) -> bytes:
        return self._put(plaintext, authenticated)

    def decrypt(self, ciphertext: bytes, authenticated: bytes) -> bytes:
        return self._take(ciphertext, authenticated)

    def find_key(self, token_label: str, key_label: str) -> TokenDouble:
        if (token_label, key_label) != ("safe", "seal"):
            raise SealRefused("There is no such key.")
        return self

    def make_key(self, token_label: str, key_label: str) -> TokenDouble:
        return self.find_key(token_label, key_label)


class KmsDouble(LockedBox):
    def encrypt(self, key_arn: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        self.context = dict(context)
        return self._put(plaintext, (key_arn, dict(context)))

    def decrypt(self, key_arn: str, blob: bytes, context: Mapping[str, str]) -> bytes:
        return self._take(blob, (key_arn, dict(context)))


TOKEN, KMS = TokenDouble(), KmsDouble()
SHAMIR_SLOT, SHARES = wrap_under_shares(ROOT_KEY, 2, 3)
SLOTS = (
    wrap_under_key_file(ROOT_KEY, KEY_FILE),
    wrap_under_passphrase(ROOT_KEY, PASSPHRASE, CHEAP),
    SHAMIR_SLOT,
    wrap_under_token(ROOT_KEY, "safe", "seal", TOKEN),
    wrap_under_kms(ROOT_KEY, KEY_ARN, KMS),
)
ALL = Means(
    key_file=KEY_FILE, passphrase=lambda: PASSPHRASE, shares=lambda _: SHARES[1:], tokens=TOKEN, kms=KMS
)
BY_TYPE = pytest.mark.parametrize("slot", SLOTS, ids=lambda slot: SlotType(slot.slot_type).name)


@BY_TYPE
def test_slot_opens_with_what_it_was_made_with(slot: SealSlot) -> None:
    assert open_slot(slot, SLOTS, ALL) == ROOT_KEY
    assert ROOT_KEY not in slot.parameters + slot.wrapped_root_key
    assert slot.check == root_key_id(ROOT_KEY)


@BY_TYPE
def test_slot_with_nothing_brought_is_not_tried_and_says_what_it_needs(slot: SealSlot) -> None:
    with pytest.raises(NotTried, match="--"):
        open_slot(slot, SLOTS, Means())


@pytest.mark.parametrize(
    ("number", "means", "sentence"),
    [
        (0, Means(key_file=bytes(32)), "The key file does not open"),
        (1, Means(passphrase=lambda: PASSPHRASE + b" "), "The passphrase does not open"),
        (3, Means(tokens=TokenDouble()), "The token's key does not open|a later version|no such key"),
        (4, Means(kms=KmsDouble()), "The KMS does not open"),
    ],
)
def test_slot_with_something_else_brought_says_so_in_a_sentence(
    number: int, means: Means, sentence: str
) -> None:
    with pytest.raises(SealRefused, match=f"{sentence}.*Nothing was changed"):
        open_slot(SLOTS[number], SLOTS, means)


def test_slots_of_another_root_key_do_not_pass_for_this_ones() -> None:
    """The check is authenticated: a slot cannot claim to wrap another seal's root key."""
    other = replace(SLOTS[0], check=root_key_id(bytes(32)))
    with pytest.raises(SealRefused):
        open_slot(other, SLOTS, ALL)


def test_bits_flipped_in_slots_are_never_accepted_and_never_uncaught() -> None:
    """SEAL_BIT_FLIPS scales it; Argon2id slots get their share at the least cost."""
    record = render_seal(SLOTS)
    chance = random.Random(20261126)
    accepted = 0
    sentences: set[str] = set()
    for _ in range(FLIPS):
        flipped = bytearray(record)
        bit = chance.randrange(len(record) * 8)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            slots = load_slots(bytes(flipped))
        except SealRefused as refused:
            sentences.add(str(refused))
            continue
        changed = [slot for slot in slots if slot not in SLOTS]
        assert changed or len(slots) != len(SLOTS)
        for slot in changed:
            describe_slot(slot)
            try:
                open_slot(slot, slots, ALL)
                accepted += 1
            except (SealRefused, NotTried) as refused:
                sentences.add(str(refused))
    assert accepted == 0
    vague = [
        one
        for one in sentences
        if not re.search(r"Nothing was changed|--[a-z-]+|a later version|no such key", one)
    ]
    assert vague == []


@pytest.mark.parametrize("length", range(0, len(render_seal(SLOTS)), 7))
def test_record_cut_off_anywhere_is_refused(length: int) -> None:
    with pytest.raises(SealRefused):
        load_slots(render_seal(SLOTS)[:length])


@pytest.mark.parametrize(
    "cost",
    [
        (8_191, 3, 4),
        (1_048_577, 3, 4),
        (0xFFFFFFFF, 255, 255),
        (65_536, 0, 4),
        (65_536, 11, 4),
        (65_536, 3, 9),
    ],
)
def test_passphrase_slot_that_asks_for_too_much_or_too_little_is_never_tried(
    cost: tuple[int, int, int],
) -> None:
    """Whoever may write the record must not have the seal program ask for terabytes, or hours."""
    slot = SLOTS[1]
    parameters = slot.parameters[:16] + cost[0].to_bytes(4, "big") + bytes(cost[1:])
    with pytest.raises(SlotDoesNotOpen):
        unwrap_with_passphrase(replace(slot, parameters=parameters), PASSPHRASE)


def test_passphrase_slot_is_made_with_the_cost_that_the_docs_promise() -> None:
    slot = wrap_under_passphrase(ROOT_KEY, PASSPHRASE)
    assert parse_cost(slot) == Cost(memory_kib=65_536, passes=3, lanes=4)
    assert unwrap_with_passphrase(slot, PASSPHRASE) == ROOT_KEY


@pytest.mark.parametrize("passphrase", [b"", b"short", "ääääääääääö".encode()])
def test_new_passphrase_that_is_too_short_is_refused(passphrase: bytes) -> None:
    with pytest.raises(SealRefused, match="too short"):
        wrap_under_passphrase(ROOT_KEY, passphrase, CHEAP)


def test_passphrase_that_is_too_long_is_refused() -> None:
    with pytest.raises(SealRefused, match="longer than 1024"):
        unwrap_with_passphrase(SLOTS[1], b"x" * 1025)


def test_kms_slot_binds_the_root_key_in_the_encryption_context() -> None:
    wrap_under_kms(ROOT_KEY, KEY_ARN, KMS)
    assert KMS.context == {CONTEXT_NAME: root_key_id(ROOT_KEY).hex()}


@pytest.mark.parametrize(
    "name", ["alias/seal", "1234abcd-12ab-34cd-56ef-1234567890ab", KEY_ARN + "\r\nX: y", ""]
)
def test_kms_slot_for_a_key_that_is_not_named_by_its_arn_is_refused(name: str) -> None:
    with pytest.raises(SealRefused, match="key ARN"):
        wrap_under_kms(ROOT_KEY, name, KMS)


def test_open_any_takes_the_slot_that_needs_nobody_first() -> None:
    def ask() -> bytes:
        raise AssertionError("nobody need be asked")

    assert open_any_slot(SLOTS, replace(ALL, passphrase=ask)) == (1, ROOT_KEY)


def test_open_any_with_one_means_wrong_and_another_right_opens() -> None:
    assert open_any_slot(SLOTS, Means(key_file=bytes(32), shares=lambda _: SHARES)) == (3, ROOT_KEY)


def test_open_any_with_nothing_brought_says_what_could_be() -> None:
    with pytest.raises(SealRefused, match=r"--key-file.*--passphrase.*--shares"):
        open_any_slot(SLOTS, Means())


def test_shares_of_two_slots_brought_together_open_both() -> None:
    second, more = wrap_under_shares(ROOT_KEY, 2, 2)
    slots = (SHAMIR_SLOT, second)
    means = Means(shares=lambda _: [SHARES[0], more[0], SHARES[2], more[1]])
    for slot in slots:
        assert open_slot(slot, slots, means) == ROOT_KEY


@pytest.mark.parametrize(
    ("slots", "words"),
    [
        (SLOTS[:1], ["one slot", "No slot is offline"]),
        (SLOTS[1:2], ["one slot"]),
        ((SLOTS[0], SLOTS[4]), ["No slot is offline"]),
        (SLOTS[:2], []),
    ],
)
def test_warnings_are_for_one_slot_and_for_none_offline(
    slots: tuple[SealSlot, ...], words: list[str]
) -> None:
    warnings = seal_warnings(slots)
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert word in warning


def test_slots_in_words_say_how_they_open() -> None:
    assert [describe_slot(slot) for slot in SLOTS] == [
        "key file",
        "passphrase (Argon2id, 8 MiB, 1 passes)",
        f"any 2 of 3 shares (set {SHARES[0].set_id.hex()})",
        'PKCS #11 token "safe", key "seal"',
        f"KMS key {KEY_ARN}",
    ]
    assert describe_slot(SealSlot(200, b"", bytes(16), b"")) == "of a later version (type 200)"
    assert describe_slot(SealSlot(SlotType.SHAMIR, b"", bytes(16), b"")) == "shamir, damaged"


def test_token_label_with_control_characters_is_not_shown() -> None:
    """What stands in the record goes to a terminal."""
    slot = wrap_under_token(ROOT_KEY, "sa\x1bfe", "seal", TOKEN)
    assert describe_slot(slot) == "pkcs11, damaged"


def test_record_too_long_for_a_reader_is_never_written() -> None:
    with pytest.raises(ValueError, match="16384"):
        render_seal((replace(SLOTS[4], parameters=bytes(16_384)),))


def test_record_of_all_types_is_parsed_as_it_was_rendered() -> None:
    assert parse_seal(render_seal(SLOTS)) == SLOTS
