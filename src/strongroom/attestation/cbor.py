"""The part of CBOR (RFC 8949) that attestation documents are made of, read strictly.

Integers, byte and text strings, arrays, maps, null, and a tag around the whole. No floats, no other
tags, no strings in chunks: what is not here cannot be reached by a hostile document.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Item: TypeAlias = "int | bytes | str | list[Item] | dict[int | str, Item] | None"

DEPTH_MAX: Final = 4
ITEMS_MAX: Final = 512
"""A document has about 60: four of the envelope, 32 registers, nine members, the certificates."""

_BREAK: Final = 0xFF
_NULL: Final = 0xF6


class CborRefused(ValueError):
    """The bytes are not one item of the kinds above. Never says more: nobody should debug with it."""


def parse_cbor(encoded: bytes, tag: int | None = None) -> Item:
    """The one item that `encoded` is, without the tag around it, which may be absent. Raises CborRefused."""
    reader = _Reader(encoded)
    if tag is not None and encoded[:1] == bytes((0xC0 | tag,)):
        reader.position = 1
    item = reader.read(1)
    if reader.position != len(encoded):
        raise CborRefused
    return item


def render_bytes(content: bytes) -> bytes:
    """A byte string."""
    return _render_head(2, len(content)) + content


def _render_head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes((kind << 5 | number,))
    for information, length in ((24, 1), (25, 2), (26, 4)):
        if number < 1 << (8 * length):
            return bytes((kind << 5 | information,)) + number.to_bytes(length, "big")
    raise CborRefused


class _Reader:
    __slots__ = ("_encoded", "_items", "position")

    def __init__(self, encoded: bytes) -> None:
        self._encoded = encoded
        self._items = 0
        self.position = 0

    def read(self, depth: int) -> Item:
        self._items += 1
        if depth > DEPTH_MAX or self._items > ITEMS_MAX:
            raise CborRefused
        first = self._take(1)[0]
        kind, information = first >> 5, first & 31
        if first == _NULL:
            return None
        if kind == 4:
            return self._array(information, depth)
        if kind == 5:
            return self._map(information, depth)
        return self._plain(kind, self._number(information))

    def _plain(self, kind: int, number: int) -> Item:
        """An integer or a string."""
        if kind == 0:
            return number
        if kind == 1:
            return -1 - number
        content = self._take(number)
        if kind == 2:
            return content
        if kind != 3:
            raise CborRefused
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            raise CborRefused from None

    def _take(self, length: int) -> bytes:
        end = self.position + length
        if end > len(self._encoded):
            raise CborRefused
        taken = self._encoded[self.position : end]
        self.position = end
        return taken

    def _number(self, information: int) -> int:
        if information < 24:
            return information
        if information > 27:
            raise CborRefused
        return int.from_bytes(self._take(1 << (information - 24)), "big")

    def _is_more(self, count: int | None, have: int) -> bool:
        if count is not None:
            return have < count
        if self._encoded[self.position : self.position + 1] != bytes((_BREAK,)):
            return True
        self.position += 1
        return False

    def _count(self, information: int) -> int | None:
        """None: until the break."""
        return None if information == 31 else self._number(information)

    def _array(self, information: int, depth: int) -> list[Item]:
        count = self._count(information)
        items: list[Item] = []
        while self._is_more(count, len(items)):
            items.append(self.read(depth + 1))
        return items

    def _map(self, information: int, depth: int) -> dict[int | str, Item]:
        count = self._count(information)
        members: dict[int | str, Item] = {}
        while self._is_more(count, len(members)):
            name = self.read(depth + 1)
            if not isinstance(name, int | str) or name in members:  # given twice: which one counts?
                raise CborRefused
            members[name] = self.read(depth + 1)
        return members
