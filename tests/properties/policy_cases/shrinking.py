"""A world that shows a difference, made as small as it can be and still show it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

from tests.properties.policy_cases.worlds import World


def _lists_in(part: Any) -> Iterator[list[Any]]:
    """Every list that can lose a member: policies, statements, grants, values, principals, actions."""
    if isinstance(part, dict):
        for one in part.values():
            yield from _lists_in(one)
    if isinstance(part, list):
        if part and (len(part) > 1 or isinstance(part[0], dict)):
            yield part
        for one in part:
            yield from _lists_in(one)


def _dicts_in(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        yield part
        for one in part.values():
            yield from _dicts_in(one)
    if isinstance(part, list):
        for one in part:
            yield from _dicts_in(one)


def _smaller(world: World) -> Iterator[World]:
    for number, found in enumerate(_lists_in(world)):
        for index in range(len(found)):
            copied = copy.deepcopy(world)
            del list(_lists_in(copied))[number][index]
            yield copied
    for number, found_dict in enumerate(_dicts_in(world)):
        removable = [name for name in found_dict if name == "Condition"]
        if found_dict is world["request"]["values"]:
            removable = list(found_dict)
        for name in removable:
            copied = copy.deepcopy(world)
            del list(_dicts_in(copied))[number][name]
            yield copied


def shrink(world: World, still_differs: Callable[[World], bool]) -> World:
    """The smallest that `still_differs` is true of, by leaving out one thing after the other."""
    changed = True
    while changed:
        changed = False
        for candidate in _smaller(world):
            if still_differs(candidate):
                world, changed = candidate, True
                break
    return world
