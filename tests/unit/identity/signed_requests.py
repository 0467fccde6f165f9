"""Signed requests for the tests of this room, and the doubles that stand behind the authenticator."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from strongroom.aws.errors import ApiError
from strongroom.boundary.software.secret_access_keys import generate_secret
from strongroom.boundary.software.tickets import TicketOffice
from strongroom.identity import sigv4
from strongroom.identity.authenticate import OpenAuthenticator, StrictAuthenticator
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedRequest
from strongroom.resources.iam import EntityKind, Identity, IntegratedService
from strongroom.resources.identifiers import AccessKeyId, AccountId
from strongroom.store.iam_interface import AccessKey, Account

T = TypeVar("T")

ACCESS_KEY_ID = AccessKeyId("AKIDEXAMPLE")
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = AccountId("111122223333")
KEY = AccessKey(
    access_key_id=ACCESS_KEY_ID,
    account_id=ACCOUNT,
    principal_arn=f"arn:aws:iam::{ACCOUNT}:user/alice",
    principal_id="AIDAALICE",
    principal_type="IAMUser",
    secret_token=b"token of the secret",
    active=True,
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def derive(secret: str, date: str, region: str, service: str) -> bytes:
    """The HMAC chain of the SigV4 documentation."""
    key = ("AWS4" + secret).encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.new(key, part.encode("latin-1"), hashlib.sha256).digest()
    return key


def identity(
    name: str,
    unique_id: str,
    kind: EntityKind = EntityKind.USER,
    path: str = "/",
    account_id: AccountId = ACCOUNT,
) -> Identity:
    """A user or role without policies."""
    return Identity(
        account_id=account_id,
        kind=kind,
        name=name,
        path=path,
        unique_id=unique_id,
        tags={},
        policies=(),
        boundary=None,
    )


ALICE = identity("alice", KEY.principal_id)


class AccessKeysInMemory:
    def __init__(self, *access_keys: AccessKey, identities: Sequence[Identity] = (ALICE,)) -> None:
        self.by_id = {access_key.access_key_id: access_key for access_key in access_keys}
        self.identities = {(one.account_id, one.unique_id): one for one in identities}
        self.accounts = {ACCOUNT}
        self.asked: list[str] = []

    async def find_access_key(self, access_key_id: AccessKeyId) -> AccessKey | None:
        self.asked.append(access_key_id)
        return self.by_id.get(access_key_id)

    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        return self.identities.get((account_id, unique_id))

    async def find_account(self, account_id: AccountId) -> Account | None:
        known = account_id in self.accounts
        return Account(account_id, None, KEY.created_at) if known else None

    async def find_entity(
        self, kind: type[IntegratedService], account_id: AccountId, name: str
    ) -> IntegratedService | None:
        return None

    def put(self, one: Identity) -> None:
        self.identities[one.account_id, one.unique_id] = one


class SigningKeysInMemory:
    """The boundary's part: secrets by their tokens, and tickets as the boundary makes them."""

    def __init__(self) -> None:
        self.secrets = {KEY.secret_token: SECRET}
        self.derived: list[tuple[str, str, str, str]] = []
        self.opened = 0
        self._office = TicketOffice(os.urandom(32))

    async def create_access_key_secret(self, access_key_id: str, account_id: str) -> tuple[str, bytes]:
        secret, token = generate_secret().decode(), f"token of {access_key_id}".encode()
        self.secrets[token] = secret
        return secret, token

    async def make_ticket(self, purpose: str, context: bytes, text: bytes) -> bytes:
        return self._office.make(purpose.encode(), context, text)

    async def read_ticket(self, purpose: str, context: bytes, ticket: bytes) -> bytes:
        self.opened += 1
        return self._office.read(purpose.encode(), context, ticket)

    async def derive_signing_key(
        self, token: bytes, access_key_id: str, date: str, region: str, service: str
    ) -> bytes:
        self.derived.append((access_key_id, date, region, service))
        return derive(self.secrets[token], date, region, service)


class FixedClock:
    def __init__(self, epoch_seconds: float) -> None:
        self.at = epoch_seconds

    def epoch_seconds(self) -> float:
        return self.at

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)


class Desk:
    """A strict authenticator with all it stands on."""

    def __init__(
        self, now: float, *, services: Sequence[str] = ("kms", "sts", "iam"), skew: int = 300
    ) -> None:
        self.access_keys = AccessKeysInMemory(KEY)
        self.signing_keys = SigningKeysInMemory()
        self.clock = FixedClock(now)
        self.authenticator = StrictAuthenticator(
            self.access_keys, self.signing_keys, self.clock, skew, services
        )

    def authenticate(self, request: HttpRequest) -> AuthenticatedRequest:
        return result_of(self.authenticator.authenticate(request))


