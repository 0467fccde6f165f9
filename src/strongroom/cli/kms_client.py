"""One signed call to a KMS endpoint, as any AWS client makes it: for commands that act as a caller."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

_SECONDS_MAX = 30
_SIGNED_HEADERS = ("content-type", "host", "x-amz-date", "x-amz-security-token", "x-amz-target")


class CallerNotConfigured(Exception):
    """The environment does not say who calls, or where."""

    exit_code = 253


class CallRefused(Exception):
    """The server refused the call, or could not be reached; the text is its sentence."""

    exit_code = 254


def call_kms(
    operation: str, parameters: Mapping[str, object], environment: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """The answer of an operation. Raises: CallerNotConfigured, CallRefused.

    Credentials, Region and endpoint are those of AWS's clients: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION or AWS_DEFAULT_REGION, AWS_ENDPOINT_URL_KMS or
    AWS_ENDPOINT_URL, AWS_CA_BUNDLE.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL_KMS") or environment.get("AWS_ENDPOINT_URL")
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    access_key_id = environment.get("AWS_ACCESS_KEY_ID")
    secret = environment.get("AWS_SECRET_ACCESS_KEY")
    for name, value in (
        ("AWS_ENDPOINT_URL_KMS", endpoint),
        ("AWS_REGION", region),
        ("AWS_ACCESS_KEY_ID", access_key_id),
        ("AWS_SECRET_ACCESS_KEY", secret),
    ):
        if not value:
            raise CallerNotConfigured(f"{name} is not set: this command calls KMS as you, like the AWS CLI.")
    assert endpoint and region and access_key_id and secret  # noqa: S101, PT018
    address = urlsplit(endpoint)
    if address.scheme not in ("http", "https") or not address.netloc:
        raise CallerNotConfigured("The endpoint must be an http or https address.")
    body = json.dumps(parameters).encode()
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": address.netloc,
        "x-amz-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
        "x-amz-target": f"TrentService.{operation}",
    }
    if token := environment.get("AWS_SESSION_TOKEN"):
        headers["x-amz-security-token"] = token
    headers["authorization"] = _sign(headers, body, region, access_key_id, secret)
    request = urllib.request.Request(  # noqa: S310  (http or https: checked above)
        f"{address.scheme}://{address.netloc}/", data=body, headers=headers, method="POST"
    )
    try:
        with urllib.request.urlopen(  # noqa: S310
            request, timeout=_SECONDS_MAX, context=_build_tls(environment)
        ) as answer:
            return dict(json.loads(answer.read() or b"{}"))
    except urllib.error.HTTPError as error:
        raise CallRefused(_sentence(error)) from None
    except OSError as error:
        raise CallRefused(f"{endpoint} cannot be reached: {getattr(error, 'reason', error)}.") from None


def _build_tls(environment: Mapping[str, str]) -> ssl.SSLContext:
    """Which certificates are trusted. Raises: CallerNotConfigured."""
    bundle = environment.get("AWS_CA_BUNDLE")
    try:
        return ssl.create_default_context(cafile=bundle or None)
    except OSError as error:
        reason = "no certificates in PEM" if isinstance(error, ssl.SSLError) else error.strerror
        raise CallerNotConfigured(f"Cannot use AWS_CA_BUNDLE, {bundle}: {reason}.") from None


def _sentence(error: urllib.error.HTTPError) -> str:
    try:
        document = json.loads(error.read())
        return f"{document['__type']}: {document.get('message') or document.get('Message') or ''}"
    except (ValueError, KeyError, TypeError):
        return f"HTTP status {error.code}"


def _sign(headers: Mapping[str, str], body: bytes, region: str, access_key_id: str, secret: str) -> str:
    """The Authorization header. Source: IAM User Guide, "Create a signed AWS API request"."""
    names = [name for name in _SIGNED_HEADERS if name in headers]
    signed = ";".join(names)
    canonical = "\n".join(
        ("POST", "/", "", *(f"{name}:{headers[name]}" for name in names), "", signed, _sha256(body))
    )
    timestamp = headers["x-amz-date"]
    scope = f"{timestamp[:8]}/{region}/kms/aws4_request"
    to_sign = "\n".join(("AWS4-HMAC-SHA256", timestamp, scope, _sha256(canonical.encode())))
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return (
        f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={signed}, Signature={signature}"
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
