"""From a request's headers to the protocol and operation it asks for."""

from __future__ import annotations

import re
from collections.abc import Coroutine, Mapping
from typing import Any, Final

from strongroom.aws import query_refusals, signature_refusals
from strongroom.aws.errors import ApiError
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer, Codec, Pipeline
from strongroom.request_ids import RequestIds
from strongroom.wire.aws_query import AwsQuery, QueryStringForm
from strongroom.wire.other_services import refuse

KMS_TARGET_PREFIX = b"TrentService."
OPERATION_NAME_CHARACTERS_MAX = 64
# Browsers add at least one of these to whatever a page sends, and no page can take it away.
_PAGE_FIELDS: Final = (b"origin", b"sec-fetch-site")
_SERVICE_BY_VERSION: Final = {service.version.encode(): name for name, service in QUERY_SERVICES.items()}
_ACTION: Final = re.compile(rb"(?:^|&)Action=([A-Za-z0-9]{1,128})(?=&|$)")
_VERSION: Final = re.compile(rb"(?:^|&)Version=([0-9-]{1,20})(?=&|$)")


class Dispatcher:
    """The service that the HTTP front calls for every request that is not health or control.

    Shape: `query_codecs` by service, `iam` and `sts`. `takes_anyone` says that nobody's signature is checked:
    web pages are then refused. They can send a form without being asked first; and one that has pointed its
    own name at this machine is of the same origin as the server, and need not ask for X-Amz-Target either.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        kms_codec: Codec,
        query_codecs: Mapping[str, AwsQuery],
        request_ids: RequestIds,
        *,
        takes_anyone: bool,
    ) -> None:
        self._pipeline = pipeline
        self._kms_codec = kms_codec
        self._query_codecs = query_codecs
        self._ids = request_ids
        self._takes_anyone = takes_anyone

    def __call__(self, http: HttpRequest) -> Coroutine[Any, Any, Answer]:
        """Answer one request: KMS by X-Amz-Target, IAM and STS by Action and Version; the rest is refused in
        the protocol of the service that it was meant for."""
        target = http.fields.get(b"x-amz-target")
        if target is not None:
            if not target.startswith(KMS_TARGET_PREFIX):
                return self._refuse(http)
            if self._takes_anyone and (field := _page_field(http)) is not None:
                return self._refuse_page(self._kms_codec, signature_refusals.from_a_web_page(field))
            operation = target[len(KMS_TARGET_PREFIX) :][:OPERATION_NAME_CHARACTERS_MAX]
            return self._pipeline.answer(http, self._kms_codec, "kms", operation.decode("latin-1"))
        if http.fields.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
            asked = query_action(http.body)
            if asked is not None:
                return self._answer_query(http, self._query_codecs[asked[0]], *asked)
        return self._refuse(http) if http.body else self.answer_url(http)

    def answer_url(self, http: HttpRequest) -> Coroutine[Any, Any, Answer]:
        """Answer a request with everything in its URL, as presigned ones have it: STS, or refused.

        Clusters of EKS's kind are told who someone is by a presigned GET of GetCallerIdentity; boto3 presigns
        a POST unless told otherwise.
        """
        query = http.target.partition(b"?")[2]
        asked = query_action(query)
        if asked is None or asked[0] != "sts" or b"x-amz-target" in http.fields:
            return self._refuse(http)
        return self._answer_query(http, QueryStringForm(self._query_codecs["sts"], query), *asked)

    def _answer_query(
        self, http: HttpRequest, codec: Codec, service: str, action: str
    ) -> Coroutine[Any, Any, Answer]:
        if self._takes_anyone and (field := _page_field(http)) is not None:
            return self._refuse_page(codec, query_refusals.from_a_web_page(field))
        return self._pipeline.answer(http, codec, service, action)

    async def _refuse_page(self, codec: Codec, error: ApiError) -> Answer:
        request_id = self._ids.next()
        return Answer(error.status, codec.content_type, codec.encode_error(error, request_id), request_id)

    async def _refuse(self, http: HttpRequest) -> Answer:
        return self.refuse(http)

    def refuse(self, http: HttpRequest) -> Answer:
        """A well-formed error for a request to a service that is not here."""
        return refuse(http.headers, http.target, http.body, self._ids.next())


def _page_field(http: HttpRequest) -> str | None:
    """The header field that says that a web page sends this; None where none does."""
    return next((name.decode() for name in _PAGE_FIELDS if name in http.fields), None)


def query_action(form: bytes) -> tuple[str, str] | None:
    """(service, action) of a form of IAM or STS; None when it is none, or names either twice.

    The form is not parsed here: it may be long, and nobody has authenticated it.
    """
    actions, versions = _ACTION.findall(form), _VERSION.findall(form)
    if len(actions) != 1 or len(versions) != 1:
        return None
    service = _SERVICE_BY_VERSION.get(versions[0])
    return None if service is None else (service, actions[0].decode("ascii"))
