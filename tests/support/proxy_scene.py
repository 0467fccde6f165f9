"""The external key store proxy over a road: real store, real boundary; requests signed by botocore."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from tests.support.road import Road

from strongroom.administration.proxy_credentials import create_proxy_credential
from strongroom.clock import HostClock
from strongroom.identity.http_request import HttpRequest
from strongroom.pipeline import Answer
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.proxied_key import USAGES, ProxiedKey
from strongroom.xks_proxy.authentication import Authenticator
from strongroom.xks_proxy.health import DeepHealth
from strongroom.xks_proxy.quota import CredentialQuota
from strongroom.xks_proxy.service import ProxyService

URI_PATH = "/tenant-1/kms/xks/v1"
ALICE = "arn:aws:iam::123456789012:user/Alice"
KMS_REGION = "us-east-2"
"""From where the caller calls."""
KMS_KEY = f"arn:aws:kms:{KMS_REGION}:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def data_of(member: str) -> bytes:
    return base64.b64decode(member)


class ProxyScene:
    """One proxy, one credential, and keys that are offered as they are made."""

    def __init__(self, road: Road) -> None:
        self.road = road
        self.offers: dict[str, ProxiedKey] = {}
        for one in road.wait(road.store.list_proxy_credentials()):  # of an earlier test on this road
            road.wait(road.store.delete_proxy_credential(one.access_key_id))
        self.authenticator = Authenticator(road.store, road.boundary, HostClock())
        self.rebuild()
        made = road.wait(create_proxy_credential(road.rooms))
        self.access_key_id, self.secret = made.access_key_id, made.secret_access_key

    def rebuild(self, quota: CredentialQuota = CredentialQuota(None)) -> None:  # noqa: B008  (no limit)
        """Another service, as after a start with other settings."""
        road, region = self.road, Region("eu-central-1")
        self.service = ProxyService(
            road.rooms,
            road.audit,
            RequestIds(),
            offers=self.offers,
            uri_path=URI_PATH,
            region=region,
            authenticator=self.authenticator,
            health=DeepHealth(road.rooms, road.audit, region),
            quota=quota,
        )

    def offer(
        self,
        external_id: str = "foo",
        *statements: dict[str, Any],
        usages: tuple[str, ...] = USAGES,
        allow_alice: bool = True,
        **members: Any,
    ) -> str:
        """The key id of a new key, offered."""
        key_id = str(self.road.create_key(**members)["KeyId"])
        if allow_alice:
            statements = (
                *statements,
                {"Effect": "Allow", "Principal": {"AWS": ALICE}, "Action": "kms:*", "Resource": "*"},
            )
        self.put_policy(key_id, *statements)
        self.offers[external_id] = ProxiedKey(Region("eu-central-1"), KeyId(key_id), usages)
        return key_id

    def put_policy(self, key_id: str, *statements: dict[str, Any]) -> None:
        own = {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
            "Action": "kms:*",
            "Resource": "*",
        }
        policy = {"Version": "2012-10-17", "Statement": [own, *statements]}
        self.road.call("PutKeyPolicy", KeyId=key_id, Policy=json.dumps(policy))

    def request(
        self,
        path: str,
        body: bytes,
        *,
        access_key_id: str | None = None,
        secret: str | None = None,
        region: str = KMS_REGION,
        service: str = "kms-xks-proxy",
        signed_late: timedelta = timedelta(0),
        more: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """As botocore signs it. `more` are further headers, signed too."""
        at = datetime.now(UTC) + signed_late
        signed = AWSRequest("POST", f"https://localhost{URI_PATH}{path}", dict(more or {}), body)
        auth = SigV4Auth(
            Credentials(access_key_id or self.access_key_id, secret or self.secret), service, region
        )
        timestamp = at.strftime("%Y%m%dT%H%M%SZ")
        signed.context["timestamp"] = timestamp
        signed.headers["Host"] = "localhost"
        signed.headers["X-Amz-Date"] = timestamp
        canonical = auth.canonical_request(signed)
        signature = auth.signature(auth.string_to_sign(signed, canonical), signed)
        auth._inject_signature_to_request(signed, signature)
        headers = [(name.lower().encode(), value.encode()) for name, value in signed.headers.items()]
        return HttpRequest("POST", f"{URI_PATH}{path}".encode(), headers, body, "192.0.2.7", True)

    def send(self, request: HttpRequest) -> Answer:
        async def sending() -> Answer:
            return await self.service(request)

        return self.road.wait(sending())

    def metadata(self, **members: Any) -> dict[str, Any]:
        """requestMetadata; None takes a member away."""
        known = {
            "awsPrincipalArn": ALICE,
            "kmsKeyArn": KMS_KEY,
            "kmsOperation": "Encrypt",
            "kmsRequestId": "request-1",
        }
        return {name: value for name, value in (known | members).items() if value is not None}

    def ask(
        self, path: str, metadata: Mapping[str, Any] | None = None, **members: Any
    ) -> tuple[int, dict[str, Any]]:
        """Status and answer of a signed request; members that are None are left out."""
        document = {"requestMetadata": self.metadata(**(metadata or {}))}
        document |= {name: value for name, value in members.items() if value is not None}
        answer = self.send(self.request(path, json.dumps(document).encode()))
        assert answer.content_type == b"application/json"
        content: dict[str, Any] = json.loads(answer.body)
        return answer.status, content

    def encrypt(self, plaintext: bytes = b"text", external_id: str = "foo", **more: Any) -> dict[str, Any]:
        """Raises AssertionError unless it succeeds."""
        members = {"plaintext": text(plaintext), "encryptionAlgorithm": "AES_GCM"} | more
        status, answer = self.ask(f"/keys/{external_id}/encrypt", **members)
        assert status == 200, answer
        return answer

    def refusal_of_encrypt(self, metadata: Mapping[str, Any] | None = None, **more: Any) -> str:
        members = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM"} | more
        return self.refusal("/keys/foo/encrypt", metadata, **members)

    def refusal(self, path: str, metadata: Mapping[str, Any] | None = None, **members: Any) -> str:
        """The name of the error; its status is that of the specification."""
        status, answer = self.ask(path, metadata, **members)
        assert status != 200, answer
        assert STATUSES[answer["errorName"]] == status
        assert 0 < len(answer["errorMessage"]) < 512
        assert all(" " <= character <= "~" for character in answer["errorMessage"])
        return str(answer["errorName"])


def to_decrypt(encrypted: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """The members of Decrypt for an answer of Encrypt."""
    members = {name: value for name, value in encrypted.items() if name != "ciphertextDataIntegrityValue"}
    return members | {"encryptionAlgorithm": "AES_GCM"} | more


STATUSES = {  # the specification's table, written out once more
    "ValidationException": 400,
    "InvalidStateException": 400,
    "InvalidCiphertextException": 400,
    "InvalidKeyUsageException": 400,
    "AuthenticationFailedException": 401,
    "AccessDeniedException": 403,
    "KeyNotFoundException": 404,
    "InvalidUriPathException": 404,
    "ThrottlingException": 429,
    "InternalException": 500,
    "UnsupportedOperationException": 501,
    "DependencyTimeoutException": 503,
}
