"""AssumeRoleWithWebIdentity on the road: nobody signs, an issuer's token says who asks."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.role_scene import (
    OTHER_ACCOUNT,
    TestRole,
    account_of,
    new_role,
    policy,
    refusal,
    trust,
)
from tests.support.oidc import AUDIENCE, HOST, SUBJECT, URL, Issuer, public_pem, segment
from tests.support.query_client import from_document, to_form
from tests.support.road import ACCOUNT, Refusal, Road

from strongroom.identity.http_request import HttpRequest
from strongroom.resources.iam import IdPrefix, OidcProvider, new_unique_id
from strongroom.resources.identifiers import AccountId

ACTION = "sts:AssumeRoleWithWebIdentity"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{HOST}"
OTHER_URL = "https://other.example.com/realms/one"
DENIED = ("AccessDenied", f"Not authorized to perform {ACTION}", 403)
INVALID = "InvalidIdentityToken"
NO_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)


class Scene:
    """A road with two issuers, of which the account knows both."""

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


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("web-identity"))
    with scene.road:
        yield scene


@pytest.fixture
def own_scene(tmp_path: Path) -> Iterator[Scene]:
    """One whose issuer and clock a test may change."""
    scene = Scene(tmp_path)
    with scene.road:
        yield scene


def test_token_of_a_trusted_issuer_opens_a_session(scene: Scene) -> None:
    road, role = scene.road, scene.role(policy("kms:*"))
    token = scene.issuer.token()
    answer = scene.send(token, role, DurationSeconds=900)
    assert answer["SubjectFromWebIdentityToken"] == SUBJECT
    assert answer["Audience"] == AUDIENCE
    assert answer["Provider"] == URL
    session_arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.role.name}/app"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role.role.unique_id}:app", "Arn": session_arn}
    record = road.last_record
    assert record["userIdentity"] == {
        "type": "WebIdentityUser",
        "principalId": f"{PROVIDER}:{AUDIENCE}:{SUBJECT}",
        "userName": SUBJECT,
        "identityProvider": PROVIDER,
    }
    assert record["requestParameters"] == {
        "roleArn": role.arn,
        "roleSessionName": "app",
        "durationSeconds": 900,
    }
    assert record["responseElements"]["credentials"].keys() == {"accessKeyId", "expiration"}
    assert record["responseElements"]["subjectFromWebIdentityToken"] == SUBJECT
    assert record["resources"] == [{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": role.arn}]
    assert record["recipientAccountId"] == ACCOUNT
    assert token not in json.dumps(road.audit.records)
    session = road.bearer_of_answer(answer["Credentials"])
    assert road.call_query("sts", "GetCallerIdentity", account=session)["Arn"] == session_arn
    context = road.last_record["userIdentity"]["sessionContext"]
    assert context["webIdFederationData"]["federatedProvider"] == PROVIDER
    road.call("ListKeys", account=session)


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_every_algorithm_of_aws_is_taken(own_scene: Scene, algorithm: str) -> None:
    own_scene.issuer.publish(algorithm)
    assert own_scene.send(own_scene.issuer.token(algorithm), own_scene.role())["Credentials"]


# hostile tokens


def hmac_token(scene: Scene, secret: bytes, algorithm: str = "HS256") -> str:
    """Signed with the public key, taken for a shared secret."""
    head = segment({"alg": algorithm, "kid": "RS256", "typ": "JWT"})
    text = f"{head}.{segment(scene.issuer.claims())}"
    return f"{text}.{segment(hmac.digest(secret, text.encode(), hashlib.sha256))}"


def unsigned(scene: Scene, algorithm: str) -> str:
    return f"{segment({'alg': algorithm, 'kid': 'RS256'})}.{segment(scene.issuer.claims())}."


def with_payload(scene: Scene, payload: bytes) -> str:
    head, _, signature = scene.issuer.token().split(".")
    return f"{head}.{segment(payload)}.{signature}"


def with_header(scene: Scene, **members: Any) -> str:
    """The header is replaced, the signature stays."""
    _, payload, signature = scene.issuer.token().split(".")
    return f"{segment({'alg': 'RS256', 'kid': 'RS256'} | members)}.{payload}.{signature}"


DEEP = b'{"a":' * 1500 + b"1" + b"}" * 1500
HOSTILE: dict[str, Callable[[Scene], str]] = {
    "none": lambda scene: unsigned(scene, "none"),
    "None": lambda scene: unsigned(scene, "None"),
    "no-signature": lambda scene: unsigned(scene, "RS256"),
    "hmac-of-public-pem": lambda scene: hmac_token(scene, public_pem(scene.issuer.key("RS256"))),
    "hmac-of-nothing": lambda scene: hmac_token(scene, b""),
    "hmac-called-rs256": lambda scene: hmac_token(scene, public_pem(scene.issuer.key("RS256")), "RS256"),
    "pss": lambda scene: scene.issuer.token("RS256", headers={"alg": "PS256"}),
    "unknown-kid": lambda scene: scene.issuer.token(kid="gone"),
    "no-kid": lambda scene: scene.issuer.token(kid=None),
    "kid-of-another-kind": lambda scene: scene.issuer.token(kid="ES256"),
    "kid-of-another-curve": lambda scene: scene.issuer.token("ES384", kid="ES256"),
    "signed-by-another": lambda scene: scene.other.token(iss=URL),
    "other-payload": lambda scene: with_payload(scene, json.dumps(scene.issuer.claims(sub="root")).encode()),
    "own-key-in-header": lambda scene: scene.issuer.token(
        kid="x", headers={"jwk": {"kty": "oct", "k": "AA"}}
    ),
    "critical": lambda scene: scene.issuer.token(headers={"crit": ["exp"], "exp": 1}),
    "not-base64-encoded": lambda scene: with_header(scene, b64=False, crit=["b64"]),
    "deep-json": lambda scene: with_payload(scene, b'{"iss":' + b"[" * 5000 + b"]" * 5000 + b"}"),
    "deep-header": lambda scene: ".".join((segment(DEEP), segment(scene.issuer.claims()), "AAAA")),
    "no-object": lambda scene: with_payload(scene, b'"text"'),
    "not-utf-8": lambda scene: with_payload(scene, b'{"iss":"\xff"}'),
    "claims-of-other-types": lambda scene: scene.issuer.token(exp="tomorrow"),
    "fractional-time": lambda scene: scene.issuer.token(exp=scene.now() + 60.5),
    "enormous-time": lambda scene: scene.issuer.token(exp=10**30),
    "long-subject": lambda scene: scene.issuer.token(sub="a" * 256),
    "two-parts": lambda scene: "aaaa.bbbb",
    "five-parts": lambda scene: "a.b.c.d.e",
    "no-token": lambda scene: "a Kubernetes token",
    "not-ascii": lambda scene: scene.issuer.token() + "é",
    "line-end": lambda scene: scene.issuer.token() + "\n",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_token_is_refused_and_opens_nothing(scene: Scene, kind: str) -> None:
    role = scene.role()
    code, _, status = scene.refused(HOSTILE[kind](scene), role)
    assert (code, status) == (INVALID, 400)
    record = scene.road.last_record
    assert (record["errorCode"], record["userIdentity"]) == (INVALID, {"type": "Unknown"})
    assert record["responseElements"] is None


def test_token_that_is_too_long_is_refused(scene: Scene) -> None:
    code, _, status = scene.refused(scene.issuer.token(filling="a" * 20_000), scene.role())
    assert (code, status) == ("ValidationError", 400)
    assert scene.refused("abc", scene.role())[0] == "ValidationError"


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp", "iat"])
def test_claim_that_is_missing_is_named(scene: Scene, claim: str) -> None:
    without: dict[str, Any] = {claim: None}
    found = scene.refused(scene.issuer.token(**without), scene.role())
    assert found == (INVALID, f"Missing a required claim: {claim}", 400)


def test_expired_token_is_told_so(scene: Scene) -> None:
    now = int(scene.now())
    role = scene.role()
    assert scene.send(scene.issuer.token(exp=now - 240), role)  # clocks differ by a little
    code, sentence, status = scene.refused(scene.issuer.token(exp=now - 360), role)
    assert (code, status) == ("ExpiredTokenException", 400)
    assert (sentence or "").endswith(f"must be before the expiration date/time {now - 360}")


@pytest.mark.parametrize("claim", ["nbf", "iat"])
def test_token_of_a_time_to_come_is_refused(scene: Scene, claim: str) -> None:
    now = int(scene.now())
    soon: dict[str, Any] = {claim: now + 240}
    later: dict[str, Any] = {claim: now + 900}
    assert scene.send(scene.issuer.token(**soon), scene.role())
    assert scene.refused(scene.issuer.token(**later), scene.role())[0] == INVALID


def test_token_is_judged_by_the_services_clock(own_scene: Scene) -> None:
    role, token = own_scene.role(), own_scene.issuer.token()
    assert own_scene.send(token, role)
    own_scene.road.clock.advance(3600 + 301)
    assert own_scene.refused(token, role)[0] == "ExpiredTokenException"


# audiences and issuers


@pytest.mark.parametrize(
    ("claims", "audience"),
    [
        ({"aud": AUDIENCE}, AUDIENCE),
        ({"aud": ["unknown", "second-client"]}, "second-client"),
        ({"aud": ["unknown"], "azp": AUDIENCE}, AUDIENCE),
        ({"aud": None, "azp": AUDIENCE}, AUDIENCE),
        ({"aud": ["unknown"]}, None),
        ({"aud": ["STS.amazonaws.com"]}, None),
        ({"aud": [AUDIENCE], "azp": "unknown"}, None),
        ({"aud": ["*"]}, None),
    ],
    ids=["text", "one-of-two", "azp", "azp-alone", "unknown", "other-case", "azp-unknown", "star"],
)
def test_token_must_be_for_a_client_of_the_provider(
    scene: Scene, claims: dict[str, Any], audience: str | None
) -> None:
    token = scene.issuer.token(**claims)
    if audience is None:
        assert scene.refused(token, scene.role()) == (INVALID, "Incorrect token audience", 400)
    else:
        assert scene.send(token, scene.role())["Audience"] == audience


@pytest.mark.parametrize(
    "issuer", [URL.upper(), URL.lower(), URL + "/", URL.replace("https", "http"), HOST, "https://", ""]
)
def test_issuer_that_the_account_does_not_know_is_refused(scene: Scene, issuer: str) -> None:
    code, sentence, _ = scene.refused(scene.issuer.token(iss=issuer), scene.role())
    assert code == INVALID
    assert sentence == (
        f"No OpenIDConnect provider found in your account for {issuer}"
        if issuer
        else "No OpenIDConnect provider found in your account for "
    )


def test_provider_of_another_account_is_none(scene: Scene) -> None:
    role = new_role(scene.road, trust({"Federated": PROVIDER}, ACTION), account=OTHER_ACCOUNT)
    assert scene.refused(scene.issuer.token(), role)[1] == (
        f"No OpenIDConnect provider found in your account for {URL}"
    )


def test_provider_whose_keys_nobody_configured_is_refused(scene: Scene) -> None:
    url = "https://unconfigured.example.com"
    scene.trust_issuer(url)
    assert scene.refused(scene.issuer.token(iss=url), scene.role()) == (INVALID, NO_KEY, 400)


def test_keys_are_read_again_when_their_file_changes(own_scene: Scene) -> None:
    issuer, role = own_scene.issuer, own_scene.role()
    rsa, curve = issuer.token("RS256"), issuer.token("ES256")
    assert own_scene.send(rsa, role)
    issuer.publish("ES256")
    assert own_scene.refused(rsa, role) == (INVALID, NO_KEY, 400)
    assert own_scene.send(curve, role)


def test_keys_that_cannot_be_read_are_not_believed(own_scene: Scene) -> None:
    """INVARIANT W2."""
    issuer, role = own_scene.issuer, own_scene.role()
    assert own_scene.send(issuer.token(), role)
    issuer.write(b'{"keys": [')
    assert own_scene.refused(issuer.token(), role)[::2] == ("IDPCommunicationError", 400)
    issuer.file.unlink()
    assert own_scene.refused(issuer.token(), role)[::2] == ("IDPCommunicationError", 400)
    issuer.publish("RS256")
    assert own_scene.send(issuer.token(), role)


# who is trusted


@pytest.mark.parametrize(
    ("condition", "claims", "allowed"),
    [
        ({"StringEquals": {f"{HOST}:sub": SUBJECT, f"{HOST}:aud": AUDIENCE}}, {}, True),
        ({"StringEquals": {f"{HOST}:sub": SUBJECT}}, {"sub": SUBJECT + "2"}, False),
        ({"StringLike": {f"{HOST}:sub": "system:serviceaccount:default:*"}}, {}, True),
        ({"StringEquals": {f"{HOST.upper()}:SUB": SUBJECT}}, {}, True),
        ({"StringEquals": {f"{HOST}:sub": SUBJECT.upper()}}, {}, False),
        ({"StringEquals": {f"{HOST}:aud": "second-client"}}, {}, False),
        (
            {"ForAllValues:StringEquals": {f"{HOST}:aud": AUDIENCE}, "Null": {f"{HOST}:aud": "false"}},
            {"aud": [AUDIENCE, "unknown"]},
            True,
        ),
        ({"StringEquals": {f"{HOST}:aud": "second-client"}}, {"azp": "second-client"}, True),
        ({"ForAnyValue:StringEquals": {f"{HOST}:oaud": AUDIENCE}}, {"azp": "second-client"}, True),
        ({"ForAnyValue:StringEquals": {f"{HOST}:amr": "mfa"}}, {"amr": ["pwd", "mfa"]}, True),
        ({"ForAnyValue:StringEquals": {f"{HOST}:amr": "mfa"}}, {"amr": ["pwd"]}, False),
        ({"StringEquals": {f"{HOST}:email": "a@example.com"}}, {"email": "a@example.com"}, True),
        ({"StringEquals": {"other.example.com:sub": SUBJECT}}, {}, False),
        ({"StringEquals": {"aws:FederatedProvider": PROVIDER}}, {}, True),
        ({"StringEquals": {"sts:RoleSessionName": "app"}}, {}, True),
        ({"StringEquals": {"aws:ResourceAccount": ACCOUNT}}, {}, True),
        (
            {
                "Null": {
                    "aws:PrincipalArn": "true",
                    "aws:userid": "true",
                    "aws:PrincipalAccount": "true",
                    "aws:TokenIssueTime": "true",
                    "aws:PrincipalTag/Team": "true",
                }
            },
            {},
            True,
        ),
    ],
    ids=[
        "sub-and-aud",
        "other-sub",
        "like",
        "case-of-key",
        "case-of-value",
        "other-aud",
        "only-aud-of-provider",
        "azp-is-aud",
        "oaud",
        "amr",
        "amr-without",
        "email",
        "other-issuer",
        "provider",
        "session-name",
        "account",
        "nobody-yet",
    ],
)
def test_trust_policy_is_judged_by_the_tokens_claims(
    scene: Scene, condition: dict[str, Any], claims: dict[str, Any], allowed: bool
) -> None:
    role, token = scene.role(Condition=condition), scene.issuer.token(**claims)
    if allowed:
        assert scene.send(token, role)
    else:
        assert scene.refused(token, role) == DENIED


@pytest.mark.parametrize(
    "principal",
    [
        {"Federated": PROVIDER.replace(HOST, OTHER_URL.removeprefix("https://"))},
        {"Federated": PROVIDER.replace(ACCOUNT, OTHER_ACCOUNT)},
        account_of(),
        {"AWS": "*"},
        {"Service": "s3.amazonaws.com"},
    ],
    ids=["other-provider", "other-account", "account", "everybody-of-aws", "service"],
)
def test_role_that_does_not_name_the_provider_is_not_assumed(scene: Scene, principal: dict[str, Any]) -> None:
    role = scene.role(principal=principal)
    assert scene.refused(scene.issuer.token(), role) == DENIED
    assert scene.road.last_record["userIdentity"]["userName"] == SUBJECT


def test_decision_for_one_issuer_is_never_that_of_another(scene: Scene) -> None:
    role = scene.role()
    for _ in range(2):
        assert scene.send(scene.issuer.token(), role)
        assert scene.refused(scene.other.token(), role) == DENIED


def test_deny_of_everybody_denies_web_identities(scene: Scene) -> None:
    deny = {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": ACTION}
    role = new_role(scene.road, trust({"Federated": PROVIDER}, ACTION, deny))
    assert scene.refused(scene.issuer.token(), role) == DENIED


def test_role_that_trusts_the_provider_for_another_action_is_not_assumed(scene: Scene) -> None:
    assert scene.refused(scene.issuer.token(), scene.role(action="sts:AssumeRole")) == DENIED


def test_role_that_does_not_exist_is_refused_like_one_that_does_not_trust(scene: Scene) -> None:
    assert scene.refused(scene.issuer.token(), f"arn:aws:iam::{ACCOUNT}:role/nobody") == DENIED


def test_signature_and_session_token_beside_the_token_count_for_nothing(scene: Scene) -> None:
    role = scene.role()
    members = {"RoleArn": role.arn, "RoleSessionName": "app", "WebIdentityToken": "a.b.c"}
    answer = scene.road.send_query(
        "sts", "AssumeRoleWithWebIdentity", to_form("sts", "AssumeRoleWithWebIdentity", members)
    )
    assert answer.status == 400
    assert b"InvalidIdentityToken" in answer.body


def test_every_other_operation_still_needs_a_signature(scene: Scene) -> None:
    road = scene.road
    http = HttpRequest("POST", b"/", [(b"host", b"localhost")], b"", "127.0.0.1", False)
    for service, name in (
        ("sts", "AssumeRole"),
        ("sts", "GetCallerIdentity"),
        ("sts", "GetSessionToken"),
        ("sts", "AssumeRoleWithSAML"),
        ("sts", "assumerolewithwebidentity"),
        ("iam", "AssumeRoleWithWebIdentity"),
    ):
        answer = road.wait(road.pipeline.answer(http, road.query_codecs[service], service, name))
        assert (answer.status, b"MissingAuthenticationToken" in answer.body) == (403, True), name
    answer = road.wait(road.pipeline.answer(http, road.codec, "kms", "AssumeRoleWithWebIdentity"))
    assert b"MissingAuthenticationToken" in answer.body


# tags, source identity, policies, duration


def test_tags_and_source_identity_come_with_the_token(scene: Scene) -> None:
    road = scene.road
    guarded = policy("kms:ListKeys", Condition={"StringEquals": {"aws:PrincipalTag/Team": "blue"}})
    role = scene.role(guarded, policy("sts:*"), Condition={"StringEquals": {"aws:RequestTag/Team": "blue"}})
    claims: dict[str, Any] = {
        "https://aws.amazon.com/tags": {
            "principal_tags": {"Team": ["blue"]},
            "transitive_tag_keys": ["Team"],
        },
        "https://aws.amazon.com/source_identity": "alice",
    }
    answer = scene.send(scene.issuer.token(**claims), role)
    assert answer["SourceIdentity"] == "alice"
    session = road.bearer_of_answer(answer["Credentials"])
    road.call("ListKeys", account=session)
    second = new_role(
        road, trust(account_of(), ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]), guarded
    )
    chained = second.assume(session)
    assert chained["SourceIdentity"] == "alice"
    road.call("ListKeys", account=road.bearer_of_answer(chained["Credentials"]))
    bare = scene.role(action=ACTION)
    code, sentence, _ = scene.refused(scene.issuer.token(**claims), bare)
    assert (code, sentence) == ("AccessDenied", "Not authorized to perform sts:TagSession")


@pytest.mark.parametrize(
    "claims",
    [
        {"https://aws.amazon.com/tags": {"principal_tags": {"a<b": ["v"]}}},
        {"https://aws.amazon.com/tags": {"principal_tags": {"a": ["v" * 257]}}},
        {"https://aws.amazon.com/tags": {"principal_tags": {"a": ["v", "w"]}}},
        {"https://aws.amazon.com/tags": {"principal_tags": {"a": ["v"], "A": ["v"]}}},
        {"https://aws.amazon.com/tags": {"principal_tags": {"aws:a": ["v"]}}},
        {"https://aws.amazon.com/tags": {"transitive_tag_keys": ["Team"]}},
        {"https://aws.amazon.com/tags": {"principal_tags": {f"k{n}": ["v"] for n in range(51)}}},
        {"https://aws.amazon.com/source_identity": "a b"},
        {"https://aws.amazon.com/source_identity": "aws:me"},
    ],
    ids=[
        "letters",
        "long",
        "two-values",
        "twice",
        "reserved",
        "transitive-of-none",
        "too-many",
        "identity-letters",
        "identity-reserved",
    ],
)
def test_tags_of_a_token_are_held_to_the_same_rules(scene: Scene, claims: dict[str, Any]) -> None:
    code, _, status = scene.refused(scene.issuer.token(**claims), scene.role())
    assert (code, status) in {
        (INVALID, 400),
        ("InvalidParameterValue", 400),
        ("ValidationError", 400),
    }


def test_session_policy_limits_a_web_identitys_session(scene: Scene) -> None:
    road, role = scene.road, scene.role(policy("kms:*"))
    answer = scene.send(
        scene.issuer.token(), role, Policy=policy("kms:ListAliases"), MinimumSessionTokenSize=1
    )
    session = road.bearer_of_answer(answer["Credentials"])
    road.call("ListAliases", account=session)
    assert refusal(road.call, "ListKeys", account=session)[0] == "AccessDeniedException"
    gone = [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/gone"}]
    assert scene.refused(scene.issuer.token(), role, PolicyArns=gone)[0] == "ValidationError"
    assert scene.refused(scene.issuer.token(), role, Policy="{}")[0] == "MalformedPolicyDocument"


def test_web_identitys_session_is_as_long_as_the_role_allows_and_then_chains(scene: Scene) -> None:
    role = scene.role(policy("sts:*"))
    role.change(max_session_seconds=7200)
    answer = scene.send(scene.issuer.token(), role, DurationSeconds=7200)
    assert scene.refused(scene.issuer.token(), role, DurationSeconds=7201)[0] == "ValidationError"
    session = scene.road.bearer_of_answer(answer["Credentials"])
    second = new_role(scene.road, trust(account_of()), max_session_seconds=7200)
    assert "role chaining" in (refusal(second.assume, session, DurationSeconds=3601)[1] or "")


def test_provider_id_is_refused(scene: Scene) -> None:
    found = scene.refused(scene.issuer.token(), scene.role(), ProviderId="www.amazon.com")
    assert found[0] == "ValidationError"
