"""From a request's headers to the protocol and operation it asks for."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any
from urllib.parse import parse_qs

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer, Codec, Pipeline
from strongroom.request_ids import RequestIds
from strongroom.wire.other_services import refuse

KMS_TARGET_PREFIX = b"TrentService."
STS_OPERATIONS_VERSION = "2011-06-15"
OPERATION_NAME_CHARACTERS_MAX = 64


class Dispatcher:
    """The service that the HTTP front calls for every request that is not health or control."""

    def __init__(
        self, pipeline: Pipeline, kms_codec: Codec, query_codec: Codec, request_ids: RequestIds
    ) -> None:
        self._pipeline = pipeline
        self._kms_codec = kms_codec
        self._query_codec = query_codec
        self._ids = request_ids

    def __call__(self, http: HttpRequest) -> Coroutine[Any, Any, Answer]:
        """Answer one request: KMS by X-Amz-Target, STS by Action and Version; the rest is refused in
        the protocol of the service that it was meant for."""
        target = http.fields.get(b"x-amz-target")
        if target is not None:
            if not target.startswith(KMS_TARGET_PREFIX):
                return self._refuse(http)
            operation = target[len(KMS_TARGET_PREFIX) :][:OPERATION_NAME_CHARACTERS_MAX]
            return self._pipeline.answer(http, self._kms_codec, "kms", operation.decode("latin-1"))
        action = sts_action(http)
        if action is not None:
            return self._pipeline.answer(http, self._query_codec, "sts", action)
        return self._refuse(http)

    async def _refuse(self, http: HttpRequest) -> Answer:
        return self.refuse(http)

    def refuse(self, http: HttpRequest) -> Answer:
        """A well-formed error for a request to a service that is not here."""
        return refuse(http.headers, http.target, http.body, self._ids.next())


def sts_action(http: HttpRequest) -> str | None:
    """The Action of an STS request in AWS's Query protocol; None when it is none."""
    if http.method != "POST" or len(http.body) > 65_536:
        return None
    if not http.fields.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        return None
    try:
        fields = parse_qs(http.body.decode("ascii"), max_num_fields=100)
    except ValueError:
        return None
    if fields.get("Version") != [STS_OPERATIONS_VERSION]:
        return None
    actions = fields.get("Action", [])
    return actions[0][:OPERATION_NAME_CHARACTERS_MAX] if len(actions) == 1 else None
