"""A road with two issuers of web identity tokens, of which the account knows both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.operations.role_scene import TestRole, new_role, refusal, trust
from tests.support.oidc import AUDIENCE, HOST, Issuer
from tests.support.query_client import from_document, to_form
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.identity.http_request import HttpRequest
from strongroom.resources.iam import IdPrefix, OidcProvider, new_unique_id
from strongroom.resources.identifiers import AccountId

ACTION = "sts:AssumeRoleWithWebIdentity"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
OTHER_URL = "https://other.example.com/realms/one"
INVALID = "InvalidIdentityToken"


class Scene:
    """The road, the issuers, and requests that nobody has signed."""

    def __init__(self, directory: Path) -> None:
        self.issuer = Issuer(directory)
        self.other = Issuer(directory, OTHER_URL, 1)
        issuers = {one.url: one.file for one in (self.issuer, self.other)}
        self.road = Road(directory, oidc_issuers=issuers)
        for url in issuers:
            self.trust_issuer(url)

    def trust_issuer(self, url: str, *client_ids: str, account: str = ACCOUNT) -> None:
        """CreateOpenIDConnectProvider."""
        provider = OidcProvider(
            account_id=AccountId(account),
            name=url.removeprefix("https://"),
            unique_id=new_unique_id(IdPrefix.POLICY),
            created_at=self.road.clock.now(),
            client_ids=client_ids or (AUDIENCE, "second-client"),
        )
        self.road.wait(self.road.store.insert_entity(provider))

    def role(self, *policies: str, principal: dict[str, Any] | None = None, **more: Any) -> TestRole:
        actions = [ACTION, "sts:TagSession", "sts:SetSourceIdentity"]
        text = trust(principal or {"Federated": PROVIDER}, more.pop("action", actions), **more)
        return new_role(self.road, text, *policies)

    def send(self, token: str, role: TestRole | str, **more: Any) -> dict[str, Any]:
        """One request that nobody has signed."""
        arn = role if isinstance(role, str) else role.arn
        members = {"RoleArn": arn, "RoleSessionName": "app", "WebIdentityToken": token} | more
        body = to_form("sts", "AssumeRoleWithWebIdentity", members)
        http = HttpRequest("POST", b"/", [(b"host", b"localhost")], body, "127.0.0.1", False)
        road = self.road
        answer = road.wait(
            road.pipeline.answer(http, road.query_codecs["sts"], "sts", "AssumeRoleWithWebIdentity")
        )
        content = from_document("sts", "AssumeRoleWithWebIdentity", answer.body, answer.status)
        if answer.status != 200:
            raise Refusal(content["Error"]["Code"], content["Error"]["Message"], answer.status)
        return content

    def now(self) -> float:
        return self.road.clock.epoch_seconds()

    def refused(self, token: str, role: TestRole | str, **more: Any) -> tuple[str, str | None, int]:
        return refusal(self.send, token, role, **more)