def result_of(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("the coroutine waits")


def refusal_of(desk: Desk | StrictAuthenticator | OpenAuthenticator, request: HttpRequest) -> ApiError:
    authenticator = desk.authenticator if isinstance(desk, Desk) else desk
    with pytest.raises(ApiError) as caught:
        result_of(authenticator.authenticate(request))
    return caught.value


def received(request: AWSRequest) -> HttpRequest:
    """What the wire would hand over for what botocore would send."""
    parts = urlsplit(request.url)
    headers = [(name.lower().encode(), value.encode().strip()) for name, value in request.headers.items()]
    if not any(name == b"host" for name, _ in headers):
        headers.insert(0, (b"host", parts.netloc.encode()))
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    body = request.data if isinstance(request.data, bytes) else b""
    return HttpRequest(request.method, target.encode(), headers, body, "127.0.0.1", True)


def sign(
    body: bytes = b'{"KeyId":"alias/example"}',
    headers: Sequence[tuple[str, str]] = (
        ("X-Amz-Target", "TrentService.DescribeKey"),
        ("Content-Type", "application/x-amz-json-1.1"),
    ),
    *,
    method: str = "POST",
    url: str = "https://localhost:8080/",
    region: str = "eu-central-1",
    service: str = "kms",
    credentials: Credentials | None = None,
    presigned_seconds: int | None = None,
) -> HttpRequest:
    """A request signed by botocore, now."""
    request = AWSRequest(method, url, data=body)
    for name, value in headers:
        request.headers.add_header(name, value)
    credentials = credentials or Credentials(ACCESS_KEY_ID, SECRET)
    if presigned_seconds is None:
        SigV4Auth(credentials, service, region).add_auth(request)
    else:
        SigV4QueryAuth(credentials, service, region, presigned_seconds).add_auth(request)
    return received(request)


def signed_at(request: HttpRequest) -> int:
    """The instant that a request says it was signed at. Units: epoch seconds."""
    headers = dict(request.headers)
    if b"x-amz-date" in headers:
        return sigv4.parse_timestamp(headers[b"x-amz-date"])
    if b"date" in headers:
        return sigv4.parse_http_date(headers[b"date"])
    return sigv4.parse_timestamp(dict(sigv4.parse_query(request.target.partition(b"?")[2]))[b"X-Amz-Date"])


def with_header(request: HttpRequest, name: bytes, value: bytes | None) -> HttpRequest:
    """The request with a header replaced or added; None takes it away."""
    headers = [(n, v) for n, v in request.headers if n != name]
    return replace(request, headers=headers if value is None else [*headers, (name, value)])


def header(request: HttpRequest, name: bytes) -> bytes:
    return dict(request.headers)[name]


def header_signed(
    headers: Sequence[tuple[bytes, bytes]],
    signed_headers: bytes,
    *,
    date: bytes = b"20150830T123600Z",
    credential: str = "AKIDEXAMPLE/20150830/us-east-1/kms/aws4_request",
    canonical_headers: bytes | None = None,
    target: bytes = b"/",
    body: bytes = b"",
    method: str = "POST",
) -> HttpRequest:
    """A request signed by hand, for what botocore never sends.

    `canonical_headers` are the header lines of the canonical request; by default the headers as given.
    """
    if canonical_headers is None:
        canonical_headers = b"".join(name + b":" + value + b"\n" for name, value in headers)
    canonical = b"\n".join(
        [
            method.encode(),
            *target.partition(b"?")[::2],
            canonical_headers,
            signed_headers,
            hashlib.sha256(body).hexdigest().encode(),
        ]
    )
    _, day, region, service, _ = credential.split("/")
    to_sign = b"\n".join(
        [
            b"AWS4-HMAC-SHA256",
            date,
            credential.partition("/")[2].encode(),
            hashlib.sha256(canonical).hexdigest().encode(),
        ]
    )
    signature = hmac.new(derive(SECRET, day, region, service), to_sign, hashlib.sha256).hexdigest()
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={signed_headers.decode('latin-1')}, "
        f"Signature={signature}"
    ).encode("latin-1")
    return HttpRequest(method, target, [*headers, (b"authorization", authorization)], body, "127.0.0.1", True)


def replace(request: HttpRequest, **changes: Any) -> HttpRequest:
    """The same request with some parts changed; its fields by name follow its headers."""
    parts = {name: getattr(request, name) for name in HttpRequest.__slots__ if name != "fields"}
    return HttpRequest(**(parts | changes))
