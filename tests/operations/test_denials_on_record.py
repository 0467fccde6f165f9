"""What the audit record of a denied request says of why, and what it does not say."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.operations.road_callers import PLAINTEXT, ROOT, allowing, document, new_key, new_user
from tests.support.road import ACCOUNT, Road

OTHER_ACCOUNT = "222222222222"


def authorization(road: Road) -> dict[str, Any]:
    found: dict[str, Any] = road.last_record["additionalEventData"]["authorization"]
    return found


def test_denial_is_recorded_with_its_statements_values_and_digests(road: Road) -> None:
    policy = document(
        allowing(Principal={"AWS": ROOT}),
        allowing(
            "kms:Encrypt",
            "Deny",
            Sid="NotHere",
            Principal="*",
            Condition={"StringNotEquals": {"kms:EncryptionContext:stage": "prod"}},
        ),
    )
    key = new_key(road, policy)
    own = document(allowing())
    alice = new_user(road, own)
    assert "explicit deny" in alice.denied(key, EncryptionContext={"stage": "test"})
    assert authorization(road) == {
        "action": "kms:Encrypt",
        "resource": key["Arn"],
        "reason": "DENIED_BY_KEY_POLICY",
        "statements": [{"policy": "key policy", "index": 1, "sid": "NotHere"}],
        "conditions": {"kms:encryptioncontext:stage": ["test"]},
        "policies": {
            "key policy": hashlib.sha256(policy.encode()).hexdigest(),
            f"inline policy p0 of user/{alice.entity.name}": hashlib.sha256(own.encode()).hexdigest(),
        },
    }


def test_denial_without_a_policy_records_the_values_that_were_missing(road: Road) -> None:
    condition = {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}
    key, alice = new_key(road), new_user(road, document(allowing(Condition=condition)))
    alice.denied(key)
    found = authorization(road)
    assert (found["reason"], found["statements"]) == ("NO_IDENTITY_POLICY_ALLOWS", [])
    assert found["conditions"] == {"kms:viaservice": None}


def test_denial_leaves_out_headers_and_bounds_what_callers_choose(road: Road) -> None:
    conditions = {
        "StringEquals": {"aws:Referer": "x"} | {f"kms:EncryptionContext:k{n}": "y" for n in range(70)}
    }
    key, alice = new_key(road), new_user(road, document(allowing(Condition=conditions)))
    secret = "https://example.com/?token=secret"
    road.more_headers = [(b"referer", secret.encode())]
    try:
        alice.denied(key, EncryptionContext={f"k{n}": "z" * 300 for n in range(20)})
    finally:
        road.more_headers = []
    found = authorization(road)
    assert secret not in str(road.last_record)
    assert found["truncated"] is True
    assert sum(len(one) for values in found["conditions"].values() for one in values or ()) <= 8192


def test_allowed_requests_and_other_refusals_record_nothing_more(road: Road) -> None:
    key, alice = new_key(road), new_user(road, document(allowing()))
    alice.encrypt(key)
    assert set(road.last_record["additionalEventData"]) == {"keyMaterialId"}
    alice.refused("Decrypt", CiphertextBlob=base64.b64encode(b"x" * 100).decode())
    assert "authorization" not in str(road.last_record.get("additionalEventData"))


def test_stranger_hears_what_it_heard_before_while_the_record_says_why(road: Road) -> None:
    key = new_key(road)
    stranger = new_user(road, document(allowing()), account=OTHER_ACCOUNT)
    code, sentence = stranger.refused("Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT)
    absent = key["Arn"].rsplit("/", 1)[0] + "/12345678-1234-1234-1234-123456789012"
    other_code, other = stranger.refused("Encrypt", KeyId=absent, Plaintext=PLAINTEXT)
    assert (code, (sentence or "").replace(key["Arn"], absent)) == (other_code, other)
    stranger.refused("Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT)
    assert authorization(road)["reason"] == "NO_KEY_POLICY_ALLOWS"


def test_denial_of_an_action_without_a_key_is_recorded(road: Road) -> None:
    alice = new_user(road)
    alice.refused("CreateKey")
    assert authorization(road) == {
        "action": "kms:CreateKey",
        "resource": "*",
        "reason": "NO_IDENTITY_POLICY_ALLOWS",
        "statements": [],
        "conditions": {},
        "policies": {},
    }
    assert ACCOUNT in road.last_record["userIdentity"]["arn"]
