"""A client of the KMS API with two operations, for the seal program alone: Encrypt and Decrypt.

No library of AWS's, no redirects, no proxies of the environment; TLS unless the KMS is on this machine.
All waiting for it together has one limit: a KMS that answers byte by byte holds up no start and no operator.
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
import queue
import re
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from strongroom.boundary.seal.refusal import SealRefused
from strongroom.boundary.seal.wrapping import SlotDoesNotOpen

SECONDS_MAX: Final = 15.0
"""For all that one client waits for: names, connections, TLS and answers of all its calls."""
ANSWER_BYTES_MAX: Final = 65_536
_CONTENT_TYPE: Final = "application/x-amz-json-1.1"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}", re.ASCII)
_TOKEN: Final = re.compile(r"[!-~]{1,4096}", re.ASCII)
_UNTRUSTED: Final = {
    # X509_V_ERR_*, in OpenSSL's x509_vfy.h
    9: "has a certificate that is not valid yet; look at the clocks on both sides",
    10: "has a certificate that has expired; look at the clock here as well",
    62: "has a certificate for another name than the endpoint's",
    64: "has a certificate for another address than the endpoint's",
}
_UNKNOWN_AUTHORITY: Final = "has a certificate that is not trusted here; name its authorities (--kms-ca-file)"


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
    """Calls one KMS endpoint. Secrets: plaintexts pass through; nothing is kept.

    Units: it waits no longer than `seconds_max` in all its calls together. Concurrency: one thread calls.
    """

    def __init__(
        self,
        endpoint: str,
        credentials: Credentials,
        authorities: str | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        """`authorities` are certificates in PEM, instead of the system's. Raises SealRefused."""
        self._credentials = credentials
        self._seconds_max = self._seconds_left = seconds_max
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
        if 300 <= status < 400:
            _refuse(f"answers with a redirect (HTTP status {status}), which is not followed: name its host")
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
        """In a thread of its own, which is left behind when the time is over: a look-up of a name, or an
        answer that comes byte by byte, knows no deadline."""
        outcome: queue.SimpleQueue[tuple[int, bytes] | Exception] = queue.SimpleQueue()

        def work() -> None:
            try:
                outcome.put(self._post(body, headers))
            except Exception as error:
                outcome.put(error)

        if self._seconds_left <= 0:
            _refuse(f"has not answered within {self._seconds_max:g} seconds")
        begun = time.monotonic()
        threading.Thread(target=work, daemon=True).start()
        try:
            came = outcome.get(timeout=self._seconds_left)
        except queue.Empty:
            _refuse(f"has not answered within {self._seconds_max:g} seconds")
        finally:
            self._seconds_left -= time.monotonic() - begun
        if not isinstance(came, Exception):
            return came
        try:
            raise came
        except ssl.SSLCertVerificationError as error:
            _refuse(_UNTRUSTED.get(error.verify_code, _UNKNOWN_AUTHORITY))
        except TimeoutError:
            _refuse(f"has not answered within {self._seconds_max:g} seconds")
        except ssl.SSLError as error:
            _refuse(f"does not speak TLS as it should ({error.reason or type(error).__name__})")
        except (OSError, http.client.HTTPException, ValueError) as error:
            _refuse(f"cannot be reached ({getattr(error, 'strerror', None) or type(error).__name__})")

    def _post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        seconds = max(0.001, self._seconds_left)
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=seconds)
            if self._tls is None
            else http.client.HTTPSConnection(self._host, self._port, timeout=seconds, context=self._tls)
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
