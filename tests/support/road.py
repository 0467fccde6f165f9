"""The road in this process, with the real store, the real boundary and AWS's real JSON.

Only three parts are doubles: the records are gathered in a list, the clock is moved by the test, and
nobody signs (the open authenticator of development).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, TypeVar

from tests.support.new_database import new_database
from tests.support.query_client import from_document, to_form
from tests.support.running_boundary import RunningBoundary

from strongroom.attestation.verification import AttestationVerifier
from strongroom.audit.interface import AuditUnavailable
from strongroom.authorization.authorizer import Authorizer
from strongroom.aws.generated.enums import CustomKeyStoreType
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.boundary.client import BoundaryClient
from strongroom.clock import MovableClock
from strongroom.federation.key_sets import KeySets
from strongroom.identity.authenticate import OpenAuthenticator
from strongroom.identity.callers import Callers
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import AuthenticatedPrincipal, AuthenticatedRequest
from strongroom.identity.temporary_credentials import TemporaryCredentials
from strongroom.jobs.runner import JobRunner
from strongroom.operations.context import Rooms
from strongroom.operations.key_store_backend import KeyStoreBackend
from strongroom.operations.request_quotas import RequestQuotas
from strongroom.operations.rules import Rules
from strongroom.operations.table import ALL_OPERATIONS, NOT_BUILT
from strongroom.pipeline import Answer, Pipeline
from strongroom.request_ids import RequestIds
from strongroom.resources.identifiers import AccountId
from strongroom.store.opening import open_store
from strongroom.store.stamps import Stamps, new_stamp_words
from strongroom.wire.aws_json import AwsJson11
from strongroom.wire.aws_query import AwsQuery

ACCOUNT = "000000000000"
REGION = "eu-central-1"

T = TypeVar("T")


class Refusal(Exception):
    """The road refused: AWS's error name, sentence and HTTP status."""

    def __init__(self, code: str, message: str | None, status: int) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status


class ListedTrail:
    """An audit trail that keeps the records, and can be told to fail."""

    durable = False
    expected = 0

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.accepting = True
        self.durably_recorded = 0

    def is_accepting(self) -> bool:
        return self.accepting

    def soon(self, record: bytes) -> None:
        if not self.accepting:
            raise AuditUnavailable
        self.records.append(json.loads(record))

    async def durably(self, record: bytes) -> None:
        self.soon(record)
        self.durably_recorded += 1


class GivenCallers:
    """Nobody signs; an access key id that a test has given to a principal is that principal's."""

    def __init__(self, others: OpenAuthenticator) -> None:
        self.by_access_key: dict[str, AuthenticatedPrincipal] = {}
        self._open = others

    async def authenticate(self, request: HttpRequest) -> AuthenticatedRequest:
        authenticated = await self._open.authenticate(request)
        principal = self.by_access_key.get(authenticated.principal.access_key_id)
        if principal is None:
            return authenticated
        return AuthenticatedRequest(principal, authenticated.region, authenticated.service)

    def add(self, principal: AuthenticatedPrincipal) -> str:
        """The access key id by which requests are the principal's: the `account` of `Road.call`."""
        self.by_access_key[principal.access_key_id] = principal
        return principal.access_key_id


