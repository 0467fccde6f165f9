"""Changes of keys take turns within a worker.

A change reads a key's record, judges it, and writes it back only if nobody was faster. Left to
themselves, many callers that change one key would overtake each other until some gave up. The
database writes one change at a time anyway, so turns cost nothing; between workers the version check
of the store decides, and the loser tries again.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque

from strongroom.reply import Reply

PAUSE_SECONDS_MAX = 0.05


class Turns:
    """First come, first served. Works without an asyncio task (strongroom.reply).

    Concurrency: one event loop.
    """

    __slots__ = ("_taken", "_waiting")

    def __init__(self) -> None:
        self._taken = False
        self._waiting: deque[Reply[None]] = deque()

    async def take(self) -> None:
        """Wait for the turn; whoever takes it gives it back."""
        if not self._taken:
            self._taken = True
            return
        turn: Reply[None] = Reply(asyncio.get_running_loop())
        self._waiting.append(turn)
        await turn

    def give(self) -> None:
        """End the turn: the next one's begins in a turn of the loop's own."""
        asyncio.get_running_loop().call_soon(self._begin_next)

    def _begin_next(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():  # done already: whoever waited has been cancelled
                turn.resolve(None)
                return
        self._taken = False

    async def pause(self, tries: int) -> None:
        """A short wait of random length, longer after more tries, so that two workers do not keep step."""
        loop = asyncio.get_running_loop()
        over: Reply[None] = Reply(loop)
        loop.call_later(random.uniform(0, min(PAUSE_SECONDS_MAX, 0.001 * (tries + 1))), over.resolve, None)  # noqa: S311
        await over
