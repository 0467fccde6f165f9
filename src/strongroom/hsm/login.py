"""One login to a token, with sessions for as many calls at once as its process has threads."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Final

from strongroom.boundary.pkcs11.errors import Ckr, ReturnedError, SessionLost
from strongroom.boundary.pkcs11.mechanisms import Values
from strongroom.boundary.pkcs11.numbers import Cka, Cko
from strongroom.boundary.pkcs11.token import KeyHandle, Token

HANDLES_MAX: Final = 4096
_NO_MORE_SESSIONS: Final = (Ckr.SESSION_COUNT, Ckr.TOKEN_RESOURCE_EXCEEDED, Ckr.DEVICE_MEMORY)
_ANY_KEY: Final[Values] = {Cka.CLASS: Cko.SECRET_KEY, Cka.TOKEN: True}


class LoginEnded(Exception):
    """Somebody has logged out meanwhile."""


class Login:
    """A login, shared by threads: each call borrows sessions of its own.

    Concurrency: any thread. Handles of keys mean the same in all sessions of a login.
    """

    def __init__(self, token: Token, sessions_max: int) -> None:
        """Owns the token."""
        self._token = token
        self._sessions_max = sessions_max
        self._idle = [token]
        self._others: list[Token] = []
        self._opened = 1
        self._borrowed = 0
        self._has_ended = False
        self._changed = threading.Condition()
        self._has_found_keys = False
        self._handles: OrderedDict[str, KeyHandle] = OrderedDict()

    @contextlib.contextmanager
    def borrow(self) -> Iterator[Token]:
        """Sessions that no other thread uses meanwhile. Raises LoginEnded, Pkcs11Error."""
        token = self._take()
        try:
            yield token
        finally:
            with self._changed:
                self._idle.append(token)
                self._borrowed -= 1
                self._changed.notify_all() if self._has_ended else self._changed.notify()

    def _take(self) -> Token:
        with self._changed:
            while not self._has_ended:
                if self._idle:
                    self._borrowed += 1
                    return self._idle.pop()
                if self._opened < self._sessions_max:
                    self._opened += 1
                    self._borrowed += 1  # so that nobody logs out meanwhile
                    break
                self._changed.wait()
            else:
                raise LoginEnded
        return self._open()

    def _open(self) -> Token:
        try:
            token = self._token.another()
        except BaseException as error:
            with self._changed:
                self._borrowed -= 1
                self._opened -= 1
                is_full = isinstance(error, ReturnedError) and error.code in _NO_MORE_SESSIONS
                if is_full:
                    self._sessions_max = self._opened  # the token bears no more than these
                self._changed.notify_all()
            if is_full:
                return self._take()
            raise
        with self._changed:
            self._others.append(token)
        return token

    def end(self) -> None:
        """Log out when the calls under way have returned. Never raises."""
        with self._changed:
            self._has_ended = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._borrowed)
        for token in (*self._others, self._token):
            token.close()

    # --- keys

    def find(self, token: Token, key_id: str) -> KeyHandle:
        """The handle of a key, from memory if it was found before. Raises KeyNotFound, ReturnedError."""
        handle = self._handles.get(key_id)
        if handle is None:
            handle = self._handles[key_id] = token.find_key(key_id)
            self._has_found_keys = True
            if len(self._handles) > HANDLES_MAX:
                self._handles.popitem(last=False)
        return handle

    def require_alive(self, token: Token) -> None:
        """Raises Pkcs11Error unless the token answers, and still has keys if it ever had.

        A token whose files or partition went away under its module can look like one without keys, and stay
        so until the module starts anew (SoftHSM).
        """
        token.require_alive()
        if self._has_found_keys and not token.find_keys(_ANY_KEY, 1):
            raise SessionLost("C_FindObjects", Ckr.USER_NOT_LOGGED_IN)

    def forget(self, key_id: str) -> None:
        """Look for the key again when it is used next."""
        self._handles.pop(key_id, None)
