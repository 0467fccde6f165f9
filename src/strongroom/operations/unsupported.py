"""What this server, or the token that holds its keys, does not do: said by name."""

from __future__ import annotations

from strongroom.aws import refusals
from strongroom.aws.errors import ApiError
from strongroom.boundary.interface import BoundaryRefused, NotInToken
from strongroom.operations.context import Call


def not_done(what: str, refused: BoundaryRefused) -> ApiError:
    """The answer where the boundary refused what AWS does: UnsupportedOperationException."""
    if isinstance(refused, NotInToken):
        return refusals.not_in_token(what, str(refused))
    return refusals.not_built(what)


async def require_movable_keys(call: Call, what: str) -> None:
    """Before a key is made that only makes sense if material can enter or leave. Raises ApiError."""
    try:
        await call.rooms.boundary.require_movable_keys()
    except BoundaryRefused as refused:
        raise not_done(what, refused) from None
