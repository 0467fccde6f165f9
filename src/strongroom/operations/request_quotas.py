"""Request quotas: how many requests of a kind an account may make in a second, in a Region.

The caller's account is charged, also for a key of another account (Developer Guide, "Request quotas",
cross-account requests). A request is judged by what it says itself, before its key is looked up; the quota
of a custom key store, which is the same for all who use its keys, once the key is known.

Shared among the workers of a server by division: each has its share of every quota. The kernel hands
out connections, not requests, so a client with one connection has one worker's share.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from strongroom.aws import refusals
from strongroom.operations.token_buckets import Charge, TokenBuckets
from strongroom.resources import request_quota
from strongroom.resources.identifiers import AccountId, Region
from strongroom.resources.key import Key

_GROUP_OF_OPERATION = {
    "GenerateDataKey": request_quota.SYMMETRIC,
    "GenerateDataKeyWithoutPlaintext": request_quota.SYMMETRIC,
    "GenerateMac": request_quota.SYMMETRIC,
    "GenerateRandom": request_quota.SYMMETRIC,
    "VerifyMac": request_quota.SYMMETRIC,
    "DeriveSharedSecret": request_quota.ECC,
    "Encapsulate": request_quota.ML_KEM,
    "Decapsulate": request_quota.ML_KEM,
}
_DATA_KEY_PAIR_OPERATIONS = frozenset({"GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"})
_ALGORITHM_MEMBERS = {
    "Encrypt": ("encryption_algorithm",),
    "Decrypt": ("encryption_algorithm",),
    "ReEncrypt": ("source_encryption_algorithm", "destination_encryption_algorithm"),
    "Sign": ("signing_algorithm",),
    "Verify": ("signing_algorithm",),
}
UPDATE_PRIMARY_REGION_COST = 2
CREATE_KEY_COST_OF_A_REPLICA = 2


def group_of_algorithm(algorithm: str | None) -> str:
    """Which shared quota an algorithm's requests count in; without one it is SYMMETRIC_DEFAULT."""
    if algorithm is None or algorithm == "SYMMETRIC_DEFAULT":
        return request_quota.SYMMETRIC
    if algorithm.startswith("RSA"):
        return request_quota.RSA
    return request_quota.ML_DSA if algorithm.startswith("ML_DSA") else request_quota.ECC


def costs_of(operation: str, request: Any, region: Region) -> list[tuple[str, Region, int]]:
    """What a request counts as: (group, Region, how many requests).

    Source: "Request quotas", notes on ReplicateKey and UpdatePrimaryRegion.
    """
    members = _ALGORITHM_MEMBERS.get(operation)
    if members is not None:
        groups = dict.fromkeys(group_of_algorithm(getattr(request, member)) for member in members)
        return [(group, region, 1) for group in groups]
    if operation in _DATA_KEY_PAIR_OPERATIONS:
        return [(request_quota.DATA_KEY_PAIR + request.key_pair_spec, region, 1)]
    if operation == "ReplicateKey":
        replica_region = Region(request.replica_region)
        return [(operation, region, 1), ("CreateKey", replica_region, CREATE_KEY_COST_OF_A_REPLICA)]
    cost = UPDATE_PRIMARY_REGION_COST if operation == "UpdatePrimaryRegion" else 1
    return [(_GROUP_OF_OPERATION.get(operation, operation), region, cost)]


class RequestQuotas:
    """The quotas of one worker. Concurrency: one event loop."""

    def __init__(
        self,
        rates: Mapping[str, float] | None,
        *,
        workers: int,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`rates` by group, in requests per second of the whole server; None: AWS's of each Region."""
        self._rates = rates
        self._workers = workers
        self._now = now
        self._buckets = TokenBuckets()

    def require_room(self, operation: str, request: Any, account_id: AccountId, region: Region) -> None:
        """Count the request. Raises ApiError, ThrottlingException, when that is one too many."""
        charges: list[Charge] = []
        if operation == "GenerateRandom" and request.custom_key_store_id is not None:
            charges += self._charge_of_store(account_id, request.custom_key_store_id, region)
        for group, of_region, cost in costs_of(operation, request, region):
            rate = self._rate(group, of_region)
            if rate is not None:
                share = rate / self._workers
                charges.append(Charge((group, account_id, of_region), share, max(share, 1.0), float(cost)))
        if charges and not self._buckets.take(charges, self._now()):
            raise refusals.throttled()

    def require_room_in_stores(self, keys: Iterable[Key]) -> None:
        """Count a cryptographic operation once in each custom key store that its keys are in.

        Raises ApiError, ThrottlingException.
        """
        stores = {
            (key.account_id, key.custom_key_store_id): key.region
            for key in keys
            if key.custom_key_store_id is not None
        }
        charges: list[Charge] = []
        for store, region in stores.items():
            charges += self._charge_of_store(*store, region)
        if charges and not self._buckets.take(charges, self._now()):
            raise refusals.throttled()

    def _charge_of_store(self, account_id: str, store_id: str, region: Region) -> list[Charge]:
        """With its account: nobody may use up the quota of another account's store by naming it."""
        group = request_quota.CUSTOM_KEY_STORE
        rate = self._rate(group, region)
        if rate is None:
            return []
        share = rate / self._workers
        return [Charge((group, account_id, store_id), share, max(share, 1.0), 1.0)]

    def _rate(self, group: str, region: Region) -> float | None:
        return request_quota.aws_rate(group, region) if self._rates is None else self._rates.get(group)


def request_quotas_of(setting: str | Mapping[str, float], workers: int) -> RequestQuotas | None:
    """As the setting says: "off" (None), "aws", or requests per second by group."""
    if setting == "off":
        return None
    return RequestQuotas(None if isinstance(setting, str) else setting, workers=workers)
