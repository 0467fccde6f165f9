"""Changes take turns, in the order they came."""

from __future__ import annotations

import asyncio

from strongroom.operations.turns import Turns


def test_turns_are_given_in_the_order_they_were_asked_for() -> None:
    order: list[int] = []

    async def change(turns: Turns, number: int) -> None:
        await turns.take()
        try:
            await asyncio.sleep(0)
            order.append(number)
        finally:
            turns.give()

    async def several() -> None:
        turns = Turns()
        await asyncio.gather(*(change(turns, number) for number in range(50)))

    asyncio.run(several())
    assert order == list(range(50))


def test_turns_pass_over_who_has_given_up_waiting() -> None:
    async def several() -> None:
        turns = Turns()
        await turns.take()
        gives_up = asyncio.ensure_future(turns.take())
        stays = asyncio.ensure_future(turns.take())
        await asyncio.sleep(0)
        gives_up.cancel()
        await asyncio.sleep(0)
        turns.give()
        await asyncio.wait_for(stays, 5)
        turns.give()
        await asyncio.wait_for(turns.take(), 5)

    asyncio.run(several())
