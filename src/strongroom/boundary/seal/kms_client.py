"""A client of the KMS API with two operations, for the seal program alone: Encrypt and Decrypt.

No library of AWS's, no redirects, no proxies of the environment; TLS unless the KMS is on this machine.
Source: Signature Version 4, in AWS's IAM User Guide ("Create a signed AWS API request").
"""

from __future__ import annotations

import base64
import binascii
import configparser
import hashlib
import hmac
import http.client
import ipaddress
import json
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen

SECONDS_MAX: Final = 10.0
ANSWER_BYTES_MAX: Final = 65_536
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]{1,4096}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who calls that KMS. Secrets: the secret access key and the session token."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def parse_credentials(text: str) -> Credentials:
    """The profile `default` of a credentials file as AWS's tools write it. Raises SealRefused."""
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(text)
        profile = parser["default"]
        found = Credentials(
            profile["aws_access_key_id"], profile["aws_secret_access_key"], profile.get("aws_session_token")
        )
    except (configparser.Error, KeyError):
        raise SealRefused(
            "The credentials file for the KMS must have a section [default] with aws_access_key_id and"
            " aws_secret_access_key. Nothing was changed."
        ) from None
    return require_credentials(found)


def credentials_of(environment: Mapping[str, str]) -> Credentials | None:
    """Those of AWS_ACCESS_KEY_ID and so on; None where they are not set. Raises SealRefused."""
    key_id, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    if not key_id or not secret:
        return None
    return require_credentials(Credentials(key_id, secret, environment.get("AWS_SESSION_TOKEN") or None))


def require_credentials(credentials: Credentials) -> Credentials:
    """Raises SealRefused unless they can be in a header."""
    texts = (credentials.access_key_id, credentials.secret_access_key, credentials.session_token or "none")
    if not all(_TOKEN.fullmatch(text) for text in texts):
        raise SealRefused(
            "The credentials for the KMS have characters that no credentials have: check what was given."
            " Nothing was changed."
        )
    return credentials


class KmsClient:
    """Calls one KMS endpoint. Secrets: plaintexts pass through; nothing is kept."""

    def __init__(self, endpoint: str, credentials: Credentials, authorities: str | None = None) -> None:
        """`authorities` are certificates in PEM, instead of the system's. Raises SealRefused."""
        self._credentials = credentials
        try:
            url = urlsplit(endpoint)
            self._host, self._port = url.hostname or "", url.port
        except ValueError:
            self._host, self._port, url = "", None, urlsplit("")
        is_plain = url.scheme == "http" and _is_loopback(self._host)
        if (
            not self._host
            or url.path not in ("", "/")
            or url.query
            or url.username
            or not (url.scheme == "https" or is_plain)
        ):
            raise SealRefused(
                "The KMS endpoint must be https://HOST or https://HOST:PORT (plain http for this"
                " machine alone)."
                " Nothing was changed."
            )
        self._tls: ssl.SSLContext | None = None
        if not is_plain:
            try:
                self._tls = ssl.create_default_context(cadata=authorities)
            except (ssl.SSLError, ValueError):
                raise SealRefused(
                    "The certificate authorities of the KMS must be certificates in PEM. Nothing was changed."
                ) from None
            self._tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def encrypt(self, key_arn: str, plaintext: bytes, context: Mapping[str, str]) -> bytes:
        """The ciphertext blob. Raises SealRefused."""
        body = {"KeyId": key_arn, "Plaintext": _text(plaintext), "EncryptionContext": dict(context)}
        return self._call("Encrypt", key_arn, body, "CiphertextBlob")

    def decrypt(self, key_arn: str, blob: bytes, context: Mapping[str, str]) -> bytes:
        """The plaintext. Raises SealRefused, SlotDoesNotOpen."""
        body = {"KeyId": key_arn, "CiphertextBlob": _text(blob), "EncryptionContext": dict(context)}
        return self._call("Decrypt", key_arn, body, "Plaintext")

    def _call(self, operation: str, key_arn: str, request: Mapping[str, Any], member: str) -> bytes:
        body = json.dumps(request).encode()
        region = key_arn.split(":")[3]
        status, answer = self._exchange(body, self._sign(operation, region, body, time.gmtime()))
        try:
            members = json.loads(answer)
            if status == 200:
                return base64.b64decode(members[member], validate=True)
            code = str(members["__type"]).rpartition("#")[2]
        except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
            _refuse(f"gave no answer of a KMS (HTTP status {status})")
        if code in ("InvalidCiphertextException", "IncorrectKeyException"):
            raise SlotDoesNotOpen
        shown = code if _NAME.fullmatch(code) else "an error without a name"
        _refuse(f"refused {operation} with {shown}; its records say why")

    def _exchange(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        try:
            connection = (
                http.client.HTTPConnection(self._host, self._port, timeout=SECONDS_MAX)
                if self._tls is None
                else http.client.HTTPSConnection(
                    self._host, self._port, timeout=SECONDS_MAX, context=self._tls
                )
            )
            try:
                connection.request("POST", "/", body, dict(headers))
                response = connection.getresponse()
                answer = response.read(ANSWER_BYTES_MAX + 1)
                if len(answer) > ANSWER_BYTES_MAX:
                    _refuse("gave an answer that is too long")
                return response.status, answer
            finally:
                connection.close()
        except ssl.SSLCertVerificationError:
            _refuse("has a certificate that is not trusted here; name its authorities (--kms-ca-file)")
        except (OSError, http.client.HTTPException, ValueError) as error:
            _refuse(f"cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__})")

    def _sign(self, operation: str, region: str, body: bytes, now: time.struct_time) -> dict[str, str]:
        stamp, date = time.strftime("%Y%m%dT%H%M%SZ", now), time.strftime("%Y%m%d", now)
        host = f"[{self._host}]" if ":" in self._host else self._host
        headers = {
            "content-type": _CONTENT_TYPE,
            "host": host if self._port is None else f"{host}:{self._port}",
            "x-amz-date": stamp,
            "x-amz-target": f"TrentService.{operation}",
        }
        if self._credentials.session_token is not None:
            headers["x-amz-security-token"] = self._credentials.session_token
        signed = ";".join(sorted(headers))
        canonical = "\n".join(
            (
                "POST\n/\n",
                *(f"{name}:{headers[name]}" for name in sorted(headers)),
                "",
                signed,
                hashlib.sha256(body).hexdigest(),
            )
        )
        scope = f"{date}/{region}/kms/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = b"AWS4" + self._credentials.secret_access_key.encode()
        for part in (date, region, "kms", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._credentials.access_key_id}/{scope},"
            f" SignedHeaders={signed}, Signature={signature}"
        )
        return headers


def _refuse(what: str) -> NoReturn:
    raise SealRefused(f"The KMS that holds the seal's key {what}. Nothing was changed.") from None


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
