"""Requests as a real client signs them, ready to be replayed as bytes."""

from __future__ import annotations

import json
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def signed_request(
    port: int, operation: str, parameters: dict[str, Any], access_key_id: str, secret: str, region: str
) -> bytes:
    """One keep-alive HTTP/1.1 request to 127.0.0.1, signed by botocore, with the headers that boto3 sends."""
    body = json.dumps(parameters).encode()
    request = AWSRequest(
        method="POST",
        url=f"http://127.0.0.1:{port}/",
        data=body,
        headers={
            "Host": f"127.0.0.1:{port}",
            "X-Amz-Target": f"TrentService.{operation}",
            "Content-Type": "application/x-amz-json-1.1",
            "User-Agent": "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux lang/python#3.11.7",
            "Accept-Encoding": "identity",
            "amz-sdk-invocation-id": "5b1ad7d5-9a5c-4c39-a5cf-9d1e86e2a8f4",
            "amz-sdk-request": "attempt=1",
        },
    )
    SigV4Auth(Credentials(access_key_id, secret), "kms", region).add_auth(request)
    head = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    return f"POST / HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
