"""Which addresses a proxy may have."""

from __future__ import annotations

import asyncio

import pytest

from strongroom.external_key_store.addresses import ADDRESSES_MAX, is_public, resolve

PRIVATE = [
    "127.0.0.1",
    "127.255.0.9",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:1::1",
    "2001:db8::1",
    "fe80::1",
    "fe80::1%lo",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "fec0::1",
    "::127.0.0.1",
    "::10.0.0.1",
    "64:ff9b:1::7f00:1",
    "4000::1",
    "5f00::1",
    "no address",
    "",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_address_that_is_not_public_is_known(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_address_is_known(address: str) -> None:
    assert is_public(address)


def test_resolve_gives_numbers_and_leaves_private_ones_out() -> None:
    for host in ("localhost", "127.0.0.1", "127.1"):
        assert asyncio.run(resolve(host, 443, private_allowed=False)) == []
        found = asyncio.run(resolve(host, 443, private_allowed=True))
        assert 1 <= len(found) <= ADDRESSES_MAX
        assert set(found) <= {"127.0.0.1", "::1"}
    assert asyncio.run(resolve("8.8.8.8", 443, private_allowed=False)) == ["8.8.8.8"]
