"""How many requests a second each credential may make: a key store has one, or two while it changes."""

from __future__ import annotations

import time
from collections.abc import Callable

from strongroom.operations.token_buckets import Charge, TokenBuckets
from strongroom.resources.identifiers import AccessKeyId
from strongroom.xks_proxy.messages import ErrorName, ProxyRefused


class CredentialQuota:
    """Concurrency: one event loop, and the proxy is one process, so nothing is divided."""

    def __init__(self, requests_per_second: float | None, now: Callable[[], float] = time.monotonic) -> None:
        """None: no limit."""
        self._rate = requests_per_second
        self._now = now
        self._buckets = TokenBuckets()

    def require_room(self, access_key_id: AccessKeyId) -> None:
        """Count one request. Raises ProxyRefused, ThrottlingException, when it is one too many."""
        if self._rate is None:
            return
        charge = Charge(access_key_id, self._rate, self._rate, 1.0)
        if not self._buckets.take((charge,), self._now()):
            raise ProxyRefused(
                ErrorName.THROTTLING, "The request rate of this credential is too high. Try again later."
            )
