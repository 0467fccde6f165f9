"""Request and event ids: UUIDs, made cheaply because each request needs two."""

from __future__ import annotations

import os

_IDS_PER_PREFIX = 4096


class RequestIds:
    """UUIDs of version 4's form: 74 random bits, drawn anew every 4,096 ids, and a 48-bit count.

    Unique, but not a secret and not unguessable: nothing may be derived from one. (A whole uuid4 costs
    2 us, as much as the AES of a request.)
    Concurrency: one per process; made after the fork, so that no two processes share a prefix.
    """

    __slots__ = ("_count", "_prefix", "_until")

    def __init__(self) -> None:
        self._count = 0
        self._until = 0
        self._prefix = ""

    def next(self) -> str:
        """A fresh id such as 6f1c0d9e-3b52-4c1a-8f0e-5d6b7a8c9d0e."""
        if self._count == self._until:
            self._renew()
        self._count += 1
        return f"{self._prefix}{self._count:012x}"

    def _renew(self) -> None:
        random = os.urandom(16).hex()
        variant = "89ab"[int(random[15], 16) & 3]
        self._prefix = f"{random[:8]}-{random[8:12]}-4{random[12:15]}-{variant}{random[16:19]}-"
        # Any 47-bit start: the count stays within twelve digits.
        self._count = int(random[20:31], 16) << 3
        self._until = self._count + _IDS_PER_PREFIX
