"""Making slots: each is opened again before it is kept, for a slot that does not open is worse than none."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from strongroom.boundary.seal.arrival import read_key_file
from strongroom.boundary.seal.key_file_slot import wrap_under_key_file
from strongroom.boundary.seal.kms_slot import wrap_under_kms
from strongroom.boundary.seal.means import Means, open_slot
from strongroom.boundary.seal.passphrase_slot import wrap_under_passphrase
from strongroom.boundary.seal.pkcs11_slot import KEY_LABEL, wrap_under_token
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.request import NewSlots
from strongroom.boundary.seal.secret_input import open_terminal, read_secret_file
from strongroom.boundary.seal.shamir_slot import wrap_under_shares
from strongroom.boundary.seal.shares import Share
from strongroom.boundary.seal_format import SealSlot


@dataclass(frozen=True, slots=True)
class NewSlot:
    """A slot that opens. Secrets: the shares."""

    slot: SealSlot
    shares: Sequence[Share] = ()


def make_slots(root_key: bytes, new: NewSlots, means: Means) -> list[NewSlot]:
    """The slots that were asked for. `means` reach the token and the KMS that a slot is made with.

    Raises: SealRefused.
    """
    made: list[NewSlot] = []
    if new.key_file is not None:
        key_file = read_key_file(new.key_file, may_create=True)
        slot = wrap_under_key_file(root_key, key_file)
        made.append(_proven(root_key, NewSlot(slot), Means(key_file=key_file)))
    if new.pkcs11_token is not None:
        if means.tokens is None:
            raise SealRefused("A token slot needs the token's module and PIN (--pkcs11-module, --pin-fd).")
        key = means.tokens.make_key(new.pkcs11_token, KEY_LABEL)
        slot = wrap_under_token(root_key, new.pkcs11_token, KEY_LABEL, key)
        made.append(_proven(root_key, NewSlot(slot), means))
    if new.kms_key is not None:
        if means.kms is None:
            raise SealRefused("A KMS slot needs the KMS's address (--kms-endpoint).")
        made.append(_proven(root_key, NewSlot(wrap_under_kms(root_key, new.kms_key, means.kms)), means))
    if new.passphrase:
        passphrase = _take_new_passphrase(new.passphrase_fd)
        slot = wrap_under_passphrase(root_key, passphrase)
        made.append(_proven(root_key, NewSlot(slot), Means(passphrase=lambda: passphrase)))
    if new.shares is not None:
        slot, shares = wrap_under_shares(root_key, *new.shares)
        made.append(_proven(root_key, NewSlot(slot, shares), Means(shares=lambda _: shares)))
        _proven(
            root_key, NewSlot(slot), Means(shares=lambda _: shares[-new.shares[0] :] if new.shares else ())
        )
    return made


def _proven(root_key: bytes, new: NewSlot, means: Means) -> NewSlot:
    if not hmac.compare_digest(open_slot(new.slot, (new.slot,), means), root_key):
        raise SealRefused("The new slot does not give the root key back. Nothing was changed.")
    return new


def _take_new_passphrase(fd: int | None) -> bytes:
    if fd is not None:
        return read_secret_file(fd, "new passphrase")
    terminal = open_terminal("new passphrase")
    passphrase = terminal.ask("New passphrase")
    if not hmac.compare_digest(terminal.ask("The same again"), passphrase):
        raise SealRefused("The two passphrases differ. Nothing was changed.")
    return passphrase
