"""What a sealed server answers: that it lives, that it is not ready, and 503 to everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from strongroom.aws.errors import ApiError
from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.request_ids import RequestIds
from strongroom.wire.app import build_app
from strongroom.wire.aws_query import NAMESPACES, render_error_response
from strongroom.wire.dispatch import query_action
from strongroom.wire.http_front import HttpFront
from strongroom.wire.http_response import refusal
from strongroom.wire.limits import Limits
from strongroom.wire.tls import TlsFiles

CODE: Final = "ServiceUnavailable"
"""Source: "Common errors" of the KMS, IAM and STS API references; the sentence is ours."""
SENTENCE: Final = "The service is sealed: it answers when its operator has opened the seal."
NOT_READY: Final = "sealed: an operator has to open the seal (strongroom seal unseal)\n"


def build_sealed_front(limits: Limits, tls: TlsFiles | None, on_ready: Callable[[], None]) -> HttpFront:
    """The front of a server whose seal is closed. Raises: as HttpFront does."""
    answers = _Answers()
    app = build_app(is_ready=_is_ready, other=answers.refuse, presigned=answers.answer, not_ready=NOT_READY)
    return HttpFront(answers.answer, app, limits, tls=tls, on_ready=on_ready)


async def _is_ready() -> bool:
    return False


class _Answers:
    def __init__(self) -> None:
        self._ids = RequestIds()

    def refuse(self, http: HttpRequest) -> Answer:
        """503 in the protocol of the request; nothing of it is looked at but which that is."""
        asked = None if b"x-amz-target" in http.fields else self._query_service(http)
        if asked is None:
            return refusal(503, CODE, SENTENCE)
        request_id = self._ids.next()
        body = render_error_response(NAMESPACES[asked], ApiError(CODE, SENTENCE, 503), request_id)
        return Answer(503, b"text/xml", body, request_id)

    async def answer(self, http: HttpRequest) -> Answer:
        return self.refuse(http)

    @staticmethod
    def _query_service(http: HttpRequest) -> str | None:
        asked: Any = query_action(http.body) or query_action(http.target.partition(b"?")[2])
        return None if asked is None else asked[0]
