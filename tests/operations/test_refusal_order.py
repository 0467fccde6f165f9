"""INVARIANT T2: requests that are wrong in two ways hear the earlier refusal (operations/refusal_order.py).

Each case gives a request with both faults, and one with the later fault alone: so both are there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tests.operations.road_requests import ABSENT_KEY_ID, STRANGER, TEXT, disabled_key
from tests.support.road import Refusal, Road

from strongroom.operations.refusal_order import ORDER, Order, Step
from strongroom.operations.request_quotas import RequestQuotas

CLOSED_POLICY = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:PutKeyPolicy", "Resource": "*"}
        ]
    }
)


class Request(NamedTuple):
    operation: str
    members: dict[str, Any]
    account: str = "000000000000"


class Case(NamedTuple):
    both: Request
    earlier: str
    later_alone: Request
    later: str


@pytest.fixture(scope="module")
def quota_road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """DescribeKey is used up by the first request of an account."""
    quotas = RequestQuotas({"DescribeKey": 1.0}, workers=1, now=lambda: 0.0)
    with Road(tmp_path_factory.mktemp("order"), request_quotas=quotas) as road:
        road.call("DescribeKey", KeyId=road.create_key()["KeyId"])
        yield road


def sign(key: dict[str, Any], **members: Any) -> Request:
    return Request(
        "Sign", {"KeyId": key["KeyId"], "Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"} | members
    )


def signing_key(road: Road, **members: Any) -> dict[str, Any]:
    return road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", **members)


def validation_then_request_quota(road: Road) -> Case:
    return Case(
        Request("DescribeKey", {"KeyId": ""}),
        "ValidationException",
        Request("DescribeKey", {"KeyId": ABSENT_KEY_ID}),
        "ThrottlingException",
    )


def request_quota_then_lookup(road: Road) -> Case:
    return Case(
        Request("DescribeKey", {"KeyId": ABSENT_KEY_ID}),
        "ThrottlingException",
        Request("DescribeKey", {"KeyId": ABSENT_KEY_ID}, STRANGER),
        "NotFoundException",
    )


def validation_then_lookup(road: Road) -> Case:
    return Case(
        Request("Encrypt", {"KeyId": ABSENT_KEY_ID, "Plaintext": ""}),
        "ValidationException",
        Request("Encrypt", {"KeyId": ABSENT_KEY_ID, "Plaintext": TEXT}),
        "NotFoundException",
    )


def lookup_then_access(road: Road) -> Case:
    """A key that is absent has no policy: the two can only be told apart, one after the other."""
    closed = road.create_key(Policy=CLOSED_POLICY, BypassPolicyLockoutSafetyCheck=True)
    return Case(
        Request("Encrypt", {"KeyId": ABSENT_KEY_ID, "Plaintext": TEXT}, STRANGER),
        "NotFoundException",
        Request("Encrypt", {"KeyId": closed["KeyId"], "Plaintext": TEXT}),
        "AccessDeniedException",
    )


def access_then_usage(road: Road) -> Case:
    closed = road.create_key(Policy=CLOSED_POLICY, BypassPolicyLockoutSafetyCheck=True)
    return Case(sign(closed), "AccessDeniedException", sign(road.create_key()), "InvalidKeyUsageException")


def usage_then_state(road: Road) -> Case:
    signing = signing_key(road)
    road.call("DisableKey", KeyId=signing["KeyId"])
    return Case(sign(disabled_key(road)), "InvalidKeyUsageException", sign(signing), "DisabledException")


def state_then_kind(road: Road) -> Case:
    """Source: RotateKeyOnDemand of a disabled RSA key, recorded from AWS."""
    rsa = road.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    road.call("DisableKey", KeyId=rsa["KeyId"])
    enabled = signing_key(road)
    return Case(
        Request("RotateKeyOnDemand", {"KeyId": rsa["KeyId"]}),
        "DisabledException",
        Request("RotateKeyOnDemand", {"KeyId": enabled["KeyId"]}),
        "UnsupportedOperationException",
    )


def kind_then_dry_run(road: Road) -> Case:
    key = signing_key(road)
    return Case(
        sign(key, SigningAlgorithm="RSASSA_PSS_SHA_256", DryRun=True),
        "InvalidKeyUsageException",
        sign(key, DryRun=True),
        "DryRunOperationException",
    )


CASES: dict[tuple[Step, Step], Callable[[Road], Case]] = {
    (Step.VALIDATION, Step.REQUEST_QUOTA): validation_then_request_quota,
    (Step.REQUEST_QUOTA, Step.LOOKUP): request_quota_then_lookup,
    (Step.VALIDATION, Step.LOOKUP): validation_then_lookup,
    (Step.LOOKUP, Step.ACCESS): lookup_then_access,
    (Step.ACCESS, Step.USAGE): access_then_usage,
    (Step.USAGE, Step.STATE): usage_then_state,
    (Step.STATE, Step.KIND): state_then_kind,
    (Step.KIND, Step.DRY_RUN): kind_then_dry_run,
}


def heard(road: Road, request: Request) -> str:
    with pytest.raises(Refusal) as caught:
        road.call(request.operation, request.account, **request.members)
    return caught.value.code


@pytest.mark.parametrize("order", ORDER, ids=lambda order: f"{order.earlier} before {order.later}")
def test_request_that_is_wrong_in_two_ways_hears_the_earlier_refusal(quota_road: Road, order: Order) -> None:
    case = CASES[order.earlier, order.later](quota_road)
    assert heard(quota_road, case.both) == case.earlier
    assert heard(quota_road, case.later_alone) == case.later


def test_order_names_every_neighbour_of_the_steps_in_order() -> None:
    steps = list(Step)
    pairs = {(order.earlier, order.later) for order in ORDER}
    assert pairs >= set(itertools.pairwise(steps))
    assert all(steps.index(earlier) < steps.index(later) for earlier, later in pairs)
    assert pairs == CASES.keys()


def test_algorithm_of_another_kind_of_key_is_judged_after_the_state(quota_road: Road) -> None:
    key = signing_key(quota_road)
    quota_road.call("DisableKey", KeyId=key["KeyId"])
    assert heard(quota_road, sign(key, SigningAlgorithm="RSASSA_PSS_SHA_256")) == "DisabledException"
    quota_road.call("EnableKey", KeyId=key["KeyId"])
    assert heard(quota_road, sign(key, SigningAlgorithm="RSASSA_PSS_SHA_256")) == "InvalidKeyUsageException"


def test_state_comes_before_dry_run(quota_road: Road) -> None:
    key = disabled_key(quota_road)
    request = Request("Encrypt", {"KeyId": key["KeyId"], "Plaintext": TEXT, "DryRun": True})
    assert heard(quota_road, request) == "DisabledException"
