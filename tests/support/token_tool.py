"""Look into a token, destroy a key or change the PIN, from its own process: WHAT MODULE LABEL PIN [MORE]."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.support.softhsm import TestToken

from strongroom.boundary.pkcs11.numbers import Cka, Cko


def main(what: str, module: str, label: str, pin: str, more: str = "") -> None:
    token = TestToken(module, label, pin.encode(), Path())
    if what == "change-pin":
        token.change_pin(more.encode())
        return
    opened = token.open()
    if what == "destroy":
        opened.destroy(opened.find_key(more))
        opened.close()
        return
    for key in opened.find_keys({Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True}):
        stays = opened.read_flag(key, Cka.SENSITIVE) and not opened.read_flag(key, Cka.EXTRACTABLE)
        label = opened.read_attribute(key, Cka.LABEL).decode()
        sys.stdout.write(f"{label} {'stays' if stays else 'LEAVES'}\n")
    opened.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
