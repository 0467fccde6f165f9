"""The seal's key in a PKCS #11 token: made there, used there, never seen here."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final

from strongroom.boundary.pkcs11.errors import (
    InputRefused,
    KeyNotFound,
    PinLocked,
    PinRefused,
    Pkcs11Error,
    Unclear,
)
from strongroom.boundary.pkcs11.numbers import Cka
from strongroom.boundary.pkcs11.token import RESIDENT_SECRET, KeyHandle, Token
from strongroom.boundary.seal.refusal import PinNotTaken, SealRefused
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen

_IV_BYTES: Final = 12


class ResidentKey:
    """One AES key of a token that is logged in to."""

    def __init__(self, token: Token, key: KeyHandle) -> None:
        self._token = token
        self._key = key

    def encrypt(self, plaintext: bytes, authenticated: bytes) -> bytes:
        """The IV, then what AES-GCM gives. Raises SealRefused."""
        iv = os.urandom(_IV_BYTES)
        try:
            return iv + self._token.encrypt_gcm(self._key, iv, plaintext, authenticated)
        except Pkcs11Error as error:
            raise _refused(error) from None

    def decrypt(self, ciphertext: bytes, authenticated: bytes) -> bytes:
        """Raises SealRefused, and SlotDoesNotOpen for what the key does not open."""
        iv, sealed = ciphertext[:_IV_BYTES], ciphertext[_IV_BYTES:]
        if not sealed:
            raise SlotDoesNotOpen
        try:
            return self._token.decrypt_gcm(self._key, iv, sealed, authenticated)
        except (InputRefused, Unclear):
            raise SlotDoesNotOpen from None
        except Pkcs11Error as error:
            raise _refused(error) from None

    def require_sound(self) -> None:
        """Raises SealRefused for a token that would give the key away, or takes what was tampered with."""
        if not self._token.read_flag(self._key, Cka.SENSITIVE) or self._token.read_flag(
            self._key, Cka.EXTRACTABLE
        ):
            raise SealRefused(
                "The key in the token can be taken out of it: it is no place for a seal. Nothing was changed."
            )
        sealed = bytearray(self.encrypt(bytes(32), b"probe"))
        sealed[-1] ^= 1
        try:
            self.decrypt(bytes(sealed), b"probe")
        except SlotDoesNotOpen:
            return
        raise SealRefused("The token accepts what was tampered with: it is no place for a seal.")


class ModuleKeys:
    """The tokens of one module. Tokens stay open until the program ends."""

    def __init__(self, module: str, ask_pin: Callable[[], bytes], init_arguments: str) -> None:
        self._module = module
        self._ask_pin = ask_pin
        self._init_arguments = init_arguments
        self._tokens: dict[str, Token] = {}
        self._refused_pins: dict[str, PinRefused] = {}

    def find_key(self, token_label: str, key_label: str) -> ResidentKey:
        """Raises SealRefused with a sentence: no such token, a wrong PIN, no such key."""
        try:
            token = self._open(token_label)
            return ResidentKey(token, token.find_key(key_label))
        except Pkcs11Error as error:
            raise _refused(error) from None

    def make_key(self, token_label: str, key_label: str) -> ResidentKey:
        """The key of that label, made where there is none. Raises SealRefused, for an unsound token too."""
        try:
            token = self._open(token_label)
            try:
                handle = token.find_key(key_label)
            except KeyNotFound:
                handle = token.generate_aes_key(
                    key_label, {**RESIDENT_SECRET, Cka.ENCRYPT: True, Cka.DECRYPT: True, Cka.WRAP: False}
                )
            key = ResidentKey(token, handle)
            key.require_sound()
            return key
        except Pkcs11Error as error:
            raise _refused(error) from None

    def _open(self, label: str) -> Token:
        """A PIN that was refused is not tried again, for another slot of the same token, say."""
        if label in self._refused_pins:
            raise self._refused_pins[label]
        if label not in self._tokens:
            try:
                self._tokens[label] = Token.open(self._module, label, self._ask_pin(), self._init_arguments)
            except PinRefused as refused:
                self._refused_pins[label] = refused
                raise
        return self._tokens[label]


def _refused(error: Pkcs11Error) -> SealRefused:
    if isinstance(error, PinLocked):
        return PinNotTaken(
            "The token's PIN is locked, or was never set: its officer has to set one. Nothing was changed."
        )
    if isinstance(error, PinRefused):
        return PinNotTaken(
            "The token refuses the PIN: it counts wrong ones, so be sure before you try again. Nothing"
            " was changed."
        )
    return SealRefused(f"The token cannot be used: {str(error).rstrip('.')}. Nothing was changed.")
