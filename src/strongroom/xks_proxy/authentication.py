"""Who signed a request: AWS Signature Version 4 for the service `kms-xks-proxy`, under one of the proxy's
own credentials. Nothing of IAM has a part in it.

Source: External Key Store Proxy API Specification 1.0.3, "Authentication" and Appendix A.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Final, NamedTuple

from strongroom.boundary.interface import Boundary
from strongroom.clock import Clock
from strongroom.identity import sigv4
from strongroom.identity.http_request import HttpRequest
from strongroom.resources.identifiers import REGION, AccessKeyId, Region
from strongroom.store.interface import Store
from strongroom.xks_proxy.messages import ErrorName, ProxyRefused

SKEW_SECONDS_MAX: Final = 300
SIGNING_KEYS_MAX: Final = 64
_AUTHORIZATION = re.compile(
    rb"AWS4-HMAC-SHA256 +Credential=(?P<id>[A-Z2-7]{20,30})/(?P<date>[0-9]{8})/(?P<region>[a-z0-9-]{1,32})"
    rb"/kms-xks-proxy/aws4_request, *SignedHeaders=(?P<signed>[a-z0-9;-]{1,512}), *"
    rb"Signature=(?P<signature>[0-9a-f]{64})"
)


class Signer(NamedTuple):
    """Whose signature it was, and from which Region the key management service called."""

    access_key_id: AccessKeyId
    region: Region


def _refused() -> ProxyRefused:
    """One answer for every cause."""
    return ProxyRefused(ErrorName.AUTHENTICATION_FAILED, "The signature of the request is not valid.")


class Authenticator:
    """Verifies signatures. Concurrency: one event loop.

    Secrets: holds signing keys of one day, Region and service; the secrets are in the boundary.
    """

    def __init__(self, store: Store, boundary: Boundary, clock: Clock) -> None:
        """`clock` is the host's."""
        self._store = store
        self._boundary = boundary
        self._clock = clock
        self._signing_keys: OrderedDict[tuple[bytes, str, str], sigv4.SigningKey] = OrderedDict()

    async def authenticate(self, http: HttpRequest) -> Signer:
        """Raises ProxyRefused; StoreUnavailable, BoundaryError."""
        headers = sigv4.merge_headers(http.headers)
        presented = _AUTHORIZATION.fullmatch(headers.get(b"authorization", b""))
        timestamp = headers.get(b"x-amz-date", b"")
        if presented is None or not self._is_current(timestamp) or timestamp[:8] != presented["date"]:
            raise _refused()
        region = presented["region"].decode("ascii")
        signed_headers = sigv4.SignedHeaders(presented["signed"])
        if not {b"host", b"x-amz-date"} <= set(signed_headers.names) or not REGION.fullmatch(region):
            raise _refused()
        access_key_id = AccessKeyId(presented["id"].decode("ascii"))
        credential = await self._store.find_proxy_credential(access_key_id)
        if credential is None:
            raise _refused()
        try:
            canonical = signed_headers.canonical_request(
                sigv4.canonical_target(http.method, http.target), headers, http.body
            )
        except (KeyError, ValueError):
            raise _refused() from None
        date = presented["date"].decode("ascii")
        place = credential.secret_token, date, region
        signing_key = self._signing_keys.get(place)
        if signing_key is None:
            signing_key = sigv4.SigningKey(
                await self._boundary.derive_proxy_signing_key(
                    credential.secret_token, access_key_id, date, region
                )
            )
        scope = b"%b/%b/kms-xks-proxy/aws4_request" % (presented["date"], presented["region"])
        if not signing_key.is_signature(presented["signature"], timestamp, scope, canonical):
            raise _refused()
        self._signing_keys[place] = signing_key  # only what has carried a good signature is kept
        if len(self._signing_keys) > SIGNING_KEYS_MAX:
            self._signing_keys.popitem(last=False)
        return Signer(access_key_id, Region(region))

    def _is_current(self, timestamp: bytes) -> bool:
        try:
            signed_at = sigv4.parse_timestamp(timestamp)
        except ValueError:
            return False
        return abs(self._clock.epoch_seconds() - signed_at) <= SKEW_SECONDS_MAX
