"""Requests to the external key store proxy: what is encrypted, refused, allowed and recorded."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.support.proxy_scene import ALICE, KMS_KEY, KMS_REGION, ProxyScene, data_of, text, to_decrypt
from tests.support.road import Refusal, Road

from strongroom.administration.policy_trial import try_key_policy
from strongroom.boundary.external_key_format import Sealed
from strongroom.operations.rules import Rules
from strongroom.resources.identifiers import KeyId, Region
from strongroom.resources.proxied_key import ProxiedKey
from strongroom.xks_proxy.messages import integrity_value_of

VIA_EBS = f"ebs.{KMS_REGION}.amazonaws.com"
AAD = b"project=nile,department=marketing"


def test_decrypt_of_what_was_encrypted_gives_the_plaintext(proxied: ProxyScene) -> None:
    proxied.offer()
    for plaintext, aad in ((b"x", None), (bytes(4300), text(bytes(8192))), (b"text", text(AAD))):
        encrypted = proxied.encrypt(plaintext, additionalAuthenticatedData=aad)
        assert set(encrypted) == {
            "ciphertext", "ciphertextMetadata", "initializationVector", "authenticationTag"
        }  # fmt: skip
        lengths = {name: len(data_of(value)) for name, value in encrypted.items()}
        assert lengths["ciphertext"] == len(plaintext)
        assert lengths["ciphertextMetadata"] <= 20
        assert (lengths["initializationVector"], lengths["authenticationTag"]) == (12, 16)
        members = to_decrypt(encrypted, additionalAuthenticatedData=aad)
        assert proxied.ask("/keys/foo/decrypt", **members) == (200, {"plaintext": text(plaintext)})


def test_integrity_value_is_over_all_parts_in_the_order_of_the_specification(proxied: ProxyScene) -> None:
    proxied.offer()
    more: dict[str, Any] = {"ciphertextDataIntegrityValueAlgorithm": "SHA_256"}
    for aad in (b"", AAD):
        answer = proxied.encrypt(additionalAuthenticatedData=text(aad), **more)
        parts = ("ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag")
        expected = sha256(aad + b"".join(data_of(answer[part]) for part in parts)).digest()
        assert data_of(answer["ciphertextDataIntegrityValue"]) == expected


def test_integrity_value_of_the_specifications_example() -> None:
    """Source: Appendix C."""
    sealed = Sealed(
        *map(
            base64.b64decode,
            ("a2V5X3ZlcnNpb249MQ==", "HMrlRw85cAJUd5Ax", "vBxN2ncH1oEkR8WVXpmyYQ==", "ghxkK1txeDNn3q8Y"),
        )
    )
    assert text(integrity_value_of(AAD, sealed)) == "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc="


@pytest.mark.parametrize(
    "member", ["ciphertext", "ciphertextMetadata", "initializationVector", "authenticationTag", "aad"]
)
def test_decrypt_of_a_changed_part_is_one_error(proxied: ProxyScene, member: str) -> None:
    proxied.offer()
    members = to_decrypt(
        proxied.encrypt(additionalAuthenticatedData=text(AAD)), additionalAuthenticatedData=text(AAD)
    )
    member = {"aad": "additionalAuthenticatedData"}.get(member, member)
    whole = data_of(members[member])
    answers = set()
    for position in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << position % 8
        status, answer = proxied.ask("/keys/foo/decrypt", **(members | {member: text(bytes(changed))}))
        answers.add((status, answer["errorName"], answer["errorMessage"]))
    for cut in (b"", whole[:-1], whole + b"x"):
        status, answer = proxied.ask("/keys/foo/decrypt", **(members | {member: text(cut)}))
        answers.add((status, answer["errorName"], answer["errorMessage"]))
    (only,) = answers
    assert only[:2] == (400, "InvalidCiphertextException")


def test_decrypt_without_what_was_authenticated_is_refused(proxied: ProxyScene) -> None:
    proxied.offer()
    members = to_decrypt(proxied.encrypt(additionalAuthenticatedData=text(AAD)))
    assert proxied.refusal("/keys/foo/decrypt", **members) == "InvalidCiphertextException"
    bare = to_decrypt(proxied.encrypt())
    moved = {"ciphertextMetadata": None, "additionalAuthenticatedData": bare["ciphertextMetadata"]}
    assert proxied.refusal("/keys/foo/decrypt", **(bare | moved)) == "InvalidCiphertextException"


def test_decrypt_with_another_key_is_refused(proxied: ProxyScene) -> None:
    proxied.offer()
    proxied.offer("bar")
    members = to_decrypt(proxied.encrypt())
    assert proxied.refusal("/keys/bar/decrypt", **members) == "InvalidCiphertextException"


def test_rotated_key_decrypts_what_every_material_encrypted(own_proxied: ProxyScene) -> None:
    proxied, road = own_proxied, own_proxied.road
    key_id = proxied.offer()
    older = proxied.encrypt(b"older")
    road.call("RotateKeyOnDemand", KeyId=key_id)
    road.wait(road.jobs.run_due())
    newer = proxied.encrypt(b"newer")
    assert older["ciphertextMetadata"] != newer["ciphertextMetadata"]
    uses = [one for one in road.audit.records if one["eventName"] == "Encrypt"]
    materials = {one["additionalEventData"]["keyMaterialId"] for one in uses}
    assert len(materials) == 2
    for encrypted, plaintext in ((older, b"older"), (newer, b"newer")):
        answer = proxied.ask("/keys/foo/decrypt", **to_decrypt(encrypted))
        assert answer == (200, {"plaintext": text(plaintext)})


def test_key_whose_imported_material_is_gone_is_not_enabled(own_proxied: ProxyScene) -> None:
    proxied = own_proxied
    key_id = proxied.offer(Origin="EXTERNAL")
    assert proxied.ask("/keys/foo/metadata")[1]["keyStatus"] == "DISABLED"
    assert proxied.refusal_of_encrypt() == "InvalidStateException"
    assert proxied.road.call("DescribeKey", KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingImport"


@pytest.mark.parametrize(
    ("operation", "members"), [("DisableKey", {}), ("ScheduleKeyDeletion", {"PendingWindowInDays": 7})]
)
def test_key_that_cannot_be_used_is_told_as_disabled_and_refuses(
    proxied: ProxyScene, operation: str, members: dict[str, Any]
) -> None:
    key_id = proxied.offer()
    decrypt = to_decrypt(proxied.encrypt())
    proxied.road.call(operation, KeyId=key_id, **members)
    assert proxied.ask("/keys/foo/metadata") == (
        200,
        {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "DISABLED"},
    )
    assert proxied.refusal_of_encrypt() == "InvalidStateException"
    assert proxied.refusal("/keys/foo/decrypt", **decrypt) == "InvalidStateException"


def test_usages_of_an_offer_bound_what_the_key_does(proxied: ProxyScene) -> None:
    key_id = proxied.offer()
    decrypt = to_decrypt(proxied.encrypt())
    place = Region("eu-central-1"), KeyId(key_id)
    proxied.offers["foo"] = ProxiedKey(*place, ("ENCRYPT",))
    assert proxied.ask("/keys/foo/metadata")[1]["keyUsage"] == ["ENCRYPT"]
    proxied.encrypt()
    assert proxied.refusal("/keys/foo/decrypt", **decrypt) == "InvalidKeyUsageException"
    # what could not be decrypted again could not be verified
    more: dict[str, Any] = {"ciphertextDataIntegrityValueAlgorithm": "SHA_256"}
    assert proxied.refusal_of_encrypt(**more) == "InvalidKeyUsageException"
    proxied.offers["foo"] = ProxiedKey(*place, ("DECRYPT",))
    assert proxied.refusal_of_encrypt() == "InvalidKeyUsageException"
    assert proxied.ask("/keys/foo/decrypt", **decrypt)[0] == 200


@pytest.mark.parametrize(
    ("key_spec", "key_usage"), [("RSA_2048", "ENCRYPT_DECRYPT"), ("HMAC_256", "GENERATE_VERIFY_MAC")]
)
def test_key_of_another_spec_is_told_as_it_is_and_used_for_nothing(
    proxied: ProxyScene, key_spec: str, key_usage: str
) -> None:
    proxied.offer(KeySpec=key_spec, KeyUsage=key_usage)
    told = proxied.ask("/keys/foo/metadata")[1]
    assert (told["keySpec"], told["keyUsage"]) == (key_spec, [])
    assert proxied.refusal_of_encrypt() == "InvalidKeyUsageException"


def test_key_that_is_not_offered_or_not_there_or_not_that_arn_is_not_found(proxied: ProxyScene) -> None:
    key_id = proxied.offer()
    offer = proxied.offers["foo"]
    proxied.offers["wrong-account"] = replace(
        offer, arn=f"arn:aws:kms:eu-central-1:111122223333:key/{key_id}"
    )
    proxied.offers["wrong-region"] = replace(offer, region=Region("us-east-1"))
    for name in ("wrong-account", "wrong-region", "absent", key_id):
        assert proxied.refusal(f"/keys/{name}/metadata") == "KeyNotFoundException"


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "/health/", "/Health", "/keys", "/keys/foo", "/keys/foo/", "/keys/foo/sign",
        "/keys//encrypt", "/keys/foo/encrypt/", "/keys/foo/bar/encrypt", "/keys/f%6fo/encrypt",
        "/keys/foo/encrypt?a=b",
        "/keys/" + "f" * 129 + "/encrypt",
    ],
)  # fmt: skip
def test_path_of_no_operation_is_refused(proxied: ProxyScene, path: str) -> None:
    proxied.offer()
    assert proxied.refusal(path) == "InvalidUriPathException"


@pytest.mark.parametrize(
    ("metadata", "members"),
    [
        ({"awsPrincipalArn": None}, {}),
        ({"kmsKeyArn": None}, {}),
        ({"kmsOperation": None}, {}),
        ({"kmsRequestId": None}, {}),
        ({"kmsOperation": 1}, {}),
        ({}, {"plaintext": None}),
        ({}, {"plaintext": ""}),
        ({}, {"plaintext": "A*=="}),
        ({}, {"plaintext": "QQ=a"}),
        ({}, {"plaintext": "QR=="}),
        ({}, {"plaintext": 1}),
        ({}, {"plaintext": "QQ==\n"}),
        ({}, {"encryptionAlgorithm": None}),
        ({}, {"encryptionAlgorithm": "AES_CBC"}),
        ({}, {"additionalAuthenticatedData": "-_=="}),
        ({}, {"ciphertextDataIntegrityValueAlgorithm": "MD5"}),
    ],
)
def test_request_that_is_not_as_the_specification_has_it_is_invalid(
    proxied: ProxyScene, metadata: dict[str, Any], members: dict[str, Any]
) -> None:
    proxied.offer()
    assert proxied.refusal_of_encrypt(metadata, **members) == "ValidationException"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[]",
        b'{"requestMetadata": {}}',
        b"\xff",
        b"[" * 60_000,
        b"{" * 60_000,
        b'{"requestMetadata": {"kmsOperation": "a", "kmsRequestId": ""}, "requestMetadata": null}',
    ],
)
@pytest.mark.parametrize("path", ["/health", "/keys/foo/metadata", "/keys/foo/encrypt", "/keys/foo/decrypt"])
def test_body_that_is_no_request_is_invalid(proxied: ProxyScene, path: str, body: bytes) -> None:
    proxied.offer()
    answer = proxied.send(proxied.request(path, body))
    assert (answer.status, json.loads(answer.body)["errorName"]) == (400, "ValidationException")


@pytest.mark.parametrize(
    "twice",
    [
        '"requestMetadata": {"kmsOperation": "a", "kmsRequestId": "", "kmsRequestId": "b"}',
        '"requestMetadata": {"kmsOperation": "a", "kmsRequestId": "", "x": [{"y": 1, "y": 1}]}',
        '"requestMetadata": null, "requestMetadata": {"kmsOperation": "a", "kmsRequestId": ""}',
    ],
)
def test_member_given_twice_is_invalid(proxied: ProxyScene, twice: str) -> None:
    """Another reader of the request, on the way or in the logs, may take the other one."""
    answer = proxied.send(proxied.request("/health", f"{{{twice}}}".encode()))
    assert (answer.status, json.loads(answer.body)["errorName"]) == (400, "ValidationException")


def test_request_beyond_the_sizes_of_the_specification_is_not_supported(proxied: ProxyScene) -> None:
    proxied.offer()
    unsupported = "UnsupportedOperationException"
    assert proxied.refusal_of_encrypt(plaintext=text(bytes(4301))) == unsupported
    assert proxied.refusal_of_encrypt(additionalAuthenticatedData=text(bytes(8193))) == unsupported
    decrypt = to_decrypt(proxied.encrypt(), ciphertext=text(bytes(4301)))
    assert proxied.refusal("/keys/foo/decrypt", **decrypt) == unsupported


def test_unknown_operation_request_id_and_members_are_taken(proxied: ProxyScene) -> None:
    """Source: kmsOperation ("MUST NOT reject"), kmsRequestId ("opaque"), Appendix B."""
    proxied.offer()
    metadata = {"kmsOperation": "BulkEncrypt", "kmsRequestId": "", "sourceIdentity": "bob", "tags": [1]}
    members = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM", "future": {}}
    assert proxied.ask("/keys/foo/encrypt", metadata, **members)[0] == 200


OWN = {
    "Effect": "Allow",
    "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
    "Action": "kms:*",
    "Resource": "*",
}


def statement(effect: str, principal: str, **more: Any) -> dict[str, Any]:
    return {
        "Effect": effect,
        "Principal": {"AWS": principal},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
        **more,
    }


def test_principal_that_the_key_policy_does_not_name_is_denied_on_record(proxied: ProxyScene) -> None:
    key_id = proxied.offer(allow_alice=False)
    assert proxied.refusal_of_encrypt() == "AccessDeniedException"
    assert proxied.refusal("/keys/foo/metadata") == "AccessDeniedException"
    record = proxied.road.last_record
    assert record["additionalEventData"]["authorization"]["reason"] == "NO_KEY_POLICY_ALLOWS"
    proxied.put_policy(key_id, statement("Allow", "arn:aws:iam::123456789012:root"))
    proxied.encrypt()
    deny = statement("Deny", ALICE) | {"Sid": "NotAlice", "Action": "kms:Encrypt"}
    proxied.put_policy(key_id, statement("Allow", "arn:aws:iam::123456789012:root"), deny)
    assert proxied.refusal_of_encrypt() == "AccessDeniedException"
    decided = proxied.road.last_record["additionalEventData"]["authorization"]
    assert decided["statements"] == [{"policy": "key policy", "index": 2, "sid": "NotAlice"}]
    bob = ALICE.replace("Alice", "Bob")
    members = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM"}
    assert proxied.ask("/keys/foo/encrypt", {"awsPrincipalArn": bob}, **members)[0] == 200


def test_action_of_each_request_is_what_the_policy_must_allow(proxied: ProxyScene) -> None:
    key_id = proxied.offer()
    decrypt = to_decrypt(proxied.encrypt())
    paths = {"kms:Encrypt": "encrypt", "kms:Decrypt": "decrypt", "kms:DescribeKey": "metadata"}
    members = decrypt | {"plaintext": text(b"text")}
    for allowed in paths:
        proxied.put_policy(key_id, statement("Allow", ALICE) | {"Action": allowed})
        for action, what in paths.items():
            status, _ = proxied.ask(f"/keys/foo/{what}", **members)
            assert status == (200 if action == allowed else 403)


@pytest.mark.parametrize(
    ("condition", "metadata", "allowed"),
    [
        ({"StringEquals": {"kms:ViaService": VIA_EBS}}, {"kmsViaService": "ebs"}, True),
        ({"StringEquals": {"kms:ViaService": VIA_EBS}}, {"kmsViaService": VIA_EBS}, True),
        ({"StringEquals": {"kms:ViaService": VIA_EBS}}, {}, False),
        ({"Bool": {"aws:ViaAWSService": "false"}}, {}, True),
        ({"StringEquals": {"kms:CallerAccount": "123456789012"}}, {}, True),
        ({"StringEquals": {"aws:PrincipalAccount": "999999999999"}}, {}, False),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:user/A*"}}, {}, True),
        ({"StringEquals": {"aws:PrincipalType": "User"}}, {}, True),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1", "aws:SourceVpce": "vpce-1"}},
         {"awsSourceVpc": "vpc-1", "awsSourceVpce": "vpce-1"}, True),
        ({"StringEquals": {"aws:SourceVpc": "vpc-1"}}, {}, False),
        ({"StringEquals": {"aws:RequestedRegion": KMS_REGION}}, {}, True),
        ({"StringEquals": {"aws:ResourceAccount": "000000000000"}}, {}, True),
        ({"StringEquals": {"kms:KeySpec": "SYMMETRIC_DEFAULT", "kms:KeyUsage": "ENCRYPT_DECRYPT",
                           "kms:KeyOrigin": "AWS_KMS", "kms:MultiRegion": "false"}}, {}, True),
        ({"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}, {}, True),
        ({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, {}, False),  # of the service, not the principal
        ({"StringEquals": {"kms:EncryptionContext:a": "b"}}, {}, False),  # not told
    ],
)  # fmt: skip
def test_conditions_are_decided_by_what_the_caller_tells_and_the_key_is(
    proxied: ProxyScene, condition: dict[str, Any], metadata: dict[str, Any], allowed: bool
) -> None:
    key_id = proxied.offer(allow_alice=False)
    proxied.put_policy(key_id, statement("Allow", ALICE, Condition=condition))
    members = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM"}
    status, _ = proxied.ask("/keys/foo/encrypt", metadata, **members)
    assert status == (200 if allowed else 403)


@pytest.mark.parametrize("name", ["nobody", "", "arn:aws:s3:::bucket", "arn:aws:iam::1:user/x", ALICE + "\n"])
def test_principal_that_no_policy_could_name_is_denied(proxied: ProxyScene, name: str) -> None:
    proxied.offer("foo", statement("Allow", "*"))
    assert proxied.refusal_of_encrypt({"awsPrincipalArn": name}) == "AccessDeniedException"


def test_request_that_cannot_be_recorded_gets_no_plaintext(own_proxied: ProxyScene) -> None:
    proxied = own_proxied
    proxied.offer()
    decrypt = to_decrypt(proxied.encrypt())
    proxied.road.audit.accepting = False
    assert proxied.refusal("/keys/foo/decrypt", **decrypt) == "InternalException"


def test_record_tells_who_for_whom_with_what_and_no_content(proxied: ProxyScene) -> None:
    key_id = proxied.offer()
    plaintext = b"planted plaintext of the proxy"
    encrypted = proxied.encrypt(plaintext, additionalAuthenticatedData=text(AAD))
    record = proxied.road.last_record
    assert record["eventSource"] == "kms-xks-proxy.amazonaws.com"
    assert record["eventName"] == "Encrypt"
    assert record["userIdentity"] == {
        "type": "AWSAccount",
        "principalId": "123456789012",
        "arn": ALICE,
        "accountId": "123456789012",
        "accessKeyId": proxied.access_key_id,
    }
    assert record["requestParameters"] == {
        "xksKeyId": "foo",
        "kmsRegion": KMS_REGION,
        "kmsOperation": "Encrypt",
        "kmsRequestId": "request-1",
        "kmsKeyArn": KMS_KEY,
    }
    assert [one["ARN"].rpartition("/")[2] for one in record["resources"]] == [key_id]
    assert record["sourceIPAddress"] == "192.0.2.7"
    written = json.dumps(record)
    for secret in (text(plaintext), text(AAD), *encrypted.values(), proxied.secret):
        assert secret not in written


def test_requests_are_asked_again_under_another_key_policy(own_proxied: ProxyScene) -> None:
    """What `strongroom policy test` does with them."""
    proxied, road = own_proxied, own_proxied.road
    key_id = proxied.offer()
    for metadata in ({}, {"kmsViaService": "ebs"}):
        members = {"plaintext": text(b"text"), "encryptionAlgorithm": "AES_GCM"}
        assert proxied.ask("/keys/foo/encrypt", metadata, **members)[0] == 200
    bob = ALICE.replace("Alice", "Bob")
    assert proxied.refusal("/keys/foo/metadata", {"awsPrincipalArn": bob}) == "AccessDeniedException"
    key = road.wait(road.store.find_key(Region("eu-central-1"), KeyId(key_id)))
    assert key is not None
    records = [one for one in road.audit.records if one["eventSource"].startswith("kms-xks-proxy")]

    def tried(*statements: dict[str, Any]) -> tuple[list[Any], int]:
        policy = json.dumps({"Version": "2012-10-17", "Statement": [OWN, *statements]})
        since = datetime(2020, 1, 1, tzinfo=UTC)
        trial = road.wait(try_key_policy(road.store, key, policy, records, [], since))
        assert (trial.requests, trial.not_asked) == (3, {})
        changes = [
            (one.principal, one.operation, one.allowed_after, one.count) for one in trial.changes.values()
        ]
        return changes, trial.unchanged

    assert tried(statement("Allow", ALICE)) == ([], 3)
    via_ebs = {"StringEquals": {"kms:ViaService": VIA_EBS}}
    assert tried(statement("Allow", ALICE, Condition=via_ebs)) == ([(ALICE, "Encrypt", False, 1)], 2)
    changes, unchanged = tried(statement("Allow", bob))
    assert changes == [(ALICE, "Encrypt", False, 2), (bob, "GetKeyMetadata", True, 1)]
    assert unchanged == 0


@pytest.mark.parametrize("foreign_principals", [True, False])
def test_key_policy_of_a_strict_server_names_strangers_only_where_there_is_a_proxy(
    tmp_path: Path, foreign_principals: bool
) -> None:
    rules = Rules(require_policy_principals=True, foreign_principals=foreign_principals)
    with Road(tmp_path, rules) as road:
        key_id = road.create_key()["KeyId"]

        def put(principal: str) -> None:
            policy = {"Version": "2012-10-17", "Statement": [OWN, statement("Allow", principal)]}
            road.call("PutKeyPolicy", KeyId=key_id, Policy=json.dumps(policy))

        own_user = "arn:aws:iam::000000000000:user/nobody"
        with pytest.raises(Refusal, match="MalformedPolicyDocument"):
            put(own_user)  # whoever is here must exist
        if not foreign_principals:
            with pytest.raises(Refusal, match="MalformedPolicyDocument"):
                put(ALICE)
            return
        put(ALICE)
        # Unbound: whoever gets that name on this server later is somebody else.
        key = road.wait(road.store.find_key(Region("eu-central-1"), KeyId(key_id)))
        assert key is not None
        assert key.policy_principals == {}


def test_use_is_noted_as_the_last_of_the_key(own_proxied: ProxyScene) -> None:
    proxied, road = own_proxied, own_proxied.road
    key_id = proxied.offer()
    proxied.encrypt()
    road.wait(road.rooms.usage_notes.flush(road.store))
    assert road.call("GetKeyLastUsage", KeyId=key_id)["KeyLastUsage"]["Operation"] == "Encrypt"


def test_boundary_that_is_gone_is_told_as_a_dependency(own_proxied: ProxyScene) -> None:
    own_proxied.offer()
    own_proxied.encrypt()
    own_proxied.road.running_boundary.stop()
    assert own_proxied.refusal_of_encrypt() == "DependencyTimeoutException"
