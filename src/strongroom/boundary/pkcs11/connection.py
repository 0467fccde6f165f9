"""The boundary's token: opened once, and opened again when it was lost.

A token can go away under a running server: unplugged, its daemon restarted, its directory removed. Then
calls fail as unavailable, never as refused, and it is opened again at most twice a second. A PIN that was
refused is not tried again: tokens count wrong PINs, and lock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final, TypeVar

from strongroom.boundary.dispatch import DomainKeyUnknown
from strongroom.boundary.interface import BoundaryUnavailable
from strongroom.boundary.messages import PKCS11_OPEN
from strongroom.boundary.pkcs11.errors import (
    PinRefused,
    Pkcs11Error,
    ReturnedError,
)
from strongroom.boundary.pkcs11.mechanisms import plain
from strongroom.boundary.pkcs11.probe import Weakness, require_sound_token
from strongroom.boundary.pkcs11.structures import Mechanism
from strongroom.boundary.pkcs11.token import Token

REOPEN_SECONDS: Final = 0.5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TokenPlace:
    """Where the token is, and what it is opened with. Secrets: holds the PIN; its repr is not to be shown."""

    module: str
    label: str
    pin: bytes
    init_arguments: str
    accepted: Collection[Weakness]

    def __repr__(self) -> str:
        return f"<TokenPlace {self.label!r}>"

    def open(self, is_patient: bool) -> Token:
        """Raises Pkcs11Error."""
        return Token.open(self.module, self.label, self.pin, self.init_arguments, is_patient)


class TokenConnection:
    """The token while it is there. Concurrency: the loop's thread; `token.another` for other threads."""

    def __init__(
        self,
        place: TokenPlace,
        log: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        tell_pin_refused: Callable[[], None] = lambda: None,
    ) -> None:
        """`tell_pin_refused` is called when the PIN is refused, now or later. Raises Pkcs11Error."""
        self._place = place
        self._log = log
        self._clock = clock
        self._tell_pin_refused = tell_pin_refused
        self._token: Token | None = None
        try:
            self._token = place.open(is_patient=True)
        except PinRefused:
            tell_pin_refused()
            raise
        self.wrapping = require_sound_token(self._token, place.accepted)
        self.description = f"{self._token.module.describe()}, token {place.label}"
        self.opened = 1
        """Which opening this is: handles of an earlier one mean nothing."""
        self._tried_at = 0.0
        self._is_pin_refused = False
        self._said = ""

    @property
    def wrapping_mechanism(self) -> Mechanism:
        """How keys are wrapped."""
        return plain(self.wrapping)

    @property
    def token(self) -> Token:
        """Raises BoundaryUnavailable while it cannot be opened."""
        if self._token is None:
            self._reopen()
        if self._token is None:
            raise BoundaryUnavailable
        return self._token

    def current_opening(self) -> int:
        """Which opening handles must be of, the token being open. Raises BoundaryUnavailable.

        A handle of an earlier one may be another key's now: never use it.
        """
        _ = self.token
        return self.opened

    def run(self, domain_key_id: bytes, call: Callable[[Token], T]) -> T:
        """What a call with handles gives.

        Where it fails as no sound token would, the token is opened again, and DomainKeyUnknown has the client
        ask once more: all handles are new then. Raises DomainKeyUnknown, BoundaryUnavailable.
        """
        try:
            return call(self.token)
        except ReturnedError as error:
            raise self.after_failure(domain_key_id, error) from None

    def after_failure(
        self, domain_key_id: bytes, error: ReturnedError
    ) -> DomainKeyUnknown | BoundaryUnavailable:
        """Open the token again; what to raise. For a failure that is the token's, not the input's."""
        self._say(f"the PKCS#11 token failed ({error}); it is opened again")
        if self._reopen():
            return DomainKeyUnknown(domain_key_id)
        return BoundaryUnavailable()

    def _reopen(self) -> bool:
        now = self._clock()
        if self._is_pin_refused or now - self._tried_at < REOPEN_SECONDS:
            return False
        self._tried_at = now
        if self._token is not None and self._token.module.others_inside:
            # Logging out would end what they have under their hands, and the process with it.
            self._say("the PKCS#11 token is opened again when the key pairs under way are made")
            return False
        if self._token is not None:
            self._token.close()
            self._token = None
        try:
            self._token = self._place.open(is_patient=False)
        except PinRefused as error:
            self._is_pin_refused = True
            self._tell_pin_refused()
            self._say(
                f"the PKCS#11 token refuses its PIN ({error}), which is not tried again: put the right"
                " one into the PIN file and restart the server"
            )
        except Pkcs11Error as error:
            self._say(f"the PKCS#11 token cannot be opened: {error}")
        if self._token is not None:
            self.opened += 1
            self._say("the PKCS#11 token is open again")
        return self._token is not None

    def _say(self, sentence: str) -> None:
        """Once, for a token that is away is tried twice a second."""
        if sentence != self._said:
            self._said = sentence
            self._log(sentence)

    def describe(self) -> str:
        """For the status. A token that is away is tried: whoever waits for it may ask for nothing else."""
        if self._token is not None or self._reopen():
            return PKCS11_OPEN
        return "its PIN was refused" if self._is_pin_refused else "away"
