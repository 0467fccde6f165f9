"""A password on its way from the boundary to the process of an HSM cluster."""

from __future__ import annotations

import pytest

from strongroom.boundary.secret_transport import (
    HANDED_BYTES,
    ReceivedTransportKey,
    TransportKeys,
    TransportKeyUnknown,
)

CLUSTER, STORE, SECRET = "cluster-2a23b4cdefg", "cks-1", b"the password"


def joined() -> tuple[TransportKeys, ReceivedTransportKey]:
    keys, received = TransportKeys(), ReceivedTransportKey(CLUSTER)
    received.take(keys.make(CLUSTER))
    return keys, received


def test_sealed_password_opens_for_its_cluster_and_store_alone() -> None:
    keys, received = joined()
    sealed = keys.seal(CLUSTER, STORE, SECRET)
    assert SECRET not in sealed
    assert received.open_sealed(STORE, sealed) == SECRET
    with pytest.raises(TransportKeyUnknown):
        received.open_sealed("cks-2", sealed)
    other = ReceivedTransportKey("cluster-3a23b4cdefg")
    other.take(keys.make(CLUSTER))
    with pytest.raises(TransportKeyUnknown):
        other.open_sealed(STORE, keys.seal(CLUSTER, STORE, SECRET))


def test_every_bit_of_a_sealed_password_counts() -> None:
    keys, received = joined()
    sealed = keys.seal(CLUSTER, STORE, SECRET)
    for position in range(len(sealed) * 8):
        forged = bytearray(sealed)
        forged[position // 8] ^= 1 << position % 8
        with pytest.raises(TransportKeyUnknown):
            received.open_sealed(STORE, bytes(forged))
    for length in range(len(sealed)):
        with pytest.raises(TransportKeyUnknown):
            received.open_sealed(STORE, sealed[:length])


def test_password_sealed_before_a_new_transport_key_is_refused_after_it() -> None:
    keys, received = joined()
    sealed = keys.seal(CLUSTER, STORE, SECRET)
    received.take(keys.make(CLUSTER))
    with pytest.raises(TransportKeyUnknown):
        received.open_sealed(STORE, sealed)
    with pytest.raises(TransportKeyUnknown):
        keys.seal("cluster-9a23b4cdefg", STORE, SECRET)
    with pytest.raises(ValueError, match="transport key"):
        received.take(bytes(HANDED_BYTES - 1))
