"""Shares given one at a time to a sealed boundary: counted, forgotten in time, and refused by name."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from dataclasses import replace

import pytest

from strongroom.boundary.seal import root_key_handing
from strongroom.boundary.seal.opening import OpenedBy, OpenSeal, Sealed
from strongroom.boundary.seal.passphrase_slot import wrap_under_passphrase
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.root_key_handing import (
    ASK,
    ATTEMPT_REFUSED,
    FORGET_SHARES,
    ask_to_open,
    tell_sealed,
)
from strongroom.boundary.seal.sealed_boundary import wait_until_opened
from strongroom.boundary.seal.shamir_slot import wrap_under_shares
from strongroom.boundary.seal.share_gathering import ShareGathering
from strongroom.boundary.seal.shares import Share, render_share_content
from strongroom.boundary.seal_format import SealSlot, render_seal

MESSAGES = int(os.environ.get("SEAL_DOOR_MESSAGES", "2000"))
ROOT_KEY = os.urandom(32)
SLOT, SHARES = wrap_under_shares(ROOT_KEY, 3, 4)
OTHER_SLOT, OTHER_SHARES = wrap_under_shares(ROOT_KEY, 2, 2)
PASSPHRASE_SLOT = wrap_under_passphrase(ROOT_KEY, b"correct horse battery staple")
SLOTS = (PASSPHRASE_SLOT, SLOT, OTHER_SLOT)


def give_share(connection: socket.socket, share: Share) -> str:
    return root_key_handing.give_share(connection, render_share_content(share))


def _forged(share: Share) -> Share:
    return replace(share, value=bytes([share.value[0] ^ 1]) + share.value[1:])


def _tampered(slot: SealSlot) -> SealSlot:
    """The shares are its own still, and it does not open."""
    return replace(slot, wrapped_root_key=slot.wrapped_root_key[:-1] + bytes([slot.wrapped_root_key[-1] ^ 1]))


def test_enough_shares_of_one_set_open_its_slot_in_any_order() -> None:
    gathering = ShareGathering(SLOTS)
    assert gathering.add(SHARES[3], 0.0) is None
    assert gathering.add(OTHER_SHARES[0], 1.0) is None  # sets are counted apart
    assert gathering.add(SHARES[0], 2.0) is None
    assert "2 of 3 shares given" in gathering.describe(3.0)
    assert "1 of 2 shares given" in gathering.describe(3.0)
    assert gathering.add(SHARES[1], 4.0) == (2, ROOT_KEY)
    assert gathering.describe(5.0) == "No share was given."


def test_share_that_is_none_or_was_given_is_refused_and_the_others_stay() -> None:
    gathering = ShareGathering(SLOTS)
    gathering.add(SHARES[0], 0.0)
    stranger = wrap_under_shares(ROOT_KEY, 3, 4)[1][1]
    for share, sentence in (
        (_forged(SHARES[1]), "Share 2 is not genuine"),
        (stranger, "belongs to another seal"),
        (replace(SHARES[1], needed=1), "is not genuine"),
        (replace(SHARES[1], number=9), "is not genuine"),
        (SHARES[0], "Share 1 was given already"),
    ):
        with pytest.raises(SealRefused, match=sentence):
            gathering.add(share, 1.0)
    assert "1 of 3 shares given" in gathering.describe(1.0)
    gathering.add(SHARES[1], 2.0)
    assert gathering.add(SHARES[2], 3.0) == (2, ROOT_KEY)


def test_shares_are_forgotten_an_hour_after_the_first_however_many_follow() -> None:
    gathering = ShareGathering(SLOTS)
    gathering.add(SHARES[0], 100.0)
    gathering.add(SHARES[1], 3600.0)
    assert gathering.seconds_left(3600.0) == 100.0
    assert gathering.add(SHARES[2], 3700.0) is None  # the first of a new hour
    assert "1 of 3 shares given" in gathering.describe(3700.0)
    assert gathering.seconds_left(3700.0) == 3600.0


def test_set_that_does_not_open_its_slot_is_forgotten_whole() -> None:
    gathering = ShareGathering((_tampered(SLOT), OTHER_SLOT))
    gathering.add(OTHER_SHARES[0], 0.0)
    gathering.add(SHARES[0], 0.0)
    gathering.add(SHARES[1], 0.0)
    with pytest.raises(SealRefused, match="All that were given are forgotten"):
        gathering.add(SHARES[2], 0.0)
    assert gathering.describe(0.0) == "No share was given."


def test_seal_without_shares_takes_none() -> None:
    with pytest.raises(SealRefused, match="No slot of this seal is opened by shares"):
        ShareGathering((PASSPHRASE_SLOT,)).add(SHARES[0], 0.0)


class _SealedBoundary:
    """What a sealed boundary does, in a thread; this is its supervisor."""

    def __init__(self, seconds_max: float = 3600.0) -> None:
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.opened: list[OpenSeal | None] = []
        sealed = Sealed("closed", render_seal(SLOTS), SLOTS)
        self.thread = threading.Thread(
            target=lambda: self.opened.append(wait_until_opened(theirs, sealed, seconds_max)), daemon=True
        )
        self.thread.start()
        assert self.control.recv(100) == b"Sclosed"

    def connect(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            socket.send_fds(self.control, [b"U"], [theirs.fileno()])
        return ours

    def result(self) -> OpenSeal | None:
        self.thread.join(10)
        return self.opened[0]


def test_sealed_boundary_opens_by_shares_of_several_connections_and_counts_what_it_refused() -> None:
    boundary = _SealedBoundary()
    assert tell_sealed(boundary.connect(), ASK) == "No share was given."
    assert "1 of 3 shares given" in give_share(boundary.connect(), SHARES[0])
    with pytest.raises(SealRefused, match="not genuine"):
        give_share(boundary.connect(), _forged(SHARES[2]))
    tell_sealed(boundary.connect(), FORGET_SHARES)
    boundary.connect().close()
    tell_sealed(boundary.connect(), ATTEMPT_REFUSED)
    with pytest.raises(SealRefused, match="not the root key"):
        ask_to_open(boundary.connect(), 1, os.urandom(32))
    for share in SHARES[:2]:
        give_share(boundary.connect(), share)
    assert "2 of 3 shares given" in tell_sealed(boundary.connect(), ASK)
    assert give_share(boundary.connect(), SHARES[3]) == ""
    opened = boundary.result()
    assert opened is not None
    assert (opened.root_key, opened.slot, opened.opened_by) == (ROOT_KEY, 2, OpenedBy.OPERATOR)
    assert opened.attempts_refused == 3


def test_sealed_boundary_forgets_shares_in_time_while_nobody_comes() -> None:
    """It wakes for that: what nobody asks for must not wait in memory until somebody does."""
    boundary = _SealedBoundary(seconds_max=0.3)
    give_share(boundary.connect(), SHARES[0])
    time.sleep(0.6)
    assert tell_sealed(boundary.connect(), ASK) == "No share was given."
    boundary.control.close()
    assert boundary.result() is None


def test_sealed_boundary_survives_whatever_is_said_to_it_and_opens_afterwards() -> None:
    boundary, generator = _SealedBoundary(), random.Random()
    for _ in range(MESSAGES):
        length = generator.choice((0, 1, 33, 34, 45, 46, 400))
        message = generator.choice(b"KASFQXZ").to_bytes() + generator.randbytes(length)
        with boundary.connect() as connection:
            connection.settimeout(10)
            with contextlib.suppress(BrokenPipeError):
                connection.sendall(message[: generator.randrange(len(message) + 1)])
                connection.shutdown(socket.SHUT_WR)
            try:
                answer = connection.recv(1000)
            except ConnectionResetError:
                answer = b""
            assert answer[:1] in (b"N", b"W", b"")
    ask_to_open(boundary.connect(), 1, ROOT_KEY, by_settings=True)
    opened = boundary.result()
    assert opened is not None
    assert (opened.root_key, opened.slot, opened.opened_by) == (ROOT_KEY, 1, OpenedBy.SETTINGS)
