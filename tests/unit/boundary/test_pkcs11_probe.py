"""The probe: good tokens pass it, and a token that does not keep its word is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.softhsm import TestToken
from tests.support.system_packages import give_up, require_package

from strongroom.boundary.pkcs11.errors import TokenUnsound
from strongroom.boundary.pkcs11.numbers import Cka, Ckm, Cko
from strongroom.boundary.pkcs11.probe import Weakness, require_sound_token

ROOT = Path(__file__).resolve().parents[3]
BAD_MODULE = "/usr/lib/x86_64-linux-gnu/opencryptoki/libopencryptoki.so.0"


def test_probe_of_softhsm_passes_and_leaves_nothing_behind(softhsm: TestToken) -> None:
    token = softhsm.open()
    try:
        assert require_sound_token(token) is Ckm.AES_KEY_WRAP_PAD
        assert not token.find_keys({Cka.CLASS: Cko.SECRET_KEY})
    finally:
        token.close()


def test_probe_of_nss_refuses_that_it_wraps_what_must_not_leave_unless_accepted(nss_token: TestToken) -> None:
    token = nss_token.open()
    try:
        with pytest.raises(TokenUnsound, match=r"not safe to use: [^;]*\(wraps-unextractable\)\.$"):
            require_sound_token(token)
        accepted = [Weakness.WRAPS_UNEXTRACTABLE]
        assert require_sound_token(token, accepted) is Ckm.AES_KEY_WRAP_KWP
    finally:
        token.close()


def test_probe_of_opencryptoki_names_all_that_it_does_not_keep() -> None:
    """In namespaces of its own: this module keeps one state for a whole host."""
    require_package("opencryptoki", BAD_MODULE)
    if os.geteuid() != 0 or subprocess.run(["unshare", "--mount", "true"], check=False).returncode:
        give_up("mounting in a namespace of one's own is not allowed here")
    done = subprocess.run(
        [
            *("unshare", "--mount", "--ipc", "--pid", "--fork", "--kill-child", "--mount-proc", "bash"),
            *(str(ROOT / "tests/support/opencryptoki.sh"), sys.executable, BAD_MODULE),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert "is not safe to use" in done.stdout
    for fault in (
        "the unwrapped key is not kept as asked: SENSITIVE or EXTRACTABLE is ignored",
        "the unwrapped key's value can be read",
        "wraps-unextractable",
        "a wrapped key that was tampered with is unwrapped",
    ):
        assert fault in done.stdout
