"""What every store must do with custom key stores, whatever database it stands on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.new_database import new_database
from tests.support.store_records import (
    ACCOUNT,
    CREATED_AT,
    OTHER_ACCOUNT,
    OTHER_REGION,
    REGION,
    FixedClock,
    new_key,
)

from strongroom.aws.generated.enums import (
    ConnectionErrorCodeType,
    ConnectionStateType,
    CustomKeyStoreType,
    XksProxyConnectivityType,
)
from strongroom.resources.custom_key_store import CustomKeyStore
from strongroom.store.interface import AlreadyExists, ConcurrentChange, LimitReached, StillInUse, Store
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words

OpenStore = Callable[[], Store]
NOW = datetime(2025, 6, 1, tzinfo=UTC)
run = asyncio.run


@pytest.fixture
def open_same(tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same database once more, as another worker of the same server."""
    stamps = Stamps(new_stamp_words())
    with ExitStack() as opened:

        def open_one() -> Store:
            store = open_store(
                new_database(tmp_path / "data" / "strongroom.db"), stamps, FixedClock(NOW), ballast_bytes=0
            )
            opened.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def store(open_same: OpenStore) -> Store:
    return open_same()


def custom_key_store(number: int = 1, **members: object) -> CustomKeyStore:
    record = CustomKeyStore(
        account_id=ACCOUNT,
        region=REGION,
        custom_key_store_id=f"cks-{number:017x}",
        name=f"store {number}",
        type=CustomKeyStoreType.AWS_CLOUDHSM,
        connection_state=ConnectionStateType.DISCONNECTED,
        connection_error_code=None,
        created_at=CREATED_AT,
        version=1,
    )
    return replace(record, **members)  # type: ignore[arg-type]


def nothing(others: Sequence[CustomKeyStore]) -> None:
    """A check that refuses nothing."""


def find(store: Store, record: CustomKeyStore) -> CustomKeyStore | None:
    return run(store.find_custom_key_store(record.account_id, record.region, record.custom_key_store_id))


FULL = custom_key_store(
    7,
    type=CustomKeyStoreType.EXTERNAL_KEY_STORE,
    connection_state=ConnectionStateType.FAILED,
    connection_error_code=ConnectionErrorCodeType.XKS_PROXY_TIMED_OUT,
    cloud_hsm_cluster_id="cluster-1a23b4cdefg",
    trust_anchor_certificate="certificate",
    key_store_password_token=b"\x01\x00password token",
    xks_proxy_connectivity=XksProxyConnectivityType.VPC_ENDPOINT_SERVICE,
    xks_proxy_uri_endpoint="https://proxy.example.com",
    xks_proxy_uri_path="/kms/xks/v1",
    xks_proxy_vpc_endpoint_service_name="com.amazonaws.vpce.us-east-1.vpce-svc-1",
    xks_proxy_vpc_endpoint_service_owner="111122223333",
    xks_proxy_access_key_id="ABCDE12345670EXAMPLE",
    xks_proxy_secret_token=b"\x01\x00secret token",
)


@pytest.mark.parametrize("record", [custom_key_store(), FULL], ids=["bare", "full"])
def test_inserted_custom_key_store_is_found_as_it_was(open_same: OpenStore, record: CustomKeyStore) -> None:
    run(open_same().insert_custom_key_store(record, nothing))
    assert find(open_same(), record) == record
    assert find(open_same(), replace(record, region=OTHER_REGION)) is None
    assert find(open_same(), replace(record, account_id=OTHER_ACCOUNT)) is None


def test_change_is_seen_by_another_worker_at_once(open_same: OpenStore) -> None:
    """INVARIANT S2."""
    one, two = open_same(), open_same()
    record = custom_key_store()
    run(one.insert_custom_key_store(record, nothing))
    assert find(two, record) == record
    changed = run(
        one.update_custom_key_store(replace(record, connection_state=ConnectionStateType.CONNECTED))
    )
    assert changed.version == 2
    assert find(two, record) == changed
    run(two.delete_custom_key_store(changed))
    assert find(one, record) is None


def test_change_of_another_version_changes_nothing(store: Store) -> None:
    """INVARIANT S3."""
    record = custom_key_store()
    run(store.insert_custom_key_store(record, nothing))
    current = run(store.update_custom_key_store(replace(record, name="second")))
    with pytest.raises(ConcurrentChange):
        run(store.update_custom_key_store(replace(record, name="late")))
    with pytest.raises(ConcurrentChange):
        run(store.delete_custom_key_store(record))
    assert find(store, record) == current


