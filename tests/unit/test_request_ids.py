"""Request and event ids: unique, and of the form that clients expect."""

from __future__ import annotations

import uuid

from strongroom.request_ids import RequestIds


def test_ids_are_unique_when_the_random_part_is_drawn_anew() -> None:
    ids = RequestIds()
    assert len({ids.next() for _ in range(20_000)}) == 20_000


def test_ids_have_the_form_of_a_random_uuid() -> None:
    ids = RequestIds()
    for _ in range(5000):
        text = ids.next()
        parsed = uuid.UUID(text)
        assert (str(parsed), parsed.version, parsed.variant) == (text, 4, uuid.RFC_4122)


def test_ids_of_two_processes_differ() -> None:
    first, second = RequestIds(), RequestIds()
    assert not {first.next() for _ in range(5000)} & {second.next() for _ in range(5000)}
