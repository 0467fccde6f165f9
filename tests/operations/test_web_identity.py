"""AssumeRoleWithWebIdentity on the road: nobody signs, an issuer's token says who asks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.operations.role_scene import OTHER_ACCOUNT, account_of, new_role, policy, refusal, trust
from tests.operations.web_identity_scene import ACTION, INVALID, OTHER_URL, PROVIDER, Scene
from tests.support.oidc import AUDIENCE, HOST, SUBJECT, URL
from tests.support.query_client import to_form
from tests.support.road import ACCOUNT

from strongroom.identity.http_request import HttpRequest

DENIED = ("AccessDenied", f"Not authorized to perform {ACTION}", 403)
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference "
    "AssumeRoleWithWebIdentity documentation for requirements"
)


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


def test_session_of_one_provider_is_never_taken_for_that_of_another(scene: Scene) -> None:
    """Both are sessions of one role under one name; a key policy names one of the providers."""
    road = scene.road
    other = PROVIDER.replace(HOST, OTHER_URL.removeprefix("https://"))
    role = scene.role(principal={"Federated": [PROVIDER, other]})
    owner = {"Effect": "Allow", "Principal": account_of(), "Action": "kms:*", "Resource": "*"}
    named = owner | {"Principal": {"Federated": PROVIDER}, "Action": "kms:DescribeKey"}
    text = json.dumps({"Version": "2012-10-17", "Statement": [owner, named]})
    key = road.create_key(Policy=text)
    mine, theirs = (
        road.bearer_of_answer(scene.send(one.token(), role)["Credentials"])
        for one in (scene.issuer, scene.other)
    )
    for _ in range(2):
        road.call("DescribeKey", account=mine, KeyId=key["Arn"])
        denied = refusal(road.call, "DescribeKey", account=theirs, KeyId=key["Arn"])
        assert denied[0] == "AccessDeniedException"


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
