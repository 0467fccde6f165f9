"""One cluster, as its process sees it: a PKCS#11 token, the login to it, and keys found by their label."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from strongroom.boundary.pkcs11.binding import load_module
from strongroom.boundary.pkcs11.errors import (
    Ckr,
    HandleLost,
    InputRefused,
    KeyNotFound,
    ModuleUnusable,
    NotOffered,
    PinLocked,
    PinRefused,
    Pkcs11Error,
    ReturnedError,
    TokenNotFound,
    TokenUnsound,
    Unclear,
)
from strongroom.boundary.pkcs11.mechanisms import Values
from strongroom.boundary.pkcs11.numbers import Cka, Ckm, Cko
from strongroom.boundary.pkcs11.token import RESIDENT_SECRET, KeyHandle, Token
from strongroom.hsm.frames import RANDOM_BYTES_MAX, Status

T = TypeVar("T")

IV_BYTES: Final = 12
TAG_BYTES: Final = 16
HANDLES_MAX: Final = 4096
_NEEDED = (Ckm.AES_KEY_GEN, Ckm.AES_GCM)
_CANARY: Final = b"strongroom canary"


class ClusterRefused(Exception):
    """What cannot be done, by its status. Secrets: no text."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.name)
        self.status = status


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """Where the token is; see ClusterSettings."""

    module: str
    token_label: str
    user: str
    init_arguments: str


