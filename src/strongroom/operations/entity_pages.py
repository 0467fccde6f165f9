"""Pages of IAM's listings: MaxItems and Marker in, IsTruncated and Marker out.

A marker is a ticket (pagination.py) that names the last item of a page; the next one begins after it,
whether it is still there or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from strongroom.aws import iam_entity_refusals
from strongroom.aws.errors import ApiError
from strongroom.operations.context import Call
from strongroom.operations.pagination import cut_page, parse_marker, render_marker

Item = TypeVar("Item")

ITEMS_DEFAULT = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """One page: `marker` is None on the last one."""

    items: Sequence[Item]
    marker: str | None

    @property
    def is_truncated(self) -> bool:
        """Whether there is more."""
        return self.marker is not None


def limit_of(max_items: int | None) -> int:
    """How many items a page holds."""
    return ITEMS_DEFAULT if max_items is None else max_items


async def read_marker(call: Call, listing: str, marker: str | None, *of: str | None) -> str | None:
    """The place where a page begins: after what was given to `make_page`. Raises ApiError ValidationError."""
    try:
        return await parse_marker(call, listing, marker, *of)
    except ApiError:
        raise iam_entity_refusals.invalid_marker() from None


async def make_page(
    call: Call,
    listing: str,
    found: Sequence[Item],
    limit: int,
    place: Callable[[Item], str],
    *of: str | None,
) -> Page[Item]:
    """What was read with one item more than the page holds. `place`: at most 150 bytes, or the marker is
    longer than the model allows."""
    items, more = cut_page(found, limit)
    marker = await render_marker(call, listing, place(items[-1]), *of) if more else None
    return Page(items, marker)


async def page_of(
    call: Call,
    listing: str,
    marker: str | None,
    max_items: int | None,
    whole: Iterable[Item],
    place: Callable[[Item], str],
    *of: str | None,
) -> Page[Item]:
    """A page of a list that is whole in memory, in ascending order of `place`."""
    after = await read_marker(call, listing, marker, *of)
    left = [item for item in whole if after is None or place(item) > after]
    return await make_page(call, listing, left, limit_of(max_items), place, *of)


async def numbered_page(
    call: Call,
    listing: str,
    marker: str | None,
    max_items: int | None,
    whole: Iterable[Item],
    *of: str | None,
) -> Page[Item]:
    """A page of a list whose items have no short names: the marker counts them."""
    numbered = list(enumerate(whole))
    page = await page_of(call, listing, marker, max_items, numbered, lambda one: f"{one[0]:09}", *of)
    return Page([item for _, item in page.items], page.marker)
