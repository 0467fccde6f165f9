"""Request quotas: the buckets as pure code, AWS's table, and refusals on the road."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.operations import key_store_scene
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    OTHER_REGION,
    STRANGER,
    TEXT,
    error_code,
    refused,
)
from tests.support.key_store_double import KeyStoreDouble
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.aws.errors import ApiError
from strongroom.aws.generated.constraints import OPERATIONS as KMS_MODEL
from strongroom.aws.generated.enums import CustomKeyStoreType
from strongroom.operations.request_quotas import RequestQuotas, costs_of, group_of_algorithm
from strongroom.operations.token_buckets import Charge, TokenBuckets
from strongroom.resources.identifiers import AccountId, Region
from strongroom.resources.request_quota import AWS_RATES, GROUPS, aws_rate

THROTTLED = (
    "ThrottlingException",
    "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
)
HERE = Region(REGION)
GAPS = st.lists(st.floats(0, 5), min_size=1, max_size=60)
RATES = st.floats(0.1, 50)


def instants(gaps: list[float]) -> list[float]:
    """Ascending instants that lie so far apart."""
    times, now = [], 1000.0
    for gap in gaps:
        now += gap
        times.append(now)
    return times


def charge(bucket: object, rate: float, cost: float = 1.0) -> Charge:
    return Charge(str(bucket), rate, max(rate, 1.0), cost)


# ---------------------------------------------------------------- buckets


@settings(deadline=None)
@given(GAPS, RATES)
def test_buckets_in_any_window_let_no_more_through_than_a_seconds_worth_and_the_rate(
    gaps: list[float], rate: float
) -> None:
    buckets = TokenBuckets()
    taken = [now for now in instants(gaps) if buckets.take([charge("a", rate)], now)]
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = max(rate, 1.0) + rate * (taken[last] - taken[first])
            assert last - first + 1 <= allowed + 1e-6


@settings(deadline=None)
@given(st.integers(1, 60), RATES)
def test_buckets_never_refuse_who_keeps_to_the_rate(count: int, rate: float) -> None:
    buckets = TokenBuckets()
    for number in range(count):
        assert buckets.take([charge("a", rate)], number / rate * (1 + 1e-9))


@settings(deadline=None)
@given(st.integers(0, 100), RATES)
def test_buckets_at_one_instant_let_a_seconds_worth_through(count: int, rate: float) -> None:
    buckets = TokenBuckets()
    taken = sum(buckets.take([charge("a", rate)], 7.0) for _ in range(count))
    assert taken == min(count, int(max(rate, 1.0)))


@settings(deadline=None)
@given(GAPS, st.lists(st.integers(0, 5), min_size=60, max_size=60), RATES)
def test_buckets_swept_all_the_time_decide_like_those_that_never_are(
    gaps: list[float], names: list[int], rate: float
) -> None:
    swept, kept = TokenBuckets(sweep_at=1), TokenBuckets(sweep_at=1_000_000)
    for now, name in zip(instants(gaps), names, strict=False):
        assert swept.take([charge(name, rate)], now) is kept.take([charge(name, rate)], now)


@settings(deadline=None)
@given(GAPS, RATES)
def test_buckets_of_others_make_no_difference(gaps: list[float], rate: float) -> None:
    alone, crowded = TokenBuckets(), TokenBuckets()
    for now in instants(gaps):
        for other in range(3):
            crowded.take([charge(other, rate)], now)
        assert alone.take([charge("a", rate)], now) is crowded.take([charge("a", rate)], now)


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=60))
def test_buckets_give_nothing_for_a_clock_that_goes_back_and_forth(times: list[float]) -> None:
    buckets = TokenBuckets()
    taken = sum(buckets.take([charge("a", 1.0)], now) for now in times)
    assert taken <= 1 + max(times) - times[0] + 1e-6


def test_buckets_take_from_all_or_from_none() -> None:
    buckets = TokenBuckets()
    both = [charge("a", 2.0), charge("b", 1.0)]
    assert buckets.take(both, 0.0)
    assert not buckets.take(both, 0.0)
    assert buckets.take([charge("a", 2.0)], 0.0), "the refused request took nothing from a"


def test_cost_beyond_the_capacity_is_owed() -> None:
    buckets = TokenBuckets()
    assert buckets.take([charge("a", 0.5, 2.0)], 0.0)
    assert not buckets.take([charge("a", 0.5)], 3.9)
    assert buckets.take([charge("a", 0.5)], 4.0)


def test_buckets_of_many_accounts_are_forgotten_when_they_are_full() -> None:
    buckets = TokenBuckets(sweep_at=100)
    for number in range(10_000):
        buckets.take([charge(number, 1.0)], float(number))
        assert len(buckets) <= 101


# ---------------------------------------------------------------- AWS's table


def test_every_operation_of_the_model_has_a_quota_but_those_aws_states_none_for() -> None:
    members = {
        "encryption_algorithm": None,
        "source_encryption_algorithm": None,
        "destination_encryption_algorithm": None,
        "signing_algorithm": "ECDSA_SHA_256",
        "key_pair_spec": "RSA_2048",
        "replica_region": OTHER_REGION,
    }
    without = {
        operation
        for operation in KMS_MODEL
        if any(
            aws_rate(group, region) is None
            for group, region, _ in costs_of(operation, SimpleNamespace(**members), HERE)
        )
    }
    assert without == {"Encapsulate", "Decapsulate"}


@pytest.mark.parametrize(
    ("group", "region", "rate"),
    [
        ("symmetric", "us-east-1", 100_000),
        ("symmetric", "eu-central-1", 20_000),
        ("symmetric", "eu-north-1", 10_000),
        ("rsa", "us-east-1", 1_000),
        ("CreateKey", "us-east-1", 5),
        ("GetKeyLastUsage", "us-east-1", 5),
        ("GenerateDataKeyPair/RSA_4096", "us-east-1", 1),
        ("GenerateDataKeyPair/RSA_4096", "cn-north-1", 0.1),
        ("custom_key_store", "us-east-1", 1_800),
        ("ml_kem", "us-east-1", None),
    ],
)
def test_aws_rate_by_group_and_region(group: str, region: str, rate: float | None) -> None:
    """Source: Developer Guide, "Request quotas"."""
    assert aws_rate(group, Region(region)) == rate


@pytest.mark.parametrize(
    ("algorithm", "group"),
    [
        (None, "symmetric"),
        ("SYMMETRIC_DEFAULT", "symmetric"),
        ("RSAES_OAEP_SHA_256", "rsa"),
        ("RSASSA_PSS_SHA_512", "rsa"),
        ("ECDSA_SHA_256", "ecc"),
        ("ED25519_PH_SHA_512", "ecc"),
        ("SM2DSA", "ecc"),
        ("SM2PKE", "ecc"),
        ("ML_DSA_SHAKE_256", "ml_dsa"),
    ],
)
def test_algorithm_names_the_shared_quota(algorithm: str | None, group: str) -> None:
    assert group_of_algorithm(algorithm) == group


def test_group_names_are_operations_or_kinds_of_keys() -> None:
    assert set(AWS_RATES) <= GROUPS
    assert {group for group in GROUPS if group[0].isupper() and "/" not in group} <= KMS_MODEL.keys()


def test_replicate_key_counts_as_two_create_keys_where_the_replica_will_be() -> None:
    quotas = RequestQuotas({"CreateKey": 2.0}, workers=1, now=lambda: 0.0)
    request = SimpleNamespace(replica_region=OTHER_REGION)
    quotas.require_room("ReplicateKey", request, AccountId(ACCOUNT), HERE)
    quotas.require_room("CreateKey", None, AccountId(ACCOUNT), HERE)
    with pytest.raises(ApiError):
        quotas.require_room("CreateKey", None, AccountId(ACCOUNT), Region(OTHER_REGION))


@pytest.mark.parametrize(("workers", "requests"), [(1, 8), (2, 4), (4, 2), (8, 1), (64, 1)])
def test_quota_is_divided_among_the_workers_with_one_request_at_least(workers: int, requests: int) -> None:
    quotas = RequestQuotas({"ListKeys": 8.0}, workers=workers, now=lambda: 0.0)
    for _ in range(requests):
        quotas.require_room("ListKeys", None, AccountId(ACCOUNT), HERE)
    with pytest.raises(ApiError):
        quotas.require_room("ListKeys", None, AccountId(ACCOUNT), HERE)


# ---------------------------------------------------------------- the road


class StoppedWatch:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


WATCH = StoppedWatch()


@pytest.fixture(scope="module")
def quota_road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    quotas = RequestQuotas(
        {"symmetric": 3.0, "ecc": 1.0, "DescribeKey": 1.0, "ListKeys": 2.0}, workers=1, now=WATCH
    )
    with Road(tmp_path_factory.mktemp("quota-road"), request_quotas=quotas) as road:
        yield road


@pytest.fixture
def rested(quota_road: Road) -> Road:
    """The road with all its buckets full."""
    WATCH.seconds += 3600
    return quota_road


def test_request_beyond_the_quota_is_throttled_and_recorded_until_time_passes(rested: Road) -> None:
    for _ in range(2):
        rested.call("ListKeys")
    assert refused(rested, "ListKeys") == THROTTLED
    assert rested.last_record["errorCode"] == THROTTLED[0]
    assert rested.last_record["errorMessage"] == THROTTLED[1]
    WATCH.seconds += 0.5
    rested.call("ListKeys")
    assert refused(rested, "ListKeys") == THROTTLED


def test_symmetric_operations_share_one_quota_and_other_keys_have_their_own(rested: Road) -> None:
    key = rested.create_key()
    signing = rested.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    blob = rested.call("Encrypt", KeyId=key["KeyId"], Plaintext=TEXT)["CiphertextBlob"]
    rested.call("Decrypt", CiphertextBlob=blob)
    rested.call("GenerateRandom", NumberOfBytes=8)
    assert refused(rested, "GenerateDataKey", KeyId=key["KeyId"], KeySpec="AES_256") == THROTTLED
    rested.call("Sign", KeyId=signing["KeyId"], Message=TEXT, SigningAlgorithm="ECDSA_SHA_256")


def test_group_without_a_quota_is_never_throttled(rested: Road) -> None:
    for _ in range(20):
        rested.call("ListAliases")


def test_quotas_are_of_one_account_in_one_region(rested: Road) -> None:
    for _ in range(2):
        rested.call("ListKeys")
    rested.call("ListKeys", account=STRANGER)
    rested.call("ListKeys", region=OTHER_REGION)
    assert refused(rested, "ListKeys") == THROTTLED


def test_throttling_comes_after_validation_and_before_lookup(rested: Road) -> None:
    assert refused(rested, "DescribeKey", KeyId=ABSENT_KEY_ID)[0] == "NotFoundException"
    assert refused(rested, "DescribeKey", KeyId=ABSENT_KEY_ID) == THROTTLED
    assert refused(rested, "DescribeKey", KeyId="")[0] == "ValidationException"


def test_request_that_nobody_signed_or_that_is_malformed_uses_up_nothing(rested: Road) -> None:
    for _ in range(5):
        with pytest.raises(Refusal):
            rested.call("ListKeys", Limit=0)
        assert error_code(rested.send("ListKeys", b"{")) == "SerializationException"
    rested.call("ListKeys")
    rested.call("ListKeys")


def test_without_quotas_nothing_is_throttled(road: Road) -> None:
    answers: list[Any] = [road.call("ListKeys", Limit=1) for _ in range(30)]
    assert len(answers) == 30


# ---------------------------------------------------------------- custom key stores


@pytest.fixture(scope="module")
def in_stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Road, list[str]]]:
    """A key in each of two connected stores."""
    quotas = RequestQuotas({"custom_key_store": 2.0}, workers=1, now=WATCH)
    key_stores = dict.fromkeys(CustomKeyStoreType, KeyStoreDouble())
    directory = tmp_path_factory.mktemp("store-quota-road")
    with Road(directory, request_quotas=quotas, key_stores=key_stores) as road:
        keys = []
        for number in (2, 3):
            members = key_store_scene.cluster(f"store {number}", number)
            store_id = road.call("CreateCustomKeyStore", **members)["CustomKeyStoreId"]
            road.call("ConnectCustomKeyStore", CustomKeyStoreId=store_id)
            road.wait(road.jobs.run_due())
            keys.append(str(road.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store_id)["KeyId"]))
        yield road, keys


@pytest.fixture
def stores(in_stores: tuple[Road, list[str]]) -> tuple[Road, list[str]]:
    """The same with all buckets full."""
    WATCH.seconds += 3600
    return in_stores


def test_requests_with_keys_of_a_custom_key_store_share_its_quota(stores: tuple[Road, list[str]]) -> None:
    """Source: Developer Guide, "Request quotas": 1,800 a second, calculated separately for each store."""
    road, (first, second) = stores
    blob = road.call("Encrypt", KeyId=first, Plaintext=TEXT)["CiphertextBlob"]
    road.call("Decrypt", CiphertextBlob=blob)
    assert refused(road, "GenerateDataKey", KeyId=first, KeySpec="AES_256") == THROTTLED
    assert road.last_record["errorCode"] == THROTTLED[0]
    assert refused(road, "ReEncrypt", CiphertextBlob=blob, DestinationKeyId=second) == THROTTLED
    for _ in range(2):  # the refused ReEncrypt took nothing from the other store
        road.call("Encrypt", KeyId=second, Plaintext=TEXT)
    assert refused(road, "Encrypt", KeyId=second, Plaintext=TEXT) == THROTTLED
    road.call("DescribeKey", KeyId=first)  # is no cryptographic operation
    road.call("Encrypt", KeyId=road.create_key()["KeyId"], Plaintext=TEXT)
    WATCH.seconds += 0.5
    road.call("Decrypt", CiphertextBlob=blob)


def test_re_encrypt_within_a_custom_key_store_is_one_request(stores: tuple[Road, list[str]]) -> None:
    road, (first, _) = stores
    blob = road.call("Encrypt", KeyId=first, Plaintext=TEXT)["CiphertextBlob"]
    road.call("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=first)
    assert refused(road, "Encrypt", KeyId=first, Plaintext=TEXT) == THROTTLED


def test_random_of_a_custom_key_store_counts_and_naming_anothers_store_does_not(
    stores: tuple[Road, list[str]],
) -> None:
    road, (first, _) = stores
    store_id = road.call("DescribeKey", KeyId=first)["KeyMetadata"]["CustomKeyStoreId"]
    members = {"NumberOfBytes": 8, "CustomKeyStoreId": store_id}
    for _ in range(5):
        with pytest.raises(Refusal):
            road.call("GenerateRandom", account=STRANGER, **members)
    for _ in range(2):
        road.call("GenerateRandom", **members)
    assert refused(road, "GenerateRandom", **members) == THROTTLED
    assert refused(road, "Encrypt", KeyId=first, Plaintext=TEXT) == THROTTLED
