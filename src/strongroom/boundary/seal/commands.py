"""What the seal program does for an operator: make a seal, look at it, prove it, change it, open it."""

from __future__ import annotations

import hmac
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from strongroom.boundary.seal.arrival import means_of
from strongroom.boundary.seal.means import NotTried, open_any_slot, open_slot
from strongroom.boundary.seal.new_slots import NewSlot, make_slots
from strongroom.boundary.seal.record_file import RecordFile
from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.request import Request
from strongroom.boundary.seal.shares import render_share
from strongroom.boundary.seal.slot_text import describe_slot, seal_warnings
from strongroom.boundary.seal.unsealing import describe_server, unseal
from strongroom.boundary.seal.wrapping import load_slots
from strongroom.boundary.seal_format import SLOTS_MAX, SealSlot, render_seal
from strongroom.boundary.software.key_wrapping import KEY_BYTES


def carry_out(request: Request) -> int:
    """Do what is asked; the exit code. Raises SealRefused."""
    return _COMMANDS[request.command](request, RecordFile(request.data_directory))


def _init(request: Request, file: RecordFile) -> int:
    file.lock()
    if file.load():
        raise SealRefused(
            f"There is a seal already ({file.path}), and the keys under it need it: use strongroom seal"
            " add-slot"
            " to open it in another way, or name another data directory. Nothing was changed."
        )
    root_key = os.urandom(KEY_BYTES)
    made = make_slots(root_key, request.new, means_of(request.brought, os.environ))
    _keep(file, [], made)
    _say(f"The seal of {request.data_directory} is made.")
    _show_slots(tuple(new.slot for new in made))
    return 0


def _status(request: Request, file: RecordFile) -> int:
    slots = _load(request, file)
    _say(f"Seal of {request.data_directory}, root key {slots[0].check.hex()}:")
    _show_slots(slots)
    _say(f"Server: {describe_server(request.data_directory)}")
    return 0


def _verify(request: Request, file: RecordFile) -> int:
    """Exit code 1 when a slot that was tried does not open, or none could be tried."""
    slots = _load(request, file)
    means = means_of(request.brought, os.environ)
    opened = refused = 0
    root_keys: list[bytes] = []
    for number, slot in enumerate(slots, 1):
        try:
            root_keys.append(open_slot(slot, slots, means))
            outcome, opened = "opens", opened + 1
        except NotTried as reason:
            outcome = f"not tried: {reason}"
        except SealRefused as reason:
            outcome, refused = f"DOES NOT OPEN: {reason}", refused + 1
        _say(f"{number:>3}  {describe_slot(slot)}: {outcome}")
    if any(not hmac.compare_digest(root_key, root_keys[0]) for root_key in root_keys):
        raise SealRefused("The slots hold different root keys: restore the seal record from a backup.")
    _say(f"{opened} of {len(slots)} slots opened, {len(slots) - opened - refused} not tried.")
    return 0 if opened and not refused else 1


def _add_slot(request: Request, file: RecordFile) -> int:
    file.lock()
    slots = _load(request, file)
    means = means_of(request.brought, os.environ)
    _, root_key = open_any_slot(slots, means)
    made = make_slots(root_key, request.new, means)
    if len(slots) + len(made) > SLOTS_MAX:
        raise SealRefused(f"A seal has at most {SLOTS_MAX} slots: remove one first. Nothing was changed.")
    _keep(file, slots, made)
    _say(f"Added to the seal of {request.data_directory}.")
    _show_slots((*slots, *(new.slot for new in made)))
    return 0


def _remove_slot(request: Request, file: RecordFile) -> int:
    """One of those that stay has to be opened: nobody locks himself out by a slip."""
    file.lock()
    slots = _load(request, file)
    number = request.slot or 0
    if not 1 <= number <= len(slots):
        raise SealRefused(
            f"There is no slot {number}: strongroom seal status numbers them. Nothing was changed."
        )
    if len(slots) == 1:
        raise SealRefused(
            "This is the last slot: without it nobody could ever open the seal. Add another one first."
            " Nothing was changed."
        )
    staying = (*slots[: number - 1], *slots[number:])
    try:
        open_any_slot(staying, means_of(request.brought, os.environ))
    except SealRefused as refused:
        raise SealRefused(f"A slot that stays must be opened first. {refused}") from None
    file.save(render_seal(staying))
    _say(
        f"Removed slot {number}, {describe_slot(slots[number - 1])}. Backups from before still open with it:"
        " whoever has both opens them."
    )
    _show_slots(staying)
    return 0


def _unseal(request: Request, file: RecordFile) -> int:
    _say(unseal(request, _load(request, file)) or "The seal is open; the server goes on.")
    return 0


_COMMANDS: Final[Mapping[str, Callable[[Request, RecordFile], int]]] = {
    "init": _init,
    "status": _status,
    "verify": _verify,
    "add-slot": _add_slot,
    "remove-slot": _remove_slot,
    "unseal": _unseal,
}


def _load(request: Request, file: RecordFile) -> tuple[SealSlot, ...]:
    record = file.load()
    if not record:
        raise SealRefused(
            f"There is no seal in {request.data_directory}: strongroom init makes one. Nothing was changed."
        )
    return load_slots(record)


def _keep(file: RecordFile, slots: Sequence[SealSlot], made: Sequence[NewSlot]) -> None:
    """Shares are shown before the record is written: nobody is left with a slot whose shares he never saw."""
    try:
        record = render_seal((*slots, *(new.slot for new in made)))
    except ValueError as error:
        raise SealRefused(f"The seal record cannot be written: {error}. Nothing was changed.") from None
    for new in made:
        if not new.shares:
            continue
        needed, count = new.shares[0].needed, len(new.shares)
        _say(
            f"The {count} shares, shown this once. Any {needed} open the seal; give each to somebody else:\n"
        )
        for share in new.shares:
            _say(f"  Share {share.number} of {count}:  {render_share(share)}")
        _say("")
    file.save(record)


def _show_slots(slots: Sequence[SealSlot]) -> None:
    for number, slot in enumerate(slots, 1):
        _say(f"{number:>3}  {describe_slot(slot)}")
    for warning in seal_warnings(slots):
        _say(f"Warning: {warning}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
