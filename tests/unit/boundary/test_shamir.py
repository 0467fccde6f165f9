"""Shamir's secret sharing: any `needed` shares give the secret, and shares are what they say."""

from __future__ import annotations

import itertools
import os

import pytest

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.shamir import join_shares, split_secret
from strongroom.boundary.seal.shamir_slot import parse_quorum, unwrap_with_shares, wrap_under_shares
from strongroom.boundary.seal.shares import Share, parse_share, render_share

ROOT_KEY = bytes(range(32))


@pytest.mark.parametrize(("needed", "shares"), [(2, 2), (2, 5), (3, 5), (5, 5), (20, 20)])
def test_join_with_every_few_shares_gives_the_secret(needed: int, shares: int) -> None:
    secret = os.urandom(32)
    made = split_secret(secret, needed, shares)
    assert sorted(made) == list(range(1, shares + 1))
    for numbers in itertools.islice(itertools.combinations(made, needed), 12):
        assert join_shares({number: made[number] for number in numbers}) == secret


def test_join_with_one_share_too_few_gives_something_else() -> None:
    secret = os.urandom(32)
    made = split_secret(secret, 3, 5)
    assert join_shares({1: made[1], 2: made[2]}) != secret


def test_one_share_less_fits_every_secret() -> None:
    """Shamir's claim itself, for one byte: with needed - 1 shares, each secret has one polynomial."""
    made = split_secret(b"\x2a", 2, 2)
    secrets = {join_shares({1: made[1], 2: bytes([guess])}) for guess in range(256)}
    assert len(secrets) == 256


def test_join_known_answer_of_aes_field() -> None:
    """f(x) = 0x53 + 0xCA x in AES's field, where 0x53 * 0xCA = 1, so f(1) and f(0x53) are easy by hand."""
    assert join_shares({1: bytes([0x53 ^ 0xCA]), 0x53: bytes([0x53 ^ 0x01])}) == b"\x53"


@pytest.mark.parametrize(("needed", "shares"), [(1, 1), (1, 3), (4, 3), (2, 21), (0, 0)])
def test_split_with_numbers_that_make_no_sense_is_refused(needed: int, shares: int) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        split_secret(b"secret", needed, shares)
    with pytest.raises(SealRefused, match="at least 2"):
        wrap_under_shares(ROOT_KEY, needed, shares)


@pytest.mark.parametrize("shares", [{}, {0: b"a"}, {1: b"a", 2: b"ab"}, {256: b"a"}])
def test_join_of_what_are_no_shares_is_refused(shares: dict[int, bytes]) -> None:
    with pytest.raises(ValueError, match="shares"):
        join_shares(shares)


def test_share_text_survives_how_people_write() -> None:
    share = Share(os.urandom(6), 7, 3, os.urandom(32))
    text = render_share(share)
    assert len(text.replace("-", "")) == 72
    assert parse_share(text) == share
    assert parse_share("  " + text.lower().replace("-", " ") + "\n") == share
    assert repr(share.value) not in repr(share)


def test_share_text_with_any_letter_changed_is_refused_without_repeating_it() -> None:
    text = render_share(Share(os.urandom(6), 1, 2, os.urandom(32)))
    for place, letter in enumerate(text):
        if letter == "-":
            continue
        changed = text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]
        with pytest.raises(SealRefused, match="not a share") as refused:
            parse_share(changed)
        assert changed[:9] not in str(refused.value)


@pytest.mark.parametrize("text", ["", "hello", "A" * 72, "A" * 300, "=" * 72, "ä" * 72, "1" * 72])
def test_text_that_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(SealRefused, match="not a share"):
        parse_share(text)


def test_slot_opens_with_enough_of_its_shares_in_any_order() -> None:
    slot, shares = wrap_under_shares(ROOT_KEY, 3, 5)
    for chosen in itertools.permutations(shares, 3):
        assert unwrap_with_shares(slot, chosen) == ROOT_KEY
    assert unwrap_with_shares(slot, shares) == ROOT_KEY


def test_slot_with_too_few_shares_says_how_many_it_needs() -> None:
    slot, shares = wrap_under_shares(ROOT_KEY, 3, 5)
    with pytest.raises(SealRefused, match=r"2 of the 3 shares .* Nothing was changed"):
        unwrap_with_shares(slot, [shares[0], shares[1], shares[0]])


def test_slot_names_the_share_of_another_seal() -> None:
    slot, shares = wrap_under_shares(ROOT_KEY, 2, 3)
    _, others = wrap_under_shares(ROOT_KEY, 2, 3)
    with pytest.raises(
        SealRefused, match=rf"Share 3 \(set {others[2].set_id.hex()}\) belongs to another seal"
    ):
        unwrap_with_shares(slot, [shares[0], others[2]])


def test_slot_names_the_share_that_was_forged_with_a_right_check() -> None:
    slot, shares = wrap_under_shares(ROOT_KEY, 2, 3)
    forged = Share(shares[1].set_id, 2, 2, os.urandom(32))
    assert parse_share(render_share(forged)) == forged
    with pytest.raises(SealRefused, match="Share 2 is not genuine"):
        unwrap_with_shares(slot, [shares[0], forged])
    renumbered = Share(shares[1].set_id, 3, 2, shares[1].value)
    with pytest.raises(SealRefused, match="Share 3 is not genuine"):
        unwrap_with_shares(slot, [shares[0], renumbered])


def test_slot_tells_its_quorum_and_holds_no_share() -> None:
    slot, shares = wrap_under_shares(ROOT_KEY, 2, 3)
    quorum = parse_quorum(slot)
    assert (quorum.needed, len(quorum.commitments)) == (2, 3)
    for share in shares:
        assert share.value not in slot.parameters + slot.wrapped_root_key
