"""AssumeRole on the road: who may, for how long, and what is recorded."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.operations.role_scene import (
    OTHER_ACCOUNT,
    account_of,
    new_access_key,
    new_role,
    new_user,
    policy,
    refusal,
    trust,
)
from tests.support.road import ACCOUNT, Road

from strongroom.identity.principal import PrincipalType

MAY_ASSUME = policy("sts:AssumeRole")
PLAINTEXT = base64.b64encode(b"a secret").decode()


def denied(arn: str, role_arn: str, action: str = "sts:AssumeRole") -> tuple[str, str, int]:
    return (
        "AccessDenied",
        f"User: {arn} is not authorized to perform: {action} on resource: {role_arn}",
        403,
    )


def test_assumed_role_is_answered_with_credentials_that_work(road: Road) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()), policy("kms:*"), path="/ci/")
    before = road.clock.now()
    answer = role.assume(user.access_key_id, RoleSessionName="build-7")
    assert answer["AssumedRoleUser"] == {
        "AssumedRoleId": f"{role.role.unique_id}:build-7",
        "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.role.name}/build-7",
    }
    credentials = answer["Credentials"]
    assert credentials["AccessKeyId"].startswith("ASIA")
    lifetime = credentials["Expiration"] - before.replace(microsecond=0).astimezone(UTC)
    assert timedelta(seconds=3599) <= lifetime <= timedelta(seconds=3602)
    assert "PackedPolicySize" not in answer
    bearer = road.bearer_of_answer(credentials)
    who = road.call_query("sts", "GetCallerIdentity", account=bearer)
    assert who == {
        "UserId": f"{role.role.unique_id}:build-7",
        "Account": ACCOUNT,
        "Arn": answer["AssumedRoleUser"]["Arn"],
    }
    key = road.create_key()
    blob = road.call("Encrypt", account=bearer, KeyId=key["Arn"], Plaintext=PLAINTEXT)["CiphertextBlob"]
    assert road.call("Decrypt", account=bearer, CiphertextBlob=blob)["Plaintext"] == PLAINTEXT


def test_assumed_role_is_recorded_as_cloudtrail_has_it(road: Road) -> None:
    user = new_user(road, policy(["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]))
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    role = new_role(road, trust(account_of(), actions))
    answer = role.assume(
        user.access_key_id,
        DurationSeconds=900,
        ExternalId="customer-7",
        SourceIdentity="alice",
        Tags=[{"Key": "Team", "Value": "blue"}],
        TransitiveTagKeys=["Team"],
    )
    record = road.last_record
    assert (record["eventName"], record["eventSource"]) == ("AssumeRole", "sts.amazonaws.com")
    assert record["readOnly"] is True
    assert record["requestParameters"] == {
        "roleArn": role.arn,
        "roleSessionName": "s1",
        "durationSeconds": 900,
        "externalId": "customer-7",
        "principalTags": {"Team": "blue"},
        "transitiveTagKeys": ["Team"],
        "sourceIdentity": "alice",
    }
    shown = record["responseElements"]
    assert shown["credentials"].keys() == {"accessKeyId", "expiration"}
    assert shown["credentials"]["accessKeyId"] == answer["Credentials"]["AccessKeyId"]
    expiration = datetime.strptime(shown["credentials"]["expiration"], "%b %d, %Y, %I:%M:%S %p")  # noqa: DTZ007
    assert expiration.replace(tzinfo=UTC) == answer["Credentials"]["Expiration"]
    assert shown["assumedRoleUser"] == {
        "assumedRoleId": f"{role.role.unique_id}:s1",
        "arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.role.name}/s1",
    }
    assert shown["sourceIdentity"] == "alice"
    assert record["resources"] == [{"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": role.arn}]
    for secret in (answer["Credentials"]["SecretAccessKey"], answer["Credentials"]["SessionToken"]):
        assert secret not in json.dumps(road.audit.records)
    session = road.bearer_of_answer(answer["Credentials"])
    road.call_query("sts", "GetCallerIdentity", account=session)
    context = road.last_record["userIdentity"]["sessionContext"]
    assert context["sourceIdentity"] == "alice"
    assert context["sessionIssuer"]["arn"] == role.arn


def test_role_that_does_not_exist_is_refused_as_one_that_trusts_another(road: Road) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of(OTHER_ACCOUNT)))
    gone = f"arn:aws:iam::{ACCOUNT}:role/nobody"
    for arn in (role.arn, gone):
        found = refusal(
            road.call_query,
            "sts",
            "AssumeRole",
            account=user.access_key_id,
            RoleArn=arn,
            RoleSessionName="s1",
        )
        assert found == denied(user.arn, arn)
        assert road.last_record["errorCode"] == "AccessDenied"
        assert road.last_record["resources"] == []


@pytest.mark.parametrize("spelling", ["case", "path", "partition", "account"])
def test_role_under_another_spelling_is_nobody(road: Road, spelling: str) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()), path="/ci/")
    arn = {
        "case": role.arn.replace("role/ci/sts", "role/ci/STS"),
        "path": role.arn.replace("/ci/", "/"),
        "partition": role.arn.replace("arn:aws:", "arn:aws-cn:"),
        "account": role.arn.replace(ACCOUNT, OTHER_ACCOUNT),
    }[spelling]
    assert refusal(role.assume, user.access_key_id, RoleArn=arn) == denied(user.arn, arn)


@pytest.mark.parametrize(
    "arn",
    [
        "arn:aws:iam::000000000000:user/alice",
        "arn:aws:iam:eu-central-1:000000000000:role/a",
        "arn:aws:iam::00000000000:role/alice",
        "arn:aws:sts::000000000000:assumed-role/a/b",
        "arn:aws:iam::000000000000:role/",
        "arn:aws:iam::000000000000:role/a\nb",
        "this-is-not-an-arn-at-all",
    ],
    ids=["user", "region", "short-account", "session", "no-name", "line-end", "no-arn"],
)
def test_arn_that_is_no_roles_is_invalid(road: Road, arn: str) -> None:
    found = refusal(road.call_query, "sts", "AssumeRole", RoleArn=arn, RoleSessionName="s1")
    assert found == ("ValidationError", "Request ARN is invalid", 400)


def test_root_of_an_account_assumes_no_role(road: Road) -> None:
    role = new_role(road, trust(account_of()))
    assert refusal(role.assume, ACCOUNT) == (
        "AccessDenied",
        "Roles may not be assumed by root accounts.",
        403,
    )


def test_account_that_is_trusted_leaves_it_to_identity_policies(road: Road) -> None:
    user = new_user(road)
    role = new_role(road, trust(account_of()))
    assert refusal(role.assume, user.access_key_id) == denied(user.arn, role.arn)
    elsewhere = new_user(road, policy("sts:AssumeRole", resource=f"arn:aws:iam::{ACCOUNT}:role/other*"))
    assert refusal(role.assume, elsewhere.access_key_id) == denied(elsewhere.arn, role.arn)


def test_user_that_is_named_needs_no_identity_policy(road: Road) -> None:
    user = new_user(road)
    role = new_role(road, trust({"AWS": user.arn}), trust_principals={user.arn: user.user.unique_id})
    assert role.assume(user.access_key_id)["AssumedRoleUser"]["AssumedRoleId"].startswith("AROA")
    again = new_role(road, trust({"AWS": user.arn}), trust_principals={user.arn: "AIDAAAAAAAAAAAAAAAAAA"})
    assert refusal(again.assume, user.access_key_id) == denied(user.arn, again.arn)


def test_explicit_deny_on_either_side_wins(road: Road) -> None:
    denying = new_user(road, MAY_ASSUME, policy("sts:*", effect="Deny"))
    role = new_role(road, trust(account_of()))
    assert refusal(role.assume, denying.access_key_id) == denied(denying.arn, role.arn)
    user = new_user(road, MAY_ASSUME)
    deny = {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"sts:RoleSessionName": "s1"}},
    }
    guarded = new_role(road, trust(account_of(), "sts:AssumeRole", deny))
    assert refusal(guarded.assume, user.access_key_id) == denied(user.arn, guarded.arn)
    guarded.assume(user.access_key_id, RoleSessionName="s2")


def test_role_of_another_account_needs_both_sides(road: Road) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()), account=OTHER_ACCOUNT)
    assert role.assume(user.access_key_id)["AssumedRoleUser"]["Arn"].startswith(
        f"arn:aws:sts::{OTHER_ACCOUNT}:assumed-role/"
    )
    bare = new_user(road)
    named = new_role(
        road,
        trust({"AWS": bare.arn}),
        account=OTHER_ACCOUNT,
        trust_principals={bare.arn: bare.user.unique_id},
    )
    assert refusal(named.assume, bare.access_key_id) == denied(bare.arn, named.arn)


def test_service_assumes_a_role_that_names_it(road: Road) -> None:
    access_key_id = new_access_key(road, PrincipalType.AWS_SERVICE, "s3")
    role = new_role(road, trust({"Service": "s3.amazonaws.com"}))
    role.assume(access_key_id)
    other = new_role(road, trust({"Service": "ec2.amazonaws.com"}))
    assert refusal(other.assume, access_key_id) == denied("s3.amazonaws.com", other.arn)


def test_service_gets_no_credentials_for_the_caller_whom_it_acts_for(own_road: Road) -> None:
    road = own_road
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()))
    service = new_access_key(road, PrincipalType.AWS_SERVICE, "s3")
    road.more_headers = [(b"x-strongroom-acting-for", f"{ACCOUNT}/{user.user.unique_id}".encode())]
    assert refusal(role.assume, service)[:2] == (
        "AccessDenied",
        "Credentials are given to the caller alone.",
    )
    assert refusal(road.call_query, "sts", "GetSessionToken", account=service)[0] == "AccessDenied"


def test_confused_deputy_is_stopped_by_the_external_id(road: Road) -> None:
    vendor = new_user(road, MAY_ASSUME)
    condition = {"StringEquals": {"sts:ExternalId": "customer-7"}}
    role = new_role(road, trust(account_of(), Condition=condition))
    for given in ({}, {"ExternalId": "customer-8"}, {"ExternalId": "Customer-7"}):
        assert refusal(role.assume, vendor.access_key_id, **given) == denied(vendor.arn, role.arn)
    role.assume(vendor.access_key_id, ExternalId="customer-7")


@pytest.mark.parametrize(
    ("condition", "given", "allowed"),
    [
        ({"StringLike": {"sts:RoleSessionName": "build-*"}}, {"RoleSessionName": "build-7"}, True),
        ({"StringLike": {"sts:RoleSessionName": "build-*"}}, {}, False),
        ({"StringEquals": {"sts:RoleSessionName": "${aws:username}"}}, {}, False),
        ({"StringEquals": {"sts:SourceIdentity": "alice"}}, {"SourceIdentity": "alice"}, True),
        ({"StringEquals": {"sts:SourceIdentity": "alice"}}, {"SourceIdentity": "bob"}, False),
        ({"Null": {"sts:SourceIdentity": "true"}}, {}, True),
        (
            {"StringEquals": {"aws:RequestTag/Team": "blue"}},
            {"Tags": [{"Key": "team", "Value": "blue"}]},
            True,
        ),
        (
            {"StringEquals": {"aws:RequestTag/Team": "blue"}},
            {"Tags": [{"Key": "Team", "Value": "red"}]},
            False,
        ),
        (
            {"ForAllValues:StringEquals": {"aws:TagKeys": ["Team"]}},
            {"Tags": [{"Key": "Team", "Value": "a"}, {"Key": "Cost", "Value": "b"}]},
            False,
        ),
        (
            {"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": ["Team"]}},
            {"Tags": [{"Key": "Team", "Value": "a"}], "TransitiveTagKeys": ["Team"]},
            True,
        ),
        (
            {"ForAnyValue:StringEquals": {"sts:TransitiveTagKeys": ["Team"]}},
            {"Tags": [{"Key": "Team", "Value": "a"}]},
            False,
        ),
        ({"StringEquals": {"aws:PrincipalTag/Dept": "crypto"}}, {}, True),
        ({"StringEquals": {"aws:PrincipalTag/Dept": "other"}}, {}, False),
        ({"StringEquals": {"aws:ResourceTag/Kind": "ci"}}, {}, True),
        ({"StringEquals": {"aws:ResourceTag/Kind": "prod"}}, {}, False),
        ({"StringEquals": {"iam:ResourceTag/kind": "ci"}}, {}, True),
        ({"StringEquals": {"iam:ResourceTag/Other": "ci"}}, {}, False),
        ({"StringEquals": {"aws:ResourceAccount": ACCOUNT, "aws:PrincipalAccount": ACCOUNT}}, {}, True),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, {}, True),
        ({"Null": {"aws:SourceIdentity": "true"}}, {"SourceIdentity": "alice"}, True),
        ({"StringEquals": {"sts:AWSServiceName": "ec2.amazonaws.com"}}, {}, False),
    ],
    ids=[
        "session-name",
        "session-name-other",
        "session-name-variable",
        "source-identity",
        "source-identity-other",
        "source-identity-none",
        "request-tag",
        "request-tag-other",
        "tag-keys",
        "transitive",
        "transitive-none",
        "principal-tag",
        "principal-tag-other",
        "resource-tag",
        "resource-tag-other",
        "iam-resource-tag",
        "iam-resource-tag-other",
        "accounts",
        "principal-type",
        "no-session-yet",
        "service-name",
    ],
)
def test_trust_policy_is_judged_under_its_conditions(
    road: Road, condition: dict[str, object], given: dict[str, object], allowed: bool
) -> None:
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    user = new_user(road, policy("sts:*"), tags={"Dept": "crypto"})
    role = new_role(road, trust(account_of(), actions, Condition=condition), tags={"Kind": "ci"})
    if allowed:
        role.assume(user.access_key_id, **given)
    else:
        assert refusal(role.assume, user.access_key_id, **given)[0] == "AccessDenied"


def test_duration_is_at_most_what_the_role_allows(road: Road) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()), max_session_seconds=7200)
    before = road.clock.now()
    longest = role.assume(user.access_key_id, DurationSeconds=7200)["Credentials"]["Expiration"]
    assert (longest - before).total_seconds() == pytest.approx(7200, abs=5)
    assert refusal(role.assume, user.access_key_id, DurationSeconds=7201) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        400,
    )
    for seconds in (899, 43201):
        assert refusal(role.assume, user.access_key_id, DurationSeconds=seconds)[0] == "ValidationError"


def test_who_may_not_assume_a_role_does_not_learn_its_longest_session(road: Road) -> None:
    user = new_user(road)
    role = new_role(road, trust(account_of()))
    assert refusal(role.assume, user.access_key_id, DurationSeconds=43200) == denied(user.arn, role.arn)


def test_mfa_and_provided_contexts_are_refused_clearly(road: Road) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()))
    serial = f"arn:aws:iam::{ACCOUNT}:mfa/alice"
    for given in ({"SerialNumber": serial, "TokenCode": "123456"}, {"TokenCode": "123456"}):
        code, sentence, status = refusal(role.assume, user.access_key_id, **given)
        assert (code, status) == ("AccessDenied", 403)
        assert "MultiFactorAuthentication failed" in (sentence or "")
    context = {
        "ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter",
        "ContextAssertion": "an assertion",
    }
    assert refusal(role.assume, user.access_key_id, ProvidedContexts=[context])[0] == "ValidationError"


def test_minimum_session_token_size_is_taken_and_not_looked_at(road: Road) -> None:
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()))
    answer = role.assume(user.access_key_id, MinimumSessionTokenSize=1024)
    assert answer["Credentials"]["SessionToken"]


def test_session_outlives_its_trust_policy_and_not_its_role(own_road: Road) -> None:
    road = own_road
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()), policy("kms:*"))
    session = role.session(user.access_key_id)
    role.change(trust_policy=trust(account_of(OTHER_ACCOUNT)))
    assert refusal(role.assume, user.access_key_id) == denied(user.arn, role.arn)
    road.call("ListKeys", account=session)
    role.change(inline_policies={})  # what the role may is judged anew at each request
    assert refusal(road.call, "ListKeys", account=session)[0] == "AccessDeniedException"
    role.change(inline_policies={"p": policy("kms:*")})
    road.call("ListKeys", account=session)
    role.delete()
    assert refusal(road.call, "ListKeys", account=session)[0] == "UnrecognizedClientException"
    new_role(road, trust(account_of()), policy("kms:*"), name=role.role.name)
    assert refusal(road.call, "ListKeys", account=session)[0] == "UnrecognizedClientException"


def test_session_ends_when_its_time_is_over(own_road: Road) -> None:
    road = own_road
    user = new_user(road, MAY_ASSUME)
    role = new_role(road, trust(account_of()), policy("kms:*"))
    session = role.session(user.access_key_id, DurationSeconds=900)
    road.call("ListKeys", account=session)
    road.clock.advance(901)
    assert refusal(road.call, "ListKeys", account=session)[0] == "ExpiredTokenException"
