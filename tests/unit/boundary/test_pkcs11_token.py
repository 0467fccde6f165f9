"""The PKCS#11 binding against two real modules: SoftHSM 2 and NSS's softokn."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.softhsm import PIN, SOFTHSM_MODULE, TestToken, make_softhsm

from strongroom.boundary.pkcs11.errors import (
    Ckr,
    HandleLost,
    InputRefused,
    KeyNotFound,
    ModuleUnusable,
    NotOffered,
    PinRefused,
    Pkcs11Error,
    ReturnedError,
    TokenNotFound,
    Unclear,
    error_of,
    name_of,
)
from strongroom.boundary.pkcs11.mechanisms import Template, gcm, plain
from strongroom.boundary.pkcs11.numbers import Cka, Ckk, Ckm, Cko
from strongroom.boundary.pkcs11.probe import SESSION_SECRET, wrapping_mechanism
from strongroom.boundary.pkcs11.token import RESIDENT_SECRET, KeyHandle, Token

ENCRYPTS = {Cka.ENCRYPT: True, Cka.DECRYPT: True}
WRAPS = {Cka.WRAP: True, Cka.UNWRAP: True, Cka.ENCRYPT: False, Cka.DECRYPT: False}
IV = bytes(12)


@pytest.fixture(params=["softhsm", "nss_token"])
def made(request: pytest.FixtureRequest) -> TestToken:
    token: TestToken = request.getfixturevalue(request.param)
    return token


@pytest.fixture
def token(made: TestToken) -> Iterator[Token]:
    opened = made.open()
    yield opened
    opened.close()


def resident_key(token: Token, label: str = "resident") -> KeyHandle:
    return token.generate_aes_key(label, {**RESIDENT_SECRET, **ENCRYPTS})


def test_resident_key_encrypts_after_the_token_was_opened_again(made: TestToken) -> None:
    first = made.open()
    sealed = first.encrypt_gcm(resident_key(first), IV, b"text", b"aad")
    first.close()
    second = made.open()
    try:
        assert second.decrypt_gcm(second.find_key("resident"), IV, sealed, b"aad") == b"text"
    finally:
        second.close()


def test_ciphertext_with_a_bit_changed_or_other_data_is_refused(token: Token) -> None:
    key = resident_key(token)
    sealed = token.encrypt_gcm(key, IV, b"text", b"aad")
    wrong = [sealed[:-1] + bytes([sealed[-1] ^ 1]), bytes([sealed[0] ^ 1]) + sealed[1:], sealed[:8], b""]
    for one in wrong:
        with pytest.raises((InputRefused, Unclear, NotOffered)):
            token.decrypt_gcm(key, IV, one, b"aad")
    with pytest.raises((InputRefused, Unclear)):
        token.decrypt_gcm(key, IV, sealed, b"")
    assert token.decrypt_gcm(key, IV, sealed, b"aad") == b"text"


def test_value_of_a_sensitive_key_cannot_be_read(token: Token) -> None:
    key = resident_key(token)
    assert token.read_flag(key, Cka.SENSITIVE)
    assert not token.read_flag(key, Cka.EXTRACTABLE)
    with pytest.raises(NotOffered) as refused:
        token.read_attribute(key, Cka.VALUE)
    assert refused.value.code == Ckr.ATTRIBUTE_SENSITIVE
    assert token.read_number(key, Cka.KEY_TYPE) == Ckk.AES
    assert token.read_attribute(key, Cka.LABEL) == b"resident"


def test_find_key_of_no_or_two_keys_says_so(token: Token) -> None:
    with pytest.raises(KeyNotFound, match="no key with the label 'absent'"):
        token.find_key("absent")
    for _ in range(2):
        resident_key(token, "double")
    with pytest.raises(KeyNotFound, match="2 keys with the label 'double'"):
        token.find_key("double")
    assert len(token.find_keys({Cka.CLASS: Cko.SECRET_KEY, Cka.LABEL: b"double"})) == 2


def test_wrapped_key_comes_back_and_a_damaged_one_does_not(token: Token) -> None:
    wrapping_key = token.generate_aes_key("wraps", {**RESIDENT_SECRET, **WRAPS})
    mechanism = plain(wrapping_mechanism(token))
    key = token.generate_aes_key("wrapped", {**SESSION_SECRET, Cka.EXTRACTABLE: True, **ENCRYPTS})
    wrapped = token.wrap_key(wrapping_key, mechanism, key)
    template = Template({Cka.CLASS: Cko.SECRET_KEY, Cka.KEY_TYPE: Ckk.AES, **SESSION_SECRET, **ENCRYPTS})
    same = token.unwrap_key(wrapping_key, mechanism, wrapped, template)
    assert token.decrypt_gcm(same, IV, token.encrypt_gcm(key, IV, b"text", b""), b"") == b"text"
    for position in range(len(wrapped)):
        damaged = wrapped[:position] + bytes([wrapped[position] ^ 0x80]) + wrapped[position + 1 :]
        with pytest.raises((InputRefused, Unclear)):
            token.unwrap_key(wrapping_key, mechanism, damaged, template)
    token.destroy(same)
    with pytest.raises((HandleLost, NotOffered)):
        token.encrypt_gcm(same, IV, b"text", b"")


def test_mac_of_another_message_is_refused(token: Token) -> None:
    key = token.generate_key(
        Ckm.GENERIC_SECRET_KEY_GEN,
        {
            Cka.CLASS: Cko.SECRET_KEY,
            Cka.KEY_TYPE: Ckk.GENERIC_SECRET,
            Cka.VALUE_LEN: 32,
            **SESSION_SECRET,
            Cka.SIGN: True,
            Cka.VERIFY: True,
        },
    )
    mechanism = plain(Ckm.SHA256_HMAC)
    mac = token.sign(key, mechanism, b"message")
    token.verify(key, mechanism, b"message", mac)
    for message, tried in ((b"massage", mac), (b"message", bytes(32)), (b"message", mac[:-1])):
        with pytest.raises((InputRefused, Unclear)):  # NSS says CKR_DEVICE_ERROR
            token.verify(key, mechanism, message, tried)
    token.verify(key, mechanism, b"message", mac)


def test_second_thread_uses_the_same_keys(token: Token) -> None:
    key, failures = resident_key(token), []

    def encrypt(own: Token) -> None:
        try:
            for count in range(200):
                iv = count.to_bytes(12, "big")
                assert own.decrypt_gcm(key, iv, own.encrypt_gcm(key, iv, b"text", b""), b"") == b"text"
        except Exception as error:
            failures.append(error)

    other = token.another()
    threads = [threading.Thread(target=encrypt, args=(own,)) for own in (token, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    other.close()
    assert not failures


def test_random_bytes_differ(token: Token) -> None:
    assert len({token.random(16) for _ in range(50)}) == 50


def test_handle_from_before_closing_means_nothing_afterwards(softhsm: TestToken) -> None:
    first = softhsm.open()
    session_key = first.generate_aes_key("session", {**SESSION_SECRET, **ENCRYPTS})
    first.close()
    second = softhsm.open()
    try:
        with pytest.raises(ReturnedError):
            second.encrypt_gcm(session_key, IV, b"text", b"")
        with pytest.raises(ReturnedError):
            first.encrypt_gcm(session_key, IV, b"text", b"")
    finally:
        second.close()


def test_wrong_pin_is_refused_once_and_the_right_one_opens_afterwards(made: TestToken) -> None:
    started_at = time.monotonic()
    with pytest.raises(PinRefused, match="C_Login returned CKR_PIN_INCORRECT") as refused:
        made.open(b"wrong-pin-9999")
    assert time.monotonic() - started_at < 5
    assert b"wrong-pin-9999".decode() not in str(refused.value)
    made.open().close()


def test_token_that_is_open_in_this_process_is_not_opened_again_with_any_pin(softhsm: TestToken) -> None:
    """A second C_Login does not look at the PIN, so it must not count as a proof of it."""
    token = softhsm.open()
    try:
        for pin in (PIN, b"wrong-pin"):
            with pytest.raises(ReturnedError) as refused:
                softhsm.open(pin)
            assert refused.value.code == Ckr.USER_ALREADY_LOGGED_IN
        assert token.random(1)
    finally:
        token.close()


def test_label_of_no_token_or_two_is_said(softhsm: TestToken) -> None:
    with pytest.raises(TokenNotFound, match="no token with the label 'absent'"):
        Token.open(softhsm.module, "absent", PIN)
    make_softhsm(softhsm.directory.parent)
    with pytest.raises(TokenNotFound, match="2 tokens with the label 'strongroom'"):
        softhsm.open()


def test_module_that_is_none_is_refused_with_a_sentence(tmp_path: Path) -> None:
    text, writable = tmp_path / "text.so", tmp_path / "writable.so"
    text.write_text("no library")
    text.chmod(0o644)
    shutil.copy(text, writable)
    writable.chmod(0o666)
    library = next(
        line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/libm.so" in line
    )
    for path, sentence in (
        (str(text), "is not a PKCS#11 module"),
        (library, "is not a PKCS#11 module"),
        (str(tmp_path / "absent.so"), "No such file"),
        (str(tmp_path), "is not a file"),
        ("libsofthsm2.so", "absolute path"),
        (str(writable), "chmod go-w"),
    ):
        with pytest.raises(ModuleUnusable, match=sentence):
            Token.open(path, "strongroom", PIN)


def test_module_that_others_could_replace_is_never_loaded(tmp_path: Path) -> None:
    """Its code would run with all keys of this process."""
    directory = tmp_path / "modules"
    directory.mkdir()
    directory.chmod(0o777)
    module = directory / "module.so"
    module.write_text("no library")
    module.chmod(0o644)
    with pytest.raises(ModuleUnusable, match="can be replaced by others"):
        Token.open(str(module), "strongroom", PIN)
    (tmp_path / "link.so").symlink_to(module)
    with pytest.raises(ModuleUnusable, match="can be replaced by others"):
        Token.open(str(tmp_path / "link.so"), "strongroom", PIN)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away: owners were NOT tested")
def test_module_of_another_user_is_never_loaded(tmp_path: Path) -> None:
    module = tmp_path / "module.so"
    module.write_text("no library")
    module.chmod(0o644)
    os.chown(module, 65534, -1)
    with pytest.raises(ModuleUnusable, match="belongs to user 65534"):
        Token.open(str(module), "strongroom", PIN)


def test_configuration_that_is_missing_is_no_token(
    softhsm: TestToken, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOFTHSM2_CONF", str(softhsm.directory / "absent"))
    with pytest.raises(Pkcs11Error):
        softhsm.open()


def test_every_return_value_has_one_exception_that_names_it() -> None:
    for code in Ckr:
        error = error_of("C_Any", code)
        assert str(error) == f"C_Any returned CKR_{code.name}"
        assert error.code == code
    assert str(error_of("C_Any", 0x80000001)) == "C_Any returned CKR 0x80000001"
    assert name_of(0xA0) == "CKR_PIN_INCORRECT"


def test_spoilt_session_is_replaced_and_the_call_goes_through(softhsm: TestToken) -> None:
    token = softhsm.open()
    try:
        key = resident_key(token)
        token._begin("EncryptInit", key, gcm(IV, b""))  # and never ended
        assert token.encrypt_gcm(key, IV, b"text", b"")
        token._begin("DecryptInit", key, gcm(IV, b""))
        assert token.encrypt_gcm(key, IV, b"text", b"")
    finally:
        token.close()


START = """
import sys
from strongroom.boundary.pkcs11.token import Token
sys.stdin.readline()
token = Token.open(sys.argv[1], "strongroom", sys.argv[2].encode())
token.find_key("resident")
print("found", flush=True)
"""


def test_four_cold_starts_at_once_all_find_the_token(softhsm: TestToken) -> None:
    """Without turns and retries about one start in ten fails (decision 16)."""
    token = softhsm.open()
    resident_key(token)
    token.close()
    for _ in range(int(os.environ.get("COLD_START_ROUNDS", "3"))):
        started = [
            subprocess.Popen(
                [sys.executable, "-c", START, SOFTHSM_MODULE, PIN.decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        assert [process.communicate()[0] for process in started] == ["found\n"] * 4
