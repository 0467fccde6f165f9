"""One cluster, as its process sees it: a PKCS#11 token, the login to it, and keys found by their label."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from strongroom.boundary.pkcs11.binding import load_module
from strongroom.boundary.pkcs11.cold_start import cold_start_turn
from strongroom.boundary.pkcs11.errors import (
    Ckr,
    HandleLost,
    InputRefused,
    KeyNotFound,
    LoginUnclear,
    ModuleUnusable,
    NotOffered,
    PinLocked,
    PinRefused,
    Pkcs11Error,
    ReturnedError,
    SessionLost,
    TokenLost,
    TokenNotFound,
    TokenUnsound,
    Unclear,
)
from strongroom.boundary.pkcs11.mechanisms import Values
from strongroom.boundary.pkcs11.numbers import Cka, Ckm, Cko
from strongroom.boundary.pkcs11.probe import SESSION_SECRET
from strongroom.boundary.pkcs11.token import RESIDENT_SECRET, KeyHandle, Token
from strongroom.hsm.frames import CREDENTIALS_REFUSED, RANDOM_BYTES_MAX, Status
from strongroom.hsm.login import Login, LoginEnded

T = TypeVar("T")

IV_BYTES: Final = 12
TAG_BYTES: Final = 16
_NEEDED = (Ckm.AES_KEY_GEN, Ckm.AES_GCM)
_ENCRYPTS_ONLY: Final[Values] = {Cka.ENCRYPT: True, Cka.DECRYPT: True, Cka.WRAP: False, Cka.UNWRAP: False}
_CANARY: Final = b"strongroom canary"
_LOST: Final = (SessionLost, TokenLost)
"""What ends a login, whatever else still answers: one lost session may be the only one."""
_STATUS_OF_CODE: Final[Mapping[int, Status]] = {
    Ckr.USER_ALREADY_LOGGED_IN: Status.USER_LOGGED_IN,
    Ckr.USER_ANOTHER_ALREADY_LOGGED_IN: Status.USER_LOGGED_IN,
    Ckr.USER_PIN_NOT_INITIALIZED: Status.USER_UNKNOWN,
}
_STATUS_OF_KIND: Final = (  # the first that fits
    (LoginUnclear, Status.LOGIN_UNCLEAR),
    (PinLocked, Status.PIN_LOCKED),
    (PinRefused, Status.PIN_REFUSED),
    (TokenNotFound, Status.TOKEN_NOT_FOUND),
    (ModuleUnusable, Status.MODULE_UNUSABLE),
)
UNCLEAR_SECONDS: Final = 5.0
UNCLEAR_SECONDS_MAX: Final = 300.0


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
    threads: int
    """How many calls of the module may be under way at once."""


class Cluster:
    """The token, and who is logged in.

    Concurrency: any thread; logins and logouts take turns. Secrets: keeps no PIN; keys stay in the token.
    """

    def __init__(
        self,
        options: ClusterOptions,
        clock: Callable[[], float] = time.monotonic,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._options = options
        self._log = log
        self._clock = clock
        self._login: Login | None = None
        self._turn = threading.Lock()
        """Of whoever changes the login; nobody waits for it while a call of his holds sessions."""
        self._unclear_pause_seconds = 0.0
        self._resumes_at = 0.0
        """After a login of which nobody knows whether it was counted, the next waits, each time longer."""
        self._barred: Status | None = None
        """Why nobody logs in but by `connect`: the PIN was refused, or somebody disconnected."""

    # --- the connection

    def check(self) -> None:
        """Whether the token is there and can what is needed; nobody logs in."""
        login = self._login
        if login is not None and _is_alive(login):
            return
        with self._turn:
            if self._login is not login:
                return  # somebody has just logged in, or out: the token is there
            self._close()
            try:
                self._look()
            except Pkcs11Error as error:
                raise ClusterRefused(status_of(error)) from None

    def _look(self) -> None:
        options = self._options
        with cold_start_turn(options.module):
            module = load_module(options.module, options.init_arguments)
            try:
                found = [one for one in module.tokens() if one.label == options.token_label]
                if len(found) != 1:
                    raise ClusterRefused(Status.TOKEN_NOT_FOUND)
                if not set(_NEEDED) <= module.mechanisms(found[0].slot).keys():
                    raise ClusterRefused(Status.TOKEN_UNSOUND)
            finally:
                module.finalize_unless_used()

    def connect(self, pin: bytes) -> None:
        """Log in with this PIN, whatever was before, and try the token with a key of its session."""
        with self._turn:
            self._connect(pin, _try_token)

    def _connect(self, pin: bytes, require_sound: Callable[[Token], None] = lambda _: None) -> None:
        self._close()
        self._barred = Status.FAILED
        options = self._options
        whole = options.user.encode("utf-8") + b":" + pin if options.user else pin
        try:
            token = Token.open(options.module, options.token_label, whole, options.init_arguments)
        except Pkcs11Error as error:
            status = status_of(error)
            # INVARIANT H2: a refused PIN counts against the user. Not again until somebody says so.
            self._barred = status if status in CREDENTIALS_REFUSED else None
            if status is Status.LOGIN_UNCLEAR:
                pause = min(UNCLEAR_SECONDS_MAX, max(UNCLEAR_SECONDS, 2 * self._unclear_pause_seconds))
                self._unclear_pause_seconds = pause
                self._resumes_at = self._clock() + pause
            raise ClusterRefused(status) from None
        try:
            if not set(_NEEDED) <= token.mechanisms().keys():
                raise TokenUnsound("it has not AES_KEY_GEN and AES_GCM")
            require_sound(token)
        except Pkcs11Error as error:
            token.close()
            self._barred = None
            if isinstance(error, TokenUnsound):
                self._barred = Status.TOKEN_UNSOUND
                self._log(f"the token is not safe to use: {error}")
            raise ClusterRefused(self._barred or status_of(error)) from None
        self._barred = None
        self._unclear_pause_seconds = 0.0
        self._login = Login(token, options.threads)

    def resume(self, pin: bytes) -> None:
        """Log in, unless somebody is or must not be."""
        if self._login is not None:
            return
        with self._turn:
            if self._login is not None:
                return
            if self._barred is not None:
                raise ClusterRefused(self._barred)
            if self._unclear_pause_seconds and self._clock() < self._resumes_at:
                raise ClusterRefused(Status.LOGIN_UNCLEAR)
            self._connect(pin)

    def disconnect(self) -> None:
        """Log out, until the next `connect`."""
        with self._turn:
            self._barred = Status.NOT_CONNECTED
            self._close()

    def _close(self) -> None:
        login, self._login = self._login, None
        if login is not None:
            login.end()

    def _give_up(self, login: Login) -> None:
        """End a login that is dead. Whoever has the turn ends or replaces it himself."""
        if self._turn.acquire(blocking=False):
            try:
                if self._login is login:
                    self._close()
            finally:
                self._turn.release()

    # --- keys

    def create_key(self, key_id: str) -> None:
        """Make the key, unless it is there; one that the token does not keep to itself is destroyed."""
        self._run(lambda _, token: _create_key(token, key_id))

    def delete_key(self, key_id: str) -> None:
        """Destroy every key of that label."""

        def destroy(login: Login, token: Token) -> None:
            login.forget(key_id)
            for handle in token.find_keys(_values_of(key_id)):
                token.destroy(handle)

        self._run(destroy)

    def wrap(self, key_id: str, plaintext: bytes, aad: bytes) -> bytes:
        """Encrypt: IV, ciphertext and tag. Invariant: the IV is random, so a key serves 2^32 times."""
        iv = os.urandom(IV_BYTES)
        sealed = self._run(
            lambda login, token: token.encrypt_gcm(login.find(token, key_id), iv, plaintext, aad), key_id
        )
        if len(sealed) != len(plaintext) + TAG_BYTES:
            raise ClusterRefused(Status.FAILED)
        return iv + sealed

    def unwrap(self, key_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """Decrypt what `wrap` returned."""
        if len(wrapped) < IV_BYTES + TAG_BYTES:
            raise ClusterRefused(Status.CIPHERTEXT_REFUSED)
        iv, sealed = wrapped[:IV_BYTES], wrapped[IV_BYTES:]
        return self._run(
            lambda login, token: _decrypt(token, login.find(token, key_id), iv, sealed, aad), key_id
        )

    def random(self, number_of_bytes: int) -> bytes:
        """Random bytes of the token."""
        if not 1 <= number_of_bytes <= RANDOM_BYTES_MAX:
            raise ClusterRefused(Status.REFUSED)
        return self._run(lambda _, token: token.random(number_of_bytes))

    def _run(self, call: Callable[[Login, Token], T], key_id: str = "") -> T:
        """Call; look for the key again where its handle means nothing any more; give up a dead login."""
        login = self._login
        if login is None:
            raise ClusterRefused(Status.NOT_CONNECTED)
        try:
            with login.borrow() as token:
                try:
                    return call(login, token)
                except HandleLost:
                    login.forget(key_id)
                    return call(login, token)
        except LoginEnded:
            raise ClusterRefused(Status.NOT_CONNECTED) from None
        except (TokenUnsound, NotOffered):
            raise ClusterRefused(Status.TOKEN_UNSOUND) from None
        except Pkcs11Error as error:
            login.forget(key_id)
            if not isinstance(error, _LOST) and _is_alive(login):
                is_missing = isinstance(error, KeyNotFound)
                raise ClusterRefused(Status.KEY_NOT_FOUND if is_missing else Status.FAILED) from None
            self._give_up(login)
            raise ClusterRefused(Status.NOT_CONNECTED) from None


def _try_token(token: Token) -> None:
    """Raises TokenUnsound. What could not be tried is tried with each key when that is made."""
    with contextlib.suppress(ReturnedError):
        handle = token.generate_aes_key("strongroom probe", {**SESSION_SECRET, **_ENCRYPTS_ONLY})
        try:
            _require_sound(token, handle)
        finally:
            token.destroy(handle)


def _create_key(token: Token, key_id: str) -> None:
    if token.find_keys(_values_of(key_id)):
        return
    values = {**RESIDENT_SECRET, Cka.ID: key_id.encode("ascii"), **_ENCRYPTS_ONLY}
    handle = token.generate_aes_key(key_id, values)
    try:
        _require_sound(token, handle)
    except Pkcs11Error:
        token.destroy(handle)
        raise


def _require_sound(token: Token, handle: KeyHandle) -> None:
    """Raises TokenUnsound unless the key stays in the token, and AES-GCM is what it should be."""
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


def _decrypt(token: Token, handle: KeyHandle, iv: bytes, sealed: bytes, aad: bytes) -> bytes:
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


def _is_alive(login: Login) -> bool:
    try:
        with login.borrow() as token:
            login.require_alive(token)
    except (LoginEnded, Pkcs11Error):
        return False
    return True


def _values_of(key_id: str) -> Values:
    return {Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True, Cka.LABEL: key_id.encode("ascii")}


def status_of(error: Pkcs11Error) -> Status:
    """Why a login failed."""
    if isinstance(error, ReturnedError) and error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    return next((status for kind, status in _STATUS_OF_KIND if isinstance(error, kind)), Status.FAILED)
