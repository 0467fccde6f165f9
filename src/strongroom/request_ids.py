"""Request and event ids: random UUIDs, made from a pool because each request needs two."""

from __future__ import annotations

import os

_POOL_IDS = 256


class RequestIds:
    """Version 4 UUIDs. Not a source of secrets: key material and nonces come from the boundary.

    Concurrency: one per process; made after the fork, so that no two processes share a pool.
    """

    __slots__ = ("_at", "_hex")

    def __init__(self) -> None:
        self._hex = ""
        self._at = 0

    def next(self) -> str:
        """A fresh id such as 6f1c0d9e-3b52-4c1a-8f0e-5d6b7a8c9d0e."""
        at = self._at
        if at >= len(self._hex):
            self._hex = os.urandom(_POOL_IDS * 16).hex()
            at = 0
        self._at = at + 32
        h = self._hex
        return (
            f"{h[at : at + 8]}-{h[at + 8 : at + 12]}-4{h[at + 13 : at + 16]}"
            f"-a{h[at + 17 : at + 20]}-{h[at + 20 : at + 32]}"
        )
