"""The two forms in which a request carries its signature: an Authorization header, or a presigned query.

Reads either into one shape and refuses what is incomplete. Believes nothing: every part is still a claim.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from strongroom.aws import signature_refusals as refusals
from strongroom.identity import sigv4

EXPIRES_SECONDS_MAX = 604_800

_SEPARATORS = re.compile(rb"[,\s]+")
_EXPIRES = re.compile(rb"[0-9]{1,6}")
_HEADER_PARAMETERS = (b"Credential", b"Signature", b"SignedHeaders")
_QUERY_PARAMETERS = (
    b"X-Amz-Algorithm",
    b"X-Amz-Credential",
    b"X-Amz-Signature",
    b"X-Amz-SignedHeaders",
    b"X-Amz-Date",
)


@dataclass(frozen=True, slots=True)
class PresentedSignature:
    """What a request says of its own signature, not yet verified."""

    algorithm: str
    credential: str
    signed_headers: bytes
    signature: bytes
    amz_date: bytes | None
    """X-Amz-Date: ISO 8601 basic."""
    http_date: bytes | None
    """The Date header, which counts only where X-Amz-Date is absent."""
    expires: bytes | None
    """X-Amz-Expires of a presigned request."""
    session_token: bytes | None
    """X-Amz-Security-Token as it was sent; none that could be one where two differ."""

    def require_timestamp(self) -> int:
        """When the request says it was signed. Units: epoch seconds. Raises: ApiError."""
        try:
            if self.amz_date is not None:
                return sigv4.parse_timestamp(self.amz_date)
            return sigv4.parse_http_date(self.http_date or b"")
        except ValueError:
            value = self.amz_date or self.http_date or b""
            raise refusals.malformed_date(value.decode("latin-1")) from None

    def require_expires_seconds(self) -> int | None:
        """How long a presigned request is good for; None where it does not say. Raises: ApiError."""
        if self.expires is None:
            return None
        if _EXPIRES.fullmatch(self.expires) and 1 <= int(self.expires) <= EXPIRES_SECONDS_MAX:
            return int(self.expires)
        raise refusals.malformed_expires()


def require_signature(
    target: bytes, headers: Mapping[bytes, bytes], *, date_required: bool = True
) -> PresentedSignature:
    """Find the signature of a request.

    Shape: `headers` as `sigv4.merge_headers` gives them.
    Raises: ApiError (MissingAuthenticationToken, IncompleteSignature, InvalidSignature if there are two).
    """
    authorization = headers.get(b"authorization")
    if b"?" in target:
        query = dict(reversed(sigv4.parse_query(target.partition(b"?")[2])))  # the first of a name counts
        if b"X-Amz-Algorithm" in query:
            if authorization:
                raise refusals.signed_twice()
            return _require_presigned(query, headers)
    if not authorization:
        raise refusals.missing_authentication_token()
    return _require_header(authorization, headers, date_required)


def _require_header(
    authorization: bytes, headers: Mapping[bytes, bytes], date_required: bool
) -> PresentedSignature:
    algorithm, *parameters = _SEPARATORS.split(authorization.strip())
    found: dict[bytes, bytes] = {}
    for parameter in parameters:
        name, equal_sign, value = parameter.partition(b"=")
        if not equal_sign and parameter:
            raise refusals.parameter_without_value(authorization)
        found[name] = value  # the last of a name counts, as at AWS
    # an empty SignedHeaders is complete: it fails later, for lack of the host
    missing = [
        n.decode() for n in _HEADER_PARAMETERS if n not in found or not (found[n] or n == b"SignedHeaders")
    ]
    amz_date, http_date = headers.get(b"x-amz-date"), headers.get(b"date")
    has_date = bool(amz_date or http_date) or not date_required
    if missing or not has_date:
        raise refusals.incomplete_header(missing, has_date, authorization)
    return PresentedSignature(
        algorithm=algorithm.decode("latin-1"),
        credential=found[b"Credential"].decode("latin-1"),
        signed_headers=found[b"SignedHeaders"],
        signature=found[b"Signature"],
        amz_date=amz_date or None,
        http_date=http_date,
        expires=None,
        session_token=headers.get(b"x-amz-security-token"),
    )


def _require_presigned(query: Mapping[bytes, bytes], headers: Mapping[bytes, bytes]) -> PresentedSignature:
    missing = [name.decode() for name in _QUERY_PARAMETERS if not query.get(name)]
    if missing:
        raise refusals.incomplete_query(missing)
    sent = (query.get(b"X-Amz-Security-Token"), headers.get(b"x-amz-security-token"))
    tokens = sorted({token for token in sent if token is not None})
    return PresentedSignature(
        algorithm=query[b"X-Amz-Algorithm"].decode("latin-1"),
        credential=query[b"X-Amz-Credential"].decode("latin-1"),
        signed_headers=query[b"X-Amz-SignedHeaders"],
        signature=query[b"X-Amz-Signature"],
        amz_date=query[b"X-Amz-Date"],
        http_date=None,
        expires=query.get(b"X-Amz-Expires"),
        session_token=b" ".join(tokens) if tokens else None,
    )