class Road:
    """A pipeline with its rooms; `call` sends one request down it. A context manager."""

    def __init__(
        self,
        directory: Path,
        rules: Rules = Rules(  # noqa: B008  (frozen)
            require_policy_principals=False, domain_key_rotation_hours=0
        ),
        request_quotas: RequestQuotas | None = None,
        attestation_roots: Mapping[str, bytes] | None = None,
        key_stores: Mapping[CustomKeyStoreType, KeyStoreBackend] = MappingProxyType({}),
        oidc_issuers: Mapping[str, Path] | None = None,
    ) -> None:
        self.directory = directory
        self.loop = asyncio.new_event_loop()
        self._seal_key = directory / "seal.key"
        self.running_boundary = RunningBoundary(self._seal_key, is_nursed=True)
        self.clock = MovableClock(memoryview(bytearray(8)).cast("Q"))
        self.stamp_words = new_stamp_words()
        self.store = open_store(
            new_database(directory / "strongroom.db"), Stamps(self.stamp_words), self.clock
        )
        self.boundary = BoundaryClient(self.loop, self.store)
        self.boundary.attach(self.running_boundary.new_channel("jobs"))  # worker and job runner in one
        self.audit = ListedTrail()
        self.rooms = Rooms(
            self.store,
            self.boundary,
            Authorizer(self.store),
            self.clock,
            rules,
            AttestationVerifier(attestation_roots or {}),
            key_stores=key_stores,
            oidc_keys=KeySets(oidc_issuers),
        )
        ids = RequestIds()
        self.jobs = JobRunner(self.rooms, self.audit, ids)
        self.callers = GivenCallers(
            OpenAuthenticator(AccountId(ACCOUNT), Callers(self.store, self.boundary, self.clock))
        )
        self.codec = AwsJson11()
        self.more_headers: list[tuple[bytes, bytes]] = []
        """Sent with every request from now on: an integrated service's, say."""
        self._session_tokens: dict[str, str] = {}
        self.query_codecs = {name: AwsQuery(name) for name in QUERY_SERVICES}
        self.pipeline = Pipeline(
            authenticator=self.callers,
            rooms=self.rooms,
            audit=self.audit,
            request_ids=ids,
            operations=ALL_OPERATIONS,
            not_built=[("kms", name) for name in NOT_BUILT],
            regions=None,
            request_quotas=request_quotas,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.boundary.close()
        self.store.close()
        self.running_boundary.stop()
        # What is still pending would be destroyed, and complain, while some other test is running.
        self.loop.run_until_complete(self._end_tasks())
        self.loop.close()

    async def _end_tasks(self) -> None:
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    def restart_boundary(self, environment: Mapping[str, str] | None = None) -> None:
        """A new boundary process with the same seal, as after a crash."""
        seal_record = self.running_boundary.seal_record
        self.running_boundary.stop()
        self.running_boundary = RunningBoundary(
            self._seal_key, seal_record, environment=environment, is_nursed=environment is None
        )
        self.boundary.attach(self.running_boundary.new_channel("jobs"))

    def read_database_anew(self) -> None:
        """After a test wrote into it: nothing that was read before is remembered."""
        Stamps(self.stamp_words).touch_all()

    def wait(self, awaitable: Awaitable[T]) -> T:
        async def waiting() -> T:
            return await awaitable

        return self.loop.run_until_complete(waiting())

    def send(
        self,
        operation: str,
        body: bytes,
        *,
        account: str = ACCOUNT,
        region: str = REGION,
        service: str = "kms",
    ) -> Answer:
        """One request of KMS with this body, whatever it holds, signed for `service`."""
        request = self._request(body, account, region, service)
        return self.wait(self.pipeline.answer(request, self.codec, "kms", operation))

    def bearer_of(self, credentials: TemporaryCredentials) -> str:
        """What to give as `account` to make a request with temporary credentials."""
        self._session_tokens[credentials.access_key_id] = credentials.session_token
        return credentials.access_key_id

    def bearer_of_answer(self, credentials: Mapping[str, str]) -> str:
        """The same, with Credentials as STS has answered them."""
        self._session_tokens[credentials["AccessKeyId"]] = credentials["SessionToken"]
        return credentials["AccessKeyId"]

    def _request(self, body: bytes, account: str, region: str, service: str) -> HttpRequest:
        """`account` is the access key id that signs: 12 digits stand for an account's root, that of a user
        or service for this one."""
        scope = f"{account}/20260101/{region}/{service}/aws4_request"
        headers = [
            (b"host", b"localhost"),
            (b"user-agent", b"tests"),
            (
                b"authorization",
                f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={'0' * 64}".encode(),
            ),
        ]
        if account in self._session_tokens:
            headers.append((b"x-amz-security-token", self._session_tokens[account].encode()))
        headers += self.more_headers
        return HttpRequest("POST", b"/", headers, body, "127.0.0.1", False)

    def call(self, operation: str, account: str = ACCOUNT, region: str = REGION, **members: Any) -> Any:
        """The answer's members; raises Refusal. Members are given as on the wire, blobs in base64."""
        answer = self.send(operation, json.dumps(members).encode(), account=account, region=region)
        content = json.loads(answer.body) if answer.body else {}
        if answer.status != 200:
            raise Refusal(content["__type"], content.get("message"), answer.status)
        return content

    def send_query(
        self, service: str, operation: str, body: bytes, *, account: str = ACCOUNT, region: str = REGION
    ) -> Answer:
        """One request of IAM or STS with this form, whatever it holds."""
        request = self._request(body, account, region, service)
        return self.wait(self.pipeline.answer(request, self.query_codecs[service], service, operation))

    def call_query(self, service: str, operation: str, account: str = ACCOUNT, **members: Any) -> Any:
        """The answer's members as boto3 gives them, without ResponseMetadata; raises Refusal."""
        answer = self.send_query(service, operation, to_form(service, operation, members), account=account)
        content = from_document(service, operation, answer.body, answer.status)
        if answer.status != 200:
            raise Refusal(content["Error"]["Code"], content["Error"]["Message"], answer.status)
        del content["ResponseMetadata"]
        return content

    def create_key(self, **members: Any) -> dict[str, Any]:
        """The metadata of a new key."""
        metadata: dict[str, Any] = self.call("CreateKey", **members)["KeyMetadata"]
        return metadata

    @property
    def last_record(self) -> dict[str, Any]:
        return self.audit.records[-1]
