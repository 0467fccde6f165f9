"""Run by opencryptoki.sh: makes a token with openCryptoki, and prints what the probe says of it."""

from __future__ import annotations

import sys

from tests.support.softhsm import open_session

from strongroom.boundary.pkcs11.binding import load_module
from strongroom.boundary.pkcs11.errors import TokenUnsound
from strongroom.boundary.pkcs11.probe import require_sound_token
from strongroom.boundary.pkcs11.token import Token

FIRST_OFFICER_PIN, OFFICER_PIN, FIRST_PIN, PIN = b"87654321", b"11112222", b"12345678", b"22221111"


def make_token(path: str) -> None:
    """A token with the label "bad"; both its PINs must be changed once before it can be used."""
    module = load_module(path)
    slot = module.tokens()[0].slot
    module.call("InitToken", slot, FIRST_OFFICER_PIN, 8, b"bad".ljust(32))
    for user, first_pin, pin in ((0, FIRST_OFFICER_PIN, OFFICER_PIN), (1, FIRST_PIN, PIN)):
        session = open_session(module, slot)
        module.call("Login", session, user, first_pin, 8)
        module.call("SetPIN", session, first_pin, 8, pin, 8)
        if user == 0:
            module.call("InitPIN", session, FIRST_PIN, 8)
        module.call("Logout", session)
        module.call("CloseSession", session)
    module.finalize_unless_used()


if __name__ == "__main__":
    make_token(sys.argv[1])
    try:
        require_sound_token(Token.open(sys.argv[1], "bad", PIN))
    except TokenUnsound as unsound:
        sys.stdout.write(str(unsound))
