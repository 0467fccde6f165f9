"""A PKCS#11 token that is logged in to: the small face that the rest of the boundary uses.

    token = Token.open("/usr/lib/softhsm/libsofthsm2.so", "strongroom", pin)
    key = token.find_key("root")
    sealed = token.encrypt(key, gcm(iv, aad), plaintext)

Handles mean something to the token that gave them, until `close`: afterwards every key has to be found or
unwrapped again.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Mapping
from typing import Final, NewType

from strongroom.boundary.pkcs11.binding import Module, TokenDescription, load_module
from strongroom.boundary.pkcs11.cold_start import RETRY_PAUSES_SECONDS, TURN_SECONDS_MAX, cold_start_turn
from strongroom.boundary.pkcs11.errors import (
    Ckr,
    KeyNotFound,
    LoginUnclear,
    ModuleWouldNotStart,
    PinRefused,
    ReturnedError,
    SessionLost,
    SessionSpoilt,
    TokenLost,
    TokenNotFound,
    Unclear,
)
from strongroom.boundary.pkcs11.gcm_calls import INPUT_BYTES_MAX, GcmCalls
from strongroom.boundary.pkcs11.mechanisms import Template, Values, gcm, parse_number, plain
from strongroom.boundary.pkcs11.numbers import (
    RW_SESSION,
    SERIAL_SESSION,
    TOKEN_PIN_LOCKED,
    UNAVAILABLE,
    USER,
    Cka,
    Ckk,
    Ckm,
    Cko,
)
from strongroom.boundary.pkcs11.structures import Attribute, Mechanism, Ulong

OUTPUT_BYTES: Final = 16384

KeyHandle = NewType("KeyHandle", int)
"""What a token calls a key; it says nothing about the key."""

RESIDENT_SECRET: Final[Values] = {
    Cka.TOKEN: True,
    Cka.PRIVATE: True,
    Cka.SENSITIVE: True,
    Cka.EXTRACTABLE: False,
}
"""A key that lives in the token, shown to logged in users, and never leaves it."""


class Token:
    """One login to a token, with a session that owns what is made and one that works.

    Concurrency: one thread at a time; `another` gives a second thread its own. Secrets: holds no key; the
    PIN is not kept.
    """

    def __init__(self, module: Module, description: TokenDescription) -> None:
        """Use `open`."""
        self.module = module
        self.description = description
        self._owner = 0
        self._worker = 0
        self._is_login = False
        self._is_inside = False
        self._output = ctypes.create_string_buffer(OUTPUT_BYTES)
        self._sealing = GcmCalls(module, "Encrypt")
        self._opening = GcmCalls(module, "Decrypt")

    @classmethod
    def open(
        cls, path: str, label: str, pin: bytes, init_arguments: str = "", is_patient: bool = True
    ) -> Token:
        """Load the module at `path`, find the token of the label and log in as its user.

        Starts of several processes take turns; one that is not patient tries once. Raises ModuleUnusable,
        TokenNotFound, PinRefused, ReturnedError: CKR_USER_ALREADY_LOGGED_IN where this process has the
        token open already, for a second login would not even look at the PIN.
        """
        with cold_start_turn(path, TURN_SECONDS_MAX if is_patient else 0.0):
            for pause_seconds in RETRY_PAUSES_SECONDS if is_patient else ():
                try:
                    return cls._open_once(path, label, pin, init_arguments)
                except (ModuleWouldNotStart, TokenNotFound, TokenLost, Unclear):
                    time.sleep(pause_seconds)  # never after a PIN was given: tokens count wrong ones
            return cls._open_once(path, label, pin, init_arguments)

    @classmethod
    def _open_once(cls, path: str, label: str, pin: bytes, init_arguments: str) -> Token:
        module = load_module(path, init_arguments)
        try:
            return cls._find(module, label)._log_in(pin)
        finally:
            module.finalize_unless_used()

    @classmethod
    def _find(cls, module: Module, label: str) -> Token:
        found = [token for token in module.tokens() if token.label == label]
        if len(found) != 1:
            number = "no token" if not found else f"{len(found)} tokens"
            raise TokenNotFound(f"{module.path} has {number} with the label {label!r}.")
        return cls(module, found[0])

    def _log_in(self, pin: bytes) -> Token:
        self._owner = self._open_session(RW_SESSION)
        try:
            self._give_pin(pin)
            self._worker = self._open_session(0)
        except ReturnedError:
            self._close_session(self._owner)
            raise
        self._is_login = True
        self.module.tokens_open += 1
        return self

    def _give_pin(self, pin: bytes) -> None:
        """Whatever fails here is tried again by nobody, unless it is sure that the PIN was not looked at."""
        try:
            self.module.call("Login", self._owner, USER, pin, len(pin))
        except (PinRefused, TokenLost, SessionLost):
            raise
        except ReturnedError as error:
            if error.code == Ckr.USER_ALREADY_LOGGED_IN:
                raise
            raise LoginUnclear(error.function, error.code) from None

    def another(self) -> Token:
        """The same login for one thread more: it sees the same keys; the module does not end before it.

        Raises ReturnedError.
        """
        other = Token(self.module, self.description)
        self.module.enter()
        other._is_inside = True
        try:
            other._owner = other._open_session(RW_SESSION)
            other._worker = other._open_session(0)
        except ReturnedError:
            other.close()
            raise
        return other

    def close(self) -> None:
        """Log out and end the sessions; keys made for the session are gone. Never raises.

        With its last token the module ends, too, so that opening it again is a start from nothing.
        """
        if self._is_login:
            self._is_login = False
            self.module.tokens_open -= 1
            self._attempt("Logout", self._owner)
        self._close_session(self._worker)
        self._close_session(self._owner)
        if self._is_inside:
            self._is_inside = False
            self.module.leave()
        self.module.finalize_unless_used()

    def is_pin_locked(self) -> bool:
        """Whether the token says that its user's PIN is locked."""
        return any(
            token.flags & TOKEN_PIN_LOCKED
            for token in self.module.tokens()
            if token.slot == self.description.slot
        )

    def require_alive(self) -> None:
        """Raises ReturnedError unless token and login answer."""
        self.random(1)
        self._find_handles({Cka.CLASS: Cko.SECRET_KEY, Cka.PRIVATE: True}, 1)

    # --- keys

    def generate_aes_key(self, label: str, values: Values) -> KeyHandle:
        """A new AES-256 key; what it may be used for is in `values` (see RESIDENT_SECRET)."""
        return self.generate_key(
            Ckm.AES_KEY_GEN,
            {
                Cka.CLASS: Cko.SECRET_KEY,
                Cka.KEY_TYPE: Ckk.AES,
                Cka.VALUE_LEN: 32,
                Cka.LABEL: label.encode("utf-8"),
                **values,
            },
        )

    def generate_key(self, kind: Ckm, values: Values) -> KeyHandle:
        """A new secret key."""
        handle, template = Ulong(), Template(values)
        self.module.call(
            "GenerateKey",
            self._owner,
            ctypes.byref(plain(kind)),
            template.array,
            template.length,
            ctypes.byref(handle),
        )
        return KeyHandle(handle.value)

    def generate_key_pair(
        self, kind: Ckm, public_values: Values, private_values: Values
    ) -> tuple[KeyHandle, KeyHandle]:
        """A new key pair: (public key, private key). RSA keys take up to seconds."""
        public, private = Template(public_values), Template(private_values)
        handles = Ulong(), Ulong()
        self.module.call(
            "GenerateKeyPair",
            self._owner,
            ctypes.byref(plain(kind)),
            public.array,
            public.length,
            private.array,
            private.length,
            *(ctypes.byref(handle) for handle in handles),
        )
        return KeyHandle(handles[0].value), KeyHandle(handles[1].value)

    def create_object(self, values: Values) -> KeyHandle:
        """An object of known values: a public key, say. Secrets: never used for key material of keys."""
        handle, template = Ulong(), Template(values)
        self.module.call("CreateObject", self._owner, template.array, template.length, ctypes.byref(handle))
        return KeyHandle(handle.value)

    def find_key(self, label: str, key_class: Cko = Cko.SECRET_KEY) -> KeyHandle:
        """The one key of that label that lives in the token. Raises KeyNotFound."""
        found = self.find_keys({Cka.CLASS: key_class, Cka.TOKEN: True, Cka.LABEL: label.encode("utf-8")})
        if len(found) != 1:
            number = "no key" if not found else f"{len(found)} keys"
            raise KeyNotFound(f"The token {self.description.label!r} has {number} with the label {label!r}.")
        return found[0]

    def find_keys(self, values: Values, count_max: int = 64) -> list[KeyHandle]:
        """The objects that have all these values."""
        return [KeyHandle(handle) for handle in self._find_handles(values, count_max)]

    def _find_handles(self, values: Values, count_max: int) -> list[int]:
        template = Template(values)
        self.module.call("FindObjectsInit", self._owner, template.array, template.length)
        found: list[int] = []
        try:
            handles, count = (Ulong * 64)(), Ulong()
            while len(found) < count_max:
                wanted = min(64, count_max - len(found))
                self.module.call("FindObjects", self._owner, handles, wanted, ctypes.byref(count))
                if not count.value:
                    break
                found += handles[: count.value]
        finally:
            self._attempt("FindObjectsFinal", self._owner)
        return found

    def read_attribute(self, key: KeyHandle, kind: Cka) -> bytes:
        """An attribute's value. Raises ReturnedError: CKR_ATTRIBUTE_SENSITIVE for what must not be told."""
        attribute = Attribute(kind, None, 0)
        self.module.call("GetAttributeValue", self._owner, key, ctypes.byref(attribute), 1)
        if attribute.length in (0, UNAVAILABLE):
            return b""
        value = ctypes.create_string_buffer(attribute.length)
        attribute.value = ctypes.addressof(value)
        self.module.call("GetAttributeValue", self._owner, key, ctypes.byref(attribute), 1)
        return bytes(value.raw[: attribute.length])

    def read_flag(self, key: KeyHandle, kind: Cka) -> bool:
        """An attribute that is true or false."""
        return self.read_attribute(key, kind) not in (b"", b"\x00")

    def read_number(self, key: KeyHandle, kind: Cka) -> int:
        """An attribute that is a number. Raises ValueError."""
        return parse_number(self.read_attribute(key, kind))

    def wrap_key(self, wrapping_key: KeyHandle, mechanism: Mechanism, key: KeyHandle) -> bytes:
        """A key, encrypted under another by the token. Raises NotOffered for one that must not leave."""
        length = Ulong(OUTPUT_BYTES)
        self.module.call(
            "WrapKey",
            self._owner,
            ctypes.byref(mechanism),
            wrapping_key,
            key,
            self._output,
            ctypes.byref(length),
        )
        return self._take_output(length)

    def unwrap_key(
        self, wrapping_key: KeyHandle, mechanism: Mechanism, wrapped: bytes, template: Template
    ) -> KeyHandle:
        """A wrapped key as an object of the token. Raises InputRefused or Unclear for one that is damaged."""
        handle = Ulong()
        self.module.call(
            "UnwrapKey",
            self._owner,
            ctypes.byref(mechanism),
            wrapping_key,
            wrapped,
            len(wrapped),
            template.array,
            template.length,
            ctypes.byref(handle),
        )
        return KeyHandle(handle.value)

    def derive_key(self, key: KeyHandle, mechanism: Mechanism, values: Values) -> KeyHandle:
        """A key made from another."""
        handle, template = Ulong(), Template(values)
        self.module.call(
            "DeriveKey",
            self._owner,
            ctypes.byref(mechanism),
            key,
            template.array,
            template.length,
            ctypes.byref(handle),
        )
        return KeyHandle(handle.value)

    def destroy(self, key: KeyHandle) -> None:
        """Destroy a key: for ever, if it lives in the token."""
        self.module.call("DestroyObject", self._owner, key)

    # --- what keys do

    def encrypt(self, key: KeyHandle, mechanism: Mechanism, plaintext: bytes) -> bytes:
        """A ciphertext; of AES-GCM with its tag at the end."""
        return self._run("Encrypt", key, mechanism, plaintext)

    def decrypt(self, key: KeyHandle, mechanism: Mechanism, ciphertext: bytes) -> bytes:
        """A plaintext. Raises InputRefused, or Unclear, which modules return for a wrong tag, too."""
        return self._run("Decrypt", key, mechanism, ciphertext)

    def sign(self, key: KeyHandle, mechanism: Mechanism, data: bytes) -> bytes:
        """A signature or MAC."""
        return self._run("Sign", key, mechanism, data)

    def verify(self, key: KeyHandle, mechanism: Mechanism, data: bytes, signature: bytes) -> None:
        """Raises InputRefused for a signature or MAC that is not the data's."""
        self._begin("VerifyInit", key, mechanism)
        self.module.call("Verify", self._worker, data, len(data), signature, len(signature))

    def encrypt_gcm(self, key: KeyHandle, iv: bytes, plaintext: bytes, aad: bytes) -> bytes:
        """AES-256-GCM: the ciphertext and its tag. Two encryptions must never have the same `iv`."""
        if len(plaintext) > INPUT_BYTES_MAX:
            return self._run("Encrypt", key, gcm(iv, aad), plaintext)
        try:
            return self._sealing.run(self._worker, key, iv, plaintext, aad)
        except SessionSpoilt:
            self._renew_worker()
            return self._sealing.run(self._worker, key, iv, plaintext, aad)

    def decrypt_gcm(self, key: KeyHandle, iv: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        """Raises InputRefused or Unclear for a ciphertext that does not open."""
        if len(ciphertext) > INPUT_BYTES_MAX:
            return self._run("Decrypt", key, gcm(iv, aad), ciphertext)
        try:
            return self._opening.run(self._worker, key, iv, ciphertext, aad)
        except SessionSpoilt:
            self._renew_worker()
            return self._opening.run(self._worker, key, iv, ciphertext, aad)

    def random(self, number_of_bytes: int) -> bytes:
        """Random bytes of the token's own source."""
        output = ctypes.create_string_buffer(number_of_bytes)
        self.module.call("GenerateRandom", self._owner, output, number_of_bytes)
        return bytes(output.raw)

    def mechanisms(self) -> Mapping[int, int]:
        """The flags of each mechanism that the token lists."""
        return self.module.mechanisms(self.description.slot)

    def _run(self, function: str, key: KeyHandle, mechanism: Mechanism, data: bytes) -> bytes:
        self._begin(function + "Init", key, mechanism)
        if len(data) + 1024 > len(self._output):
            self._output = ctypes.create_string_buffer(len(data) + OUTPUT_BYTES)
        length = Ulong(len(self._output))
        self.module.call(function, self._worker, data, len(data), self._output, ctypes.byref(length))
        return self._take_output(length)

    def _begin(self, function: str, key: KeyHandle, mechanism: Mechanism) -> None:
        try:
            self.module.call(function, self._worker, ctypes.byref(mechanism), key)
        except SessionSpoilt:
            self._renew_worker()
            self.module.call(function, self._worker, ctypes.byref(mechanism), key)

    def _take_output(self, length: Ulong) -> bytes:
        taken = ctypes.string_at(self._output, length.value)
        ctypes.memset(self._output, 0, length.value)
        return taken

    # --- sessions

    def _renew_worker(self) -> None:
        """The keys belong to the owner's session, so the one that works can be replaced."""
        self._close_session(self._worker)
        self._worker = self._open_session(0)

    def _open_session(self, flags: int) -> int:
        handle = Ulong()
        self.module.call(
            "OpenSession", self.description.slot, SERIAL_SESSION | flags, None, None, ctypes.byref(handle)
        )
        return handle.value

    def _close_session(self, session: int) -> None:
        if session:
            self._attempt("CloseSession", session)

    def _attempt(self, function: str, *arguments: object) -> None:
        try:
            self.module.call(function, *arguments)
        except ReturnedError:
            return  # it is gone already
