"""AES-GCM by structures that are made once: no message sees another, and none is left behind."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.support.softhsm import TestToken

from strongroom.boundary.pkcs11.errors import ReturnedError
from strongroom.boundary.pkcs11.gcm_calls import INPUT_BYTES_MAX, GcmCalls
from strongroom.boundary.pkcs11.numbers import Cka
from strongroom.boundary.pkcs11.probe import SESSION_SECRET
from strongroom.boundary.pkcs11.token import KeyHandle, Token

ENCRYPTS = {Cka.ENCRYPT: True, Cka.DECRYPT: True}


@pytest.fixture(params=["softhsm", "nss_token"])
def token(request: pytest.FixtureRequest) -> Iterator[Token]:
    made: TestToken = request.getfixturevalue(request.param)
    opened = made.open()
    yield opened
    opened.close()


@pytest.fixture
def key(token: Token) -> KeyHandle:
    return token.generate_aes_key("", {**SESSION_SECRET, **ENCRYPTS})


def test_messages_of_every_length_open_whatever_came_before(token: Token, key: KeyHandle) -> None:
    sealed = []
    for number in range(60):
        length = (1, 16, 4096, INPUT_BYTES_MAX - 16, INPUT_BYTES_MAX + 1, 9000)[number % 6]
        iv, aad, text = os.urandom(16), os.urandom(number * 7 % 200), os.urandom(length)
        sealed.append((iv, aad, text, token.encrypt_gcm(key, iv, text, aad)))
    for iv, aad, text, blob in sealed:
        assert token.decrypt_gcm(key, iv, blob, aad) == text
        with pytest.raises(ReturnedError):
            token.decrypt_gcm(key, iv, blob, aad + b"?")


def test_plaintext_is_not_left_in_the_output(token: Token, key: KeyHandle) -> None:
    iv, text = os.urandom(16), b"plaintext of a caller"
    sealed = token.encrypt_gcm(key, iv, text, b"")
    calls = GcmCalls(token.module, "Decrypt")
    assert calls.run(token._worker, key, iv, sealed, b"") == text
    assert not any(calls._output.raw)
    with pytest.raises(ReturnedError):
        calls.run(token._worker, key, iv, sealed[:-1] + bytes([sealed[-1] ^ 1]), b"")
    assert not any(calls._output.raw)