def test_names_are_unique_in_account_and_region_only(store: Store) -> None:
    run(store.insert_custom_key_store(custom_key_store(1), nothing))
    with pytest.raises(AlreadyExists):
        run(store.insert_custom_key_store(custom_key_store(2, name="store 1"), nothing))
    run(store.insert_custom_key_store(custom_key_store(2, name="store 1", region=OTHER_REGION), nothing))
    run(store.insert_custom_key_store(custom_key_store(3, name="store 1", account_id=OTHER_ACCOUNT), nothing))
    second = custom_key_store(4)
    run(store.insert_custom_key_store(second, nothing))
    with pytest.raises(AlreadyExists):
        run(store.update_custom_key_store(replace(second, name="store 1")))


def test_check_sees_the_others_and_what_it_raises_stops_the_write(store: Store) -> None:
    seen: list[list[str]] = []

    def refuse(others: Sequence[CustomKeyStore]) -> None:
        seen.append([other.name for other in others])
        raise LimitReached

    run(store.insert_custom_key_store(custom_key_store(1), nothing))
    run(store.insert_custom_key_store(custom_key_store(2, region=OTHER_REGION), nothing))
    with pytest.raises(LimitReached):
        run(store.insert_custom_key_store(custom_key_store(3), refuse))
    with pytest.raises(LimitReached):
        run(store.update_custom_key_store(custom_key_store(1, name="new"), refuse))
    assert seen == [["store 1"], []]
    assert find(store, custom_key_store(3)) is None
    assert find(store, custom_key_store(1)) == custom_key_store(1)


def test_pages_are_of_one_account_and_region_in_order(store: Store) -> None:
    for number in (3, 1, 2):
        run(store.insert_custom_key_store(custom_key_store(number), nothing))
    run(store.insert_custom_key_store(custom_key_store(9, account_id=OTHER_ACCOUNT), nothing))
    first = run(store.list_custom_key_stores(ACCOUNT, REGION, None, 2))
    assert [one.name for one in first] == ["store 1", "store 2"]
    rest = run(store.list_custom_key_stores(ACCOUNT, REGION, first[-1].custom_key_store_id, 2))
    assert [one.name for one in rest] == ["store 3"]


def test_stores_in_a_connection_state_are_found_for_all_accounts(store: Store) -> None:
    connecting = custom_key_store(1, connection_state=ConnectionStateType.CONNECTING)
    other = custom_key_store(2, account_id=OTHER_ACCOUNT, connection_state=ConnectionStateType.DISCONNECTING)
    for one in (connecting, other, custom_key_store(3)):
        run(store.insert_custom_key_store(one, nothing))
    states = (ConnectionStateType.CONNECTING, ConnectionStateType.DISCONNECTING)
    assert set(run(store.list_custom_key_stores_in(states, 10))) == {connecting, other}
    assert len(run(store.list_custom_key_stores_in(states, 1))) == 1


def test_store_with_a_key_is_not_deleted(store: Store) -> None:
    record = custom_key_store()
    run(store.insert_custom_key_store(record, nothing))
    key = replace(new_key(), custom_key_store_id=record.custom_key_store_id)
    run(store.insert_key_in(key, record))
    assert run(store.find_key(key.region, key.key_id)) == key
    with pytest.raises(StillInUse):
        run(store.delete_custom_key_store(record))
    assert find(store, record) == record
    run(store.destroy_key(key))
    run(store.delete_custom_key_store(record))
    assert find(store, record) is None


def test_key_goes_only_into_a_store_that_is_as_it_was_read(store: Store) -> None:
    record = custom_key_store()
    run(store.insert_custom_key_store(record, nothing))
    run(store.update_custom_key_store(record))
    key = replace(new_key(), custom_key_store_id=record.custom_key_store_id)
    with pytest.raises(ConcurrentChange):
        run(store.insert_key_in(key, record))
    assert run(store.find_key(key.region, key.key_id)) is None


def test_external_key_has_one_kms_key_in_a_store(store: Store) -> None:
    records = [custom_key_store(1), custom_key_store(2)]
    for record in records:
        run(store.insert_custom_key_store(record, nothing))

    def key_in(record: CustomKeyStore, xks_key_id: str | None) -> None:
        key = replace(new_key(), custom_key_store_id=record.custom_key_store_id, xks_key_id=xks_key_id)
        run(store.insert_key_in(key, record, of_account_max=4))

    key_in(records[0], "a")
    with pytest.raises(AlreadyExists):
        key_in(records[0], "a")
    key_in(records[1], "a")
    key_in(records[0], None)
    key_in(records[0], None)
    with pytest.raises(LimitReached):
        key_in(records[0], "b")
