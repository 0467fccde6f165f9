"""Random bytes of the operating system, drawn in advance where they are public anyway."""

from __future__ import annotations

import os
from typing import Final

_POOL_BYTES: Final = 28 * 256


class NoncePool:
    """Nonces and IVs: public values, so a stock of them in memory gives nothing away.

    Keys and results never come from a pool. Concurrency: one thread, and no fork after the first use.
    """

    __slots__ = ("_left", "_position")

    def __init__(self) -> None:
        self._left = b""
        self._position = 0

    def take(self, number_of_bytes: int) -> bytes:
        """Fresh random bytes, at most 7,168."""
        position = self._position
        end = position + number_of_bytes
        if end > len(self._left):
            self._left = os.urandom(_POOL_BYTES)
            position, end = 0, number_of_bytes
        self._position = end
        return self._left[position:end]
