"""IAM's pages: Marker and MaxItems, IsTruncated and Marker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from strongroom.aws import iam_refusals
from strongroom.aws.errors import ApiError
from strongroom.operations.context import Call
from strongroom.operations.pagination import cut_page, parse_marker, render_marker

Item = TypeVar("Item")

MAX_ITEMS_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page of a listing. `marker` is None on the last one."""

    items: Sequence[Item]
    marker: str | None

    @property
    def is_truncated(self) -> bool:
        """Whether there is more."""
        return self.marker is not None


async def read_page(
    call: Call,
    listing: str,
    request: Any,
    fetch: Callable[[str | None, int], Awaitable[Sequence[Item]]],
    name_of: Callable[[Item], str],
    *of: str | None,
) -> Page[Item]:
    """The page that `request` (with `marker` and `max_items`) asks for. Raises ValidationError.

    `fetch(after, limit)` gives items in the order of their names, beginning after the name `after`. `of` is
    what the listing is of: each filter, and the unique id of the entity that it is about.
    """
    try:
        after = await parse_marker(call, listing, request.marker, *of)
    except ApiError:
        raise iam_refusals.invalid_marker() from None
    limit: int = request.max_items or MAX_ITEMS_DEFAULT
    items, has_more = cut_page(await fetch(after, limit + 1), limit)
    marker = await render_marker(call, listing, name_of(items[-1]), *of) if has_more else None
    return Page(items, marker)


def from_list(
    items: Sequence[Item], name_of: Callable[[Item], str]
) -> Callable[[str | None, int], Awaitable[Sequence[Item]]]:
    """A `fetch` from items that are all known."""

    async def fetch(after: str | None, limit: int) -> Sequence[Item]:
        ordered = sorted(items, key=name_of)
        return [item for item in ordered if after is None or name_of(item) > after][:limit]

    return fetch
