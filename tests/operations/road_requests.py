"""What the tests of the operations have in common: how a request is written and a refusal is read."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Coroutine, Sequence
from typing import Any

import pytest
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer

ABSENT_KEY_ID = "00000000-0000-4000-8000-000000000000"
STRANGER = "111122223333"
OTHER_REGION = "us-west-2"
CIPHERTEXT_KEY_INACCESSIBLE = (
    "AccessDeniedException",
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, "
    "or you are not allowed to access.",
)


def encoded(blob: bytes) -> str:
    """A blob as it stands in JSON."""
    return base64.b64encode(blob).decode()


def decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


TEXT = encoded(b"text")


def refused(road: Road, operation: str, **members: Any) -> tuple[str, str | None]:
    """The code and sentence of the refusal that a request must get, always with HTTP status 400."""
    with pytest.raises(Refusal) as caught:
        road.call(operation, **members)
    assert caught.value.status == 400
    return caught.value.code, caught.value.message


def invalid(member: str, rule: str, value: str = "") -> tuple[str, str]:
    """The refusal for one member that breaks one constraint of the service model."""
    return (
        "ValidationException",
        f"1 validation error detected: Value{value} at '{member}' failed to satisfy constraint: {rule}",
    )


def denied(action: str, resource: str, account: str = ACCOUNT) -> tuple[str, str]:
    """The refusal of a caller that no key policy allows."""
    return (
        "AccessDeniedException",
        f"User: arn:aws:iam::{account}:root is not authorized to perform: {action} on resource: {resource} "
        f"because no resource-based policy allows the {action} action",
    )


def key_arn(key_id: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:kms:{region}:{account}:key/{key_id}"


def alias_arn(name: str, *, account: str = ACCOUNT, region: str = REGION) -> str:
    return f"arn:aws:kms:{region}:{account}:{name}"


def policy_for(actions: Sequence[str] | str, principal: str = f"arn:aws:iam::{ACCOUNT}:root") -> str:
    """A key policy that allows `principal` these actions and nobody anything else."""
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": actions, "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def disabled_key(road: Road) -> dict[str, Any]:
    key = road.create_key()
    road.call("DisableKey", KeyId=key["KeyId"])
    return key


def pending_key(road: Road, days: int = 7) -> dict[str, Any]:
    """A key that waits for its deletion."""
    key = road.create_key()
    road.call("ScheduleKeyDeletion", KeyId=key["KeyId"], PendingWindowInDays=days)
    return key


def answering(road: Road, operation: str, **members: Any) -> Coroutine[Any, Any, Answer]:
    """A request that has not begun: for several on the road at once."""
    scope = f"{ACCOUNT}/20260101/{REGION}/kms/aws4_request"
    authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}"
    headers = [(b"host", b"localhost"), (b"authorization", authorization.encode())]
    request = HttpRequest("POST", b"/", headers, json.dumps(members).encode(), "127.0.0.1", False)
    return road.pipeline.answer(request, road.codec, "kms", operation)


def at_once(road: Road, *requests: Coroutine[Any, Any, Answer]) -> list[Answer]:
    """The answers of requests that are on the road at the same time, in the order given."""

    async def gathered() -> list[Answer]:
        return list(await asyncio.gather(*requests))

    return road.wait(gathered())


def error_code(answer: Answer) -> str | None:
    """AWS's name of the error in an answer; None for a success."""
    return None if answer.status == 200 else str(json.loads(answer.body)["__type"])
