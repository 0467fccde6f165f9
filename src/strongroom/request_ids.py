"""Request and event ids: UUIDs, made cheaply because each request needs two."""

from __future__ import annotations

import os
from collections.abc import Iterator

_ENDINGS = tuple(f"{number:03x}" for number in range(4096))


class RequestIds:
    """UUIDs of version 4's form: 110 random bits, drawn anew every 4,096 ids, and a count of 12 bits.

    Unique, but not a secret and not unguessable: nothing may be derived from one. (A whole uuid4 costs
    2 us, as much as the AES of a request.)
    Concurrency: one per process; made after the fork, so that no two processes share a prefix.
    """

    __slots__ = ("_endings", "_prefix")

    def __init__(self) -> None:
        self._endings: Iterator[str] = iter(())
        self._prefix = ""

    def next(self) -> str:
        """A fresh id such as 6f1c0d9e-3b52-4c1a-8f0e-5d6b7a8c9d0e."""
        for ending in self._endings:
            return self._prefix + ending
        self._renew()
        return self.next()

    def _renew(self) -> None:
        random = os.urandom(14).hex()
        variant = "89ab"[int(random[15], 16) & 3]
        self._prefix = f"{random[:8]}-{random[8:12]}-4{random[12:15]}-{variant}{random[16:19]}-{random[19:]}"
        self._endings = iter(_ENDINGS)
