"""From whatever was raised to the answer that a caller gets (INVARIANT T4 of the road)."""

from __future__ import annotations

import logging
from typing import Final

from strongroom.aws import refusals, signature_refusals
from strongroom.aws.errors import ApiError
from strongroom.boundary.interface import (
    BoundaryBusy,
    CiphertextRefused,
    KeySpecNotOffered,
    NotInToken,
    TokenRefused,
)

logger = logging.getLogger("strongroom.pipeline")
_WHAT_TO_DO: Final = (
    ": what the database holds of a key was damaged or changed, and was not used. The audit trail names the"
    " key (KMSInternalException); strongroom backup verify finds a sound backup, strongroom restore takes it"
)


def in_words_of(service: str, error: ApiError, is_authenticated: bool) -> ApiError:
    """The same error as the service names it: STS and IAM have names and statuses of their own."""
    return error if service == "kms" else signature_refusals.as_query_error(error, is_authenticated)


def translate(raised: Exception) -> ApiError:
    """The one place where an exception becomes an answer (T4)."""
    if isinstance(raised, ApiError):
        return raised
    if isinstance(raised, CiphertextRefused):
        return refusals.invalid_ciphertext()
    if isinstance(raised, BoundaryBusy):
        return refusals.throttled()
    if isinstance(raised, KeySpecNotOffered):
        return refusals.not_built("The key spec of the KMS key")
    if isinstance(raised, NotInToken):
        return refusals.not_in_token("This operation", str(raised))
    where = raised.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f"{where.tb_frame.f_code.co_filename}:{where.tb_lineno}" if where is not None else "?"
    advice = _WHAT_TO_DO if isinstance(raised, TokenRefused) else ""
    logger.error(
        "a request failed with %s at %s%s", type(raised).__name__, place, advice
    )  # no values: they may be secret
    return refusals.internal()
