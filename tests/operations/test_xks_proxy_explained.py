"""`strongroom explain` of requests through the external key store proxy, and what it is not told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.proxy_scene import ALICE, KMS_KEY, ProxyScene, text

from strongroom.administration.why import explain_record
from strongroom.cli.explain_text import render_report

ENCRYPT: dict[str, Any] = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM"}


def statement(effect: str, principal: str = ALICE, **more: Any) -> dict[str, Any]:
    actions = ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"]
    return {"Effect": effect, "Principal": {"AWS": principal}, "Action": actions, "Resource": "*", **more}


def explained(proxied: ProxyScene, record: dict[str, Any] | None = None) -> tuple[dict[str, Any], str]:
    """The report on the last request, and what a human is shown."""
    road = proxied.road
    nowhere = Path("/nonexistent")  # no session, so no other record is looked for
    report = road.wait(explain_record(road.store, nowhere, record or road.last_record))
    return report, "\n".join(render_report(report))


def test_allowed_request_is_explained_by_the_statement_of_the_key_policy(proxied: ProxyScene) -> None:
    proxied.offer()
    proxied.encrypt()
    report, shown = explained(proxied)
    (permission,) = report["permissions"]
    assert (permission["action"], permission["allowed"]) == ("kms:Encrypt", True)
    assert permission["statements"] == [{"policy": "key policy", "index": 1, "sid": None}]
    assert report["caller"]["arn"] == ALICE
    assert "With the policies of now, kms:Encrypt is ALLOWED" in shown
    assert "Statement 2 allows: APPLIES; it names the caller" in shown


def test_denied_request_is_explained_by_what_was_recorded_and_by_the_policy_of_now(
    proxied: ProxyScene,
) -> None:
    via_ebs = {"StringEquals": {"kms:ViaService": "ebs.us-east-2.amazonaws.com"}}
    key_id = proxied.offer("foo", statement("Allow", Condition=via_ebs), allow_alice=False)
    assert proxied.ask("/keys/foo/encrypt", {"kmsViaService": "s3"}, **ENCRYPT)[0] == 403
    denied = proxied.road.last_record
    assert denied["additionalEventData"]["authorization"]["conditions"] == {
        "kms:viaservice": ["s3.us-east-2.amazonaws.com"]
    }
    report, shown = explained(proxied)
    (permission,) = report["permissions"]
    assert (permission["allowed"], permission["reason"]) == (False, "NO_KEY_POLICY_ALLOWS")
    assert permission["wouldAllow"][0] == (
        "statement 2 of key policy, but its condition StringEquals kms:ViaService asks for "
        "ebs.us-east-2.amazonaws.com and the request has s3.us-east-2.amazonaws.com"
    )
    assert "Recorded then: kms:Encrypt was denied (NO_KEY_POLICY_ALLOWS)." in shown
    assert "(unchanged since the request was made)" in shown
    # the same request, and another policy meanwhile
    proxied.put_policy(key_id, statement("Allow"), statement("Deny", Sid="Nobody", Principal="*"))
    report, shown = explained(proxied, denied)
    (permission,) = report["permissions"]
    assert permission["policies"][0]["sinceTheRequest"] == "changed"
    assert permission["wouldAllow"] == ["without statement 3 (Nobody) of key policy, which denies it"]
    # records of before had less
    older = denied | {"additionalEventData": {"authorization": {"reason": "X", "statements": []}}}
    assert "Recorded then: the request was denied (X)." in explained(proxied, older)[1]


def test_request_that_no_policy_decided_says_so(proxied: ProxyScene) -> None:
    key_id = proxied.offer()
    for path in ("/health", "/keys/absent/encrypt"):
        proxied.ask(path, **ENCRYPT)
        report, shown = explained(proxied)
        assert report["permissions"] == []
        assert "no key was found or asked for: no policy decided it" in shown
    proxied.encrypt()
    record = proxied.road.last_record
    gone = [one | {"ARN": one["ARN"].replace(key_id, "0" * 8 + key_id[8:])} for one in record["resources"]]
    assert "is gone." in explained(proxied, record | {"resources": gone})[1]
    proxied.ask("/keys/foo/encrypt", {"awsPrincipalArn": "nobody"}, **ENCRYPT)
    assert "names no principal that a key policy could name" in explained(proxied)[1]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"kms:EncryptionContext:stage": "test"}},
        {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        {"StringNotEquals": {"aws:PrincipalOrgID": "o-1"}},
        {"StringEqualsIfExists": {"aws:PrincipalTag/team": "red"}},
        {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["stage"]}},
        {"Null": {"aws:MultiFactorAuthAge": "true"}},
        {"StringNotEquals": {"aws:SourceVpc": "vpc-1"}},  # the key is not of the caller's account
    ],
)
def test_condition_on_what_the_proxy_is_not_told_allows_nobody_and_denies(
    proxied: ProxyScene, condition: dict[str, Any]
) -> None:
    """INVARIANT Z8"""
    elsewhere = {"kmsKeyArn": KMS_KEY.replace("123456789012", "999999999999")}
    key_id = proxied.offer("foo", statement("Allow", Condition=condition), allow_alice=False)
    assert proxied.ask("/keys/foo/encrypt", elsewhere, **ENCRYPT)[0] == 403
    assert "(not told)" in explained(proxied)[1]
    proxied.put_policy(key_id, statement("Allow"), statement("Deny", Condition=condition))
    assert proxied.ask("/keys/foo/encrypt", elsewhere, **ENCRYPT)[0] == 403
    assert explained(proxied)[0]["permissions"][0]["reason"] == "DENIED_BY_KEY_POLICY"


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"kms:GrantOperations": "Encrypt"}},
        {"StringEquals": {"kms:PrimaryRegion": "us-east-1"}},
        {"StringEquals": {"aws:RequestTag/team": "red"}},
        {"StringEquals": {"aws:SourceVpc": "vpc-1"}},  # it would be told: the key is the caller's account's
        {"StringEquals": {"kms:ViaService": "ebs.us-east-2.amazonaws.com"}},
    ],
)
def test_deny_on_what_the_request_does_not_have_denies_nobody(
    proxied: ProxyScene, condition: dict[str, Any]
) -> None:
    proxied.offer("foo", statement("Deny", Condition=condition))
    assert proxied.ask("/keys/foo/encrypt", **ENCRYPT)[0] == 200