class Cluster:
    """Concurrency: one thread. Secrets: keeps no PIN; keys stay in the token."""

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options
        self._token: Token | None = None
        self._handles: OrderedDict[str, KeyHandle] = OrderedDict()
        self._may_resume = True

    # --- the connection

    def check(self) -> None:
        """Whether the token is there and can what is needed; nobody logs in."""
        if self._token is not None and self._is_alive():
            return
        self._close()
        options = self._options
        try:
            module = load_module(options.module, options.init_arguments)
            try:
                found = [one for one in module.tokens() if one.label == options.token_label]
                if len(found) != 1:
                    raise ClusterRefused(Status.TOKEN_NOT_FOUND)
                if not set(_NEEDED) <= module.mechanisms(found[0].slot).keys():
                    raise ClusterRefused(Status.TOKEN_UNSOUND)
            finally:
                module.finalize_unless_used()
        except Pkcs11Error as error:
            raise ClusterRefused(status_of(error)) from None

    def connect(self, pin: bytes) -> None:
        """Log in with this PIN, whatever was before."""
        self._close()
        self._may_resume = False
        options = self._options
        whole = options.user.encode("utf-8") + b":" + pin if options.user else pin
        try:
            token = Token.open(options.module, options.token_label, whole, options.init_arguments)
        except Pkcs11Error as error:
            status = status_of(error)
            # A refused PIN counts against the user: it is not tried again until somebody says so.
            self._may_resume = status not in (Status.PIN_REFUSED, Status.PIN_LOCKED, Status.USER_UNKNOWN)
            raise ClusterRefused(status) from None
        self._token = token
        self._may_resume = True
        if not set(_NEEDED) <= token.mechanisms().keys():
            self.disconnect()
            raise ClusterRefused(Status.TOKEN_UNSOUND)

    def resume(self, pin: bytes) -> None:
        """Log in, unless somebody is or must not be."""
        if self._token is not None:
            return
        if not self._may_resume:
            raise ClusterRefused(Status.PIN_REFUSED)
        self.connect(pin)

    def disconnect(self) -> None:
        """Log out, until the next `connect`."""
        self._may_resume = False
        self._close()

    def _close(self) -> None:
        token, self._token = self._token, None
        self._handles.clear()
        if token is not None:
            token.close()

    def _is_alive(self) -> bool:
        try:
            self._require_token().require_alive()
        except Pkcs11Error:
            return False
        return True

    def _require_token(self) -> Token:
        if self._token is None:
            raise ClusterRefused(Status.NOT_CONNECTED)
        return self._token

    # --- keys

    def create_key(self, key_id: str) -> None:
        """Make the key, unless it is there; one that the token does not keep to itself is destroyed."""
        self._try(lambda: self._create_key(key_id))

    def _create_key(self, key_id: str) -> None:
        token = self._require_token()
        if token.find_keys(_values_of(key_id)):
            return
        handle = token.generate_aes_key(
            key_id,
            {
                **RESIDENT_SECRET,
                Cka.ID: key_id.encode("ascii"),
                Cka.ENCRYPT: True,
                Cka.DECRYPT: True,
                Cka.WRAP: False,
                Cka.UNWRAP: False,
            },
        )
        try:
            self._require_sound(handle)
        except Pkcs11Error:
            token.destroy(handle)
            raise

    def _require_sound(self, handle: KeyHandle) -> None:
        """Raises TokenUnsound unless the key stays in the token, and AES-GCM is what it should be."""
        token = self._require_token()
        if not token.read_flag(handle, Cka.SENSITIVE) or token.read_flag(handle, Cka.EXTRACTABLE):
            raise TokenUnsound("a key is not kept as asked")
        try:
            if token.read_attribute(handle, Cka.VALUE):
                raise TokenUnsound("a key can be read")
        except ReturnedError as error:
            if error.code not in (Ckr.ATTRIBUTE_SENSITIVE, Ckr.ATTRIBUTE_TYPE_INVALID):
                raise
        iv = os.urandom(IV_BYTES)
        sealed = token.encrypt_gcm(handle, iv, _CANARY, b"")
        if len(sealed) != len(_CANARY) + TAG_BYTES or token.decrypt_gcm(handle, iv, sealed, b"") != _CANARY:
            raise TokenUnsound("a key does not decrypt what it encrypted")
        for forged, aad in ((sealed[:-1] + bytes([sealed[-1] ^ 1]), b""), (sealed, b"other")):
            try:
                token.decrypt_gcm(handle, iv, forged, aad)
            except ReturnedError:
                continue
            raise TokenUnsound("AES-GCM opens what was tampered with")

    def delete_key(self, key_id: str) -> None:
        """Destroy every key of that label."""

        def destroy() -> None:
            token = self._require_token()
            self._handles.pop(key_id, None)
            for handle in token.find_keys(_values_of(key_id)):
                token.destroy(handle)

        self._try(destroy)

    def wrap(self, key_id: str, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt: IV, ciphertext and tag. Invariant: the IV is random, so a key serves 2^32 times."""
        iv = os.urandom(IV_BYTES)
        sealed = self._try(
            lambda: self._require_token().encrypt_gcm(self._find(key_id), iv, plaintext, aad), key_id
        )
        if len(sealed) != len(plaintext) + TAG_BYTES:
            raise ClusterRefused(Status.FAILED)
        return iv + sealed

    def unwrap(self, key_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """Decrypt what `wrap` returned."""
        if len(wrapped) < IV_BYTES + TAG_BYTES:
            raise ClusterRefused(Status.CIPHERTEXT_REFUSED)
        return self._try(lambda: self._decrypt(key_id, wrapped[:IV_BYTES], wrapped[IV_BYTES:], aad), key_id)

    def _decrypt(self, key_id: str, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
        token, handle = self._require_token(), self._find(key_id)
        try:
            return token.decrypt_gcm(handle, iv, sealed, aad)
        except InputRefused:
            raise ClusterRefused(Status.CIPHERTEXT_REFUSED) from None
        except Unclear:
            # A wrong tag or a broken token: a known ciphertext tells which.
            canary_iv = os.urandom(IV_BYTES)
            known = token.encrypt_gcm(handle, canary_iv, _CANARY, b"")
            if token.decrypt_gcm(handle, canary_iv, known, b"") != _CANARY:
                raise
            raise ClusterRefused(Status.CIPHERTEXT_REFUSED) from None

    def random(self, number_of_bytes: int) -> bytes:
        """Random bytes of the token."""
        if not 1 <= number_of_bytes <= RANDOM_BYTES_MAX:
            raise ClusterRefused(Status.REFUSED)
        return self._try(lambda: self._require_token().random(number_of_bytes))

    def _find(self, key_id: str) -> KeyHandle:
        handle = self._handles.get(key_id)
        if handle is None:
            handle = self._handles[key_id] = self._require_token().find_key(key_id)
            if len(self._handles) > HANDLES_MAX:
                self._handles.popitem(last=False)
        return handle

    def _try(self, call: Callable[[], T], key_id: str = "") -> T:
        """Call; look for the key again where its handle means nothing any more; give up a dead login."""
        try:
            try:
                return call()
            except HandleLost:
                self._handles.pop(key_id, None)
                return call()
        except KeyNotFound:
            raise ClusterRefused(Status.KEY_NOT_FOUND) from None
        except (TokenUnsound, NotOffered):
            raise ClusterRefused(Status.TOKEN_UNSOUND) from None
        except Pkcs11Error:
            self._handles.pop(key_id, None)
            if self._is_alive():
                raise ClusterRefused(Status.FAILED) from None
            self._close()
            raise ClusterRefused(Status.NOT_CONNECTED) from None


def _values_of(key_id: str) -> Values:
    return {Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True, Cka.LABEL: key_id.encode("ascii")}


def status_of(error: Pkcs11Error) -> Status:
    """Why a login failed."""
    if isinstance(error, PinRefused):
        if error.code == Ckr.USER_PIN_NOT_INITIALIZED:
            return Status.USER_UNKNOWN
        return Status.PIN_LOCKED if isinstance(error, PinLocked) else Status.PIN_REFUSED
    if isinstance(error, ReturnedError) and error.code in (
        Ckr.USER_ALREADY_LOGGED_IN,
        Ckr.USER_ANOTHER_ALREADY_LOGGED_IN,
    ):
        return Status.USER_LOGGED_IN
    if isinstance(error, TokenNotFound):
        return Status.TOKEN_NOT_FOUND
    if isinstance(error, ModuleUnusable):
        return Status.MODULE_UNUSABLE
    return Status.FAILED
