"""Whatever a caller sends, the answer is AWS's: a clear error with status 400, never 5xx, never silence."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.operations.road_requests import ABSENT_KEY_ID, TEXT, encoded, key_arn, policy_for
from tests.support.key_imports import NEVER_EXPIRES, external_key, wrapped_members
from tests.support.road import ACCOUNT, Road

from strongroom.aws.generated.constraints import OPERATIONS, SHAPES
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.pipeline import Answer

CONTENT_TYPE = b"application/x-amz-json-1.1"
CLEAR_ERRORS = {
    "AccessDeniedException",
    "AlreadyExistsException",
    "ConflictException",
    "CloudHsmClusterNotFoundException",
    "CustomKeyStoreNotFoundException",
    "DisabledException",
    "DryRunOperationException",
    "ExpiredImportTokenException",
    "IncorrectKeyException",
    "IncorrectKeyMaterialException",
    "InvalidArnException",
    "InvalidCiphertextException",
    "InvalidGrantIdException",
    "InvalidGrantTokenException",
    "InvalidImportTokenException",
    "InvalidKeyUsageException",
    "InvalidMarkerException",
    "KMSInvalidSignatureException",
    "KMSInvalidStateException",
    "LimitExceededException",
    "MalformedPolicyDocumentException",
    "NotAuthorizedException",
    "NotFoundException",
    "SerializationException",
    "TagException",
    "UnknownOperationException",
    "UnsupportedOperationException",
    "ValidationException",
    "XksProxyUriUnreachableException",
}
WITHOUT_MESSAGE = {
    "InvalidCiphertextException",
    "KMSInvalidSignatureException",
    "NotAuthorizedException",
    "SerializationException",
    "UnknownOperationException",
    "UnsupportedOperationException",
}

quick = settings(
    max_examples=150,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

operations = st.sampled_from(sorted(KMS_OPERATIONS))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(codec=None), max_size=20)
    | st.sampled_from(["", "\0", "alias/x", "\ud800", "AES_256", ABSENT_KEY_ID, TEXT, "-1", "1e400"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)


class Valid:
    """One key with an alias and a blob, and a sound request for every operation."""

    def __init__(self, road: Road) -> None:
        self.key_id = road.create_key()["KeyId"]
        name = f"alias/{self.key_id}"
        road.call("CreateAlias", AliasName=name, TargetKeyId=self.key_id)
        sealed = road.call("Encrypt", KeyId=self.key_id, Plaintext=TEXT, EncryptionContext={"a": "b"})
        self.blob: str = sealed["CiphertextBlob"]
        named = {"KeyId": self.key_id}
        context = {"a": "b"}
        signing = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyId"]
        message = {"KeyId": signing, "Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}
        signature = road.call("Sign", **message)["Signature"]
        root = f"arn:aws:iam::{ACCOUNT}:root"
        self.requests: dict[str, dict[str, Any]] = {
            "CreateCustomKeyStore": {
                "CustomKeyStoreName": "n",
                "CloudHsmClusterId": "cluster-2a23b4cdefg",
                "TrustAnchorCertificate": "c",
                "KeyStorePassword": "password",
            },
            "DescribeCustomKeyStores": {"Limit": 3},
            "UpdateCustomKeyStore": {"CustomKeyStoreId": "cks-1", "NewCustomKeyStoreName": "n"},
            "DeleteCustomKeyStore": {"CustomKeyStoreId": "cks-1"},
            "ConnectCustomKeyStore": {"CustomKeyStoreId": "cks-1"},
            "DisconnectCustomKeyStore": {"CustomKeyStoreId": "cks-1"},
            "CreateKey": {"Description": "d", "Tags": [{"TagKey": "a", "TagValue": "b"}]},
            "DescribeKey": named,
            "ListKeys": {"Limit": 3},
            "ListAliases": {**named, "Limit": 3},
            "ListResourceTags": named,
            "ListKeyPolicies": named,
            "GetKeyPolicy": {**named, "PolicyName": "default"},
            "PutKeyPolicy": {**named, "Policy": policy_for("kms:*")},
            "TagResource": {**named, "Tags": [{"TagKey": "a", "TagValue": "b"}]},
            "UntagResource": {**named, "TagKeys": ["a"]},
            "UpdateKeyDescription": {**named, "Description": "d"},
            "EnableKey": named,
            "DisableKey": {"KeyId": ABSENT_KEY_ID},
            "ScheduleKeyDeletion": {"KeyId": ABSENT_KEY_ID, "PendingWindowInDays": 7},
            "CancelKeyDeletion": named,
            "CreateAlias": {"AliasName": name, "TargetKeyId": self.key_id},
            "UpdateAlias": {"AliasName": name, "TargetKeyId": self.key_id},
            "DeleteAlias": {"AliasName": "alias/absent"},
            "Encrypt": {**named, "Plaintext": TEXT, "EncryptionContext": context},
            "Decrypt": {"CiphertextBlob": self.blob, "EncryptionContext": context},
            "ReEncrypt": {
                "CiphertextBlob": self.blob,
                "SourceEncryptionContext": context,
                "DestinationKeyId": name,
            },
            "GenerateDataKey": {**named, "KeySpec": "AES_256"},
            "GenerateDataKeyWithoutPlaintext": {**named, "NumberOfBytes": 32},
            "GenerateRandom": {"NumberOfBytes": 32},
            "Sign": message,
            "Verify": {**message, "Signature": signature},
            "GetPublicKey": {"KeyId": signing},
            "GenerateDataKeyPair": {**named, "KeyPairSpec": "ECC_NIST_P256", "EncryptionContext": context},
            "GenerateDataKeyPairWithoutPlaintext": {**named, "KeyPairSpec": "ECC_NIST_P384"},
            "EnableKeyRotation": {**named, "RotationPeriodInDays": 365},
            "DisableKeyRotation": named,
            "GetKeyRotationStatus": named,
            "GetKeyLastUsage": named,
            "ListKeyRotations": {**named, "IncludeKeyMaterial": "ALL_KEY_MATERIAL", "Limit": 3},
            "RotateKeyOnDemand": {"KeyId": ABSENT_KEY_ID},
            "CreateGrant": {
                **named,
                "GranteePrincipal": root,
                "RetiringPrincipal": root,
                "Operations": ["Decrypt", "DescribeKey"],
                "Constraints": {"EncryptionContextSubset": context},
                "Name": "a/name",
            },
            "ListGrants": {**named, "GranteePrincipal": root, "Limit": 3},
            "ListRetirableGrants": {"RetiringPrincipal": root, "Limit": 3},
            "RetireGrant": {**named, "GrantId": "0" * 64},
            "RevokeGrant": {**named, "GrantId": "0" * 64},
            "ReplicateKey": {**named, "ReplicaRegion": "us-west-2"},
            "UpdatePrimaryRegion": {**named, "PrimaryRegion": "us-west-2"},
        }
        self.add_shared_secrets(road)
        external = external_key(road)
        self.requests |= {
            "GetParametersForImport": {
                "KeyId": external["KeyId"],
                "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
                "WrappingKeySpec": "RSA_2048",
            },
            "ImportKeyMaterial": {**wrapped_members(road, external, bytes(32)), **NEVER_EXPIRES},
            "DeleteImportedKeyMaterial": {"KeyId": external["KeyId"]},
        }

    def add_shared_secrets(self, road: Road) -> None:
        """Requests of the keys that make MACs, agree on secrets and encapsulate them."""
        hmac = road.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyId"]
        mac = {"KeyId": hmac, "Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}
        agreement = road.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyId"]
        encapsulation = road.create_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")["KeyId"]
        ml_kem = {"KeyId": encapsulation, "EncapsulationAlgorithm": "ML_KEM"}
        sealed = road.call("Encapsulate", **ml_kem)["SharedSecretCiphertextBlob"]
        self.requests |= {
            "GenerateMac": mac,
            "VerifyMac": {**mac, "Mac": road.call("GenerateMac", **mac)["Mac"]},
            "DeriveSharedSecret": {
                "KeyId": agreement,
                "KeyAgreementAlgorithm": "ECDH",
                "PublicKey": road.call("GetPublicKey", KeyId=agreement)["PublicKey"],
            },
            "Encapsulate": ml_kem,
            "Decapsulate": {**ml_kem, "SharedSecretCiphertextBlob": sealed},
        }


@pytest.fixture(scope="module")
def road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """A road of this file's own: mutated requests may change anything on it."""
    with Road(tmp_path_factory.mktemp("bad-input")) as road:
        yield road


@pytest.fixture(scope="module")
def valid(road: Road) -> Valid:
    return Valid(road)


def require_clear(road: Road, operation: str, body: bytes) -> Answer:
    """The answer, which must be a success or one of AWS's errors, and recorded once."""
    before = len(road.audit.records)
    answer = road.send(operation, body)
    assert answer.status in (200, 400), (operation, body, answer)
    assert answer.content_type == CONTENT_TYPE
    assert [record["requestID"] for record in road.audit.records[before:]] == [answer.request_id]
    if answer.status == 400:
        content = json.loads(answer.body)
        assert content["__type"] in CLEAR_ERRORS, (operation, body, content)
        assert content.keys() <= {"__type", "message"}
        assert content.get("message") or content["__type"] in WITHOUT_MESSAGE, (operation, body, content)
        assert len(answer.body) < 32_768
    road.audit.records.clear()
    return answer


def refused(answer: Answer) -> str:
    assert answer.status == 400
    return str(json.loads(answer.body)["__type"])


def test_sound_requests_are_sound(road: Road, valid: Valid) -> None:
    """What the mutations below begin with: else they would prove nothing."""
    assert valid.requests.keys() == KMS_OPERATIONS.keys()
    expected = {
        "DisableKey": "NotFoundException",
        "ScheduleKeyDeletion": "NotFoundException",
        "DeleteAlias": "NotFoundException",
        "RetireGrant": "NotFoundException",
        "RevokeGrant": "NotFoundException",
        "CreateAlias": "AlreadyExistsException",
        "CreateCustomKeyStore": "CloudHsmClusterNotFoundException",  # there is no cluster
        "UpdateCustomKeyStore": "CustomKeyStoreNotFoundException",
        "DeleteCustomKeyStore": "CustomKeyStoreNotFoundException",
        "ConnectCustomKeyStore": "CustomKeyStoreNotFoundException",
        "DisconnectCustomKeyStore": "CustomKeyStoreNotFoundException",
        "CancelKeyDeletion": "KMSInvalidStateException",
        "RotateKeyOnDemand": "NotFoundException",
        "ReplicateKey": "UnsupportedOperationException",  # a single-Region key
        "UpdatePrimaryRegion": "UnsupportedOperationException",
    }
    for operation, members in valid.requests.items():
        answer = require_clear(road, operation, json.dumps(members).encode())
        if operation in expected:
            assert refused(answer) == expected[operation]
        else:
            assert answer.status == 200, operation


@pytest.mark.parametrize("operation", sorted(KMS_OPERATIONS))
@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"}",
        b"nonsense",
        b"[]",
        b'"text"',
        b"1",
        b"null",
        b"true",
        b"\xff\xfe",
        b"{}{}",
        b'{"KeyId": }',
        b'{"KeyId": "x",}',
        b"{'KeyId': 'x'}",
        b'{"KeyId": "\x01"}',
        b'\xef\xbb\xbf{"KeyId": "x"}',
        b'{"KeyId": NaN}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{}" + b" " * 10_000 + b"x",
    ],
    ids=range(19),
)
def test_body_that_is_no_json_object_is_a_serialization_exception(
    road: Road, operation: str, body: bytes
) -> None:
    assert refused(require_clear(road, operation, body)) == "SerializationException"


@pytest.mark.parametrize("operation", sorted(KMS_OPERATIONS))
def test_empty_body_is_an_empty_object(road: Road, operation: str) -> None:
    empty, braces = (require_clear(road, operation, body) for body in (b"", b"{}"))
    assert empty.status == braces.status
    if empty.status == 400:
        assert empty.body == braces.body
        assert refused(empty) == "ValidationException"
    else:
        assert operation in ("CreateKey", "DescribeCustomKeyStores", "ListKeys", "ListAliases")


@pytest.mark.parametrize("operation", sorted(KMS_OPERATIONS))
def test_every_member_with_every_wrong_type_is_refused(road: Road, valid: Valid, operation: str) -> None:
    right_types: dict[str, tuple[type, ...]] = {
        "string": (str,),
        "blob": (str,),
        "boolean": (bool,),
        "integer": (int,),
        "timestamp": (int, float),
        "list": (list,),
        "map": (dict,),
        "structure": (dict,),
    }
    for member in SHAPES[OPERATIONS[operation][0].__name__].members:
        kind = SHAPES[member.shape].kind
        wrongs: list[Any] = ["text!", 1, 1.5, True, [], {}, [[]], 2**80]
        for wrong in wrongs:
            if type(wrong) in right_types[kind]:
                continue
            if kind == "integer" and wrong == 1.5:
                continue
            body = json.dumps({**valid.requests[operation], member.name: wrong}).encode()
            assert refused(require_clear(road, operation, body)) == "SerializationException", (member, wrong)


@pytest.mark.parametrize("operation", sorted(KMS_OPERATIONS))
def test_every_required_member_left_out_or_null_is_named(road: Road, valid: Valid, operation: str) -> None:
    for member in SHAPES[OPERATIONS[operation][0].__name__].members:
        if not member.required:
            continue
        members = {name: value for name, value in valid.requests[operation].items() if name != member.name}
        for given_members in (members, {**members, member.name: None}):
            answer = require_clear(road, operation, json.dumps(given_members).encode())
            assert refused(answer) == "ValidationException"
            assert f"at '{member.path}' failed to satisfy constraint: Member must not be null" in (
                answer.body.decode()
            )


@pytest.mark.parametrize("operation", sorted(KMS_OPERATIONS))
def test_unknown_members_are_overlooked(road: Road, valid: Valid, operation: str) -> None:
    """As on AWS: an older server must serve a newer client."""
    members = valid.requests[operation]
    plain = require_clear(road, operation, json.dumps(members).encode())
    more = {"Unknown": {"deep": [1, None]}, "keyid": 1, "": "", **members}
    answer = require_clear(road, operation, json.dumps(more).encode())
    assert answer.status == plain.status


@pytest.mark.parametrize(
    "name", ["", " ", "encrypt", "Encrypt ", "Encrypt/", "TrentService.Encrypt", "é", "\0"]
)
def test_unknown_operation_is_refused_without_a_message(road: Road, name: str) -> None:
    answer = require_clear(road, name, b"{}")
    assert json.loads(answer.body) == {"__type": "UnknownOperationException"}


@quick
@given(operation=operations, body=st.binary(max_size=200))
def test_any_bytes_get_a_clear_answer(road: Road, operation: str, body: bytes) -> None:
    require_clear(road, operation, body)


@quick
@given(operation=operations, data=st.data())
def test_any_value_in_any_member_gets_a_clear_answer(
    road: Road, valid: Valid, operation: str, data: st.DataObject
) -> None:
    members = [member.name for member in SHAPES[OPERATIONS[operation][0].__name__].members]
    request = dict(valid.requests[operation])
    if members:
        request[data.draw(st.sampled_from(members))] = data.draw(json_values)
    require_clear(road, operation, json.dumps(request).encode())


@quick
@given(operation=operations, data=st.data())
def test_sound_request_with_bytes_changed_gets_a_clear_answer(
    road: Road, valid: Valid, operation: str, data: st.DataObject
) -> None:
    body = bytearray(json.dumps(valid.requests[operation]).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body)))
        match data.draw(st.sampled_from(["flip", "insert", "remove", "repeat"])):
            case "flip" if at < len(body):
                body[at] ^= 1 << data.draw(st.integers(0, 7))
            case "insert":
                body[at:at] = data.draw(st.sampled_from([b"\0", b'"', b"{", b"\\u0000", b"\xff", b",", b"9"]))
            case "remove":
                del body[at : at + data.draw(st.integers(1, 8))]
            case _:
                body[at:at] = body[at : at + 8]
    require_clear(road, operation, bytes(body))


@quick
@given(blob=st.binary(min_size=1, max_size=300), naming_key=st.booleans())
@example(blob=b"SR\x01\x00" + bytes(93), naming_key=False)
@example(blob=b"SR\x01\x01" + bytes(93), naming_key=True)
@example(blob=b"SR\x01\x00" + bytes(6140), naming_key=True)
def test_garbage_blob_opens_nothing(road: Road, valid: Valid, blob: bytes, naming_key: bool) -> None:
    named = {"KeyId": valid.key_id} if naming_key else {}
    body = json.dumps({"CiphertextBlob": encoded(blob), **named}).encode()
    answer = require_clear(road, "Decrypt", body)
    assert refused(answer) in (
        "InvalidCiphertextException",
        "AccessDeniedException",
        "IncorrectKeyException",
    )


@quick
@given(data=st.data())
def test_mutated_blob_opens_nothing(road: Road, valid: Valid, data: st.DataObject) -> None:
    blob = bytearray(base64.b64decode(valid.blob))
    sound = bytes(blob)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(blob)))
        replaced = data.draw(st.binary(max_size=4))
        blob[at : at + data.draw(st.integers(0, 4))] = replaced
    if bytes(blob) == sound or not blob:
        return
    members = {"CiphertextBlob": encoded(bytes(blob)), "EncryptionContext": {"a": "b"}}
    answer = require_clear(road, "Decrypt", json.dumps(members).encode())
    assert refused(answer) in ("InvalidCiphertextException", "AccessDeniedException")


@pytest.mark.parametrize(
    "text", ["=", "YQ", "YQ=", "YQ===", "YQ==YQ==", "Y Q==", "YQ==\n", "_-__", "ß", "\0", "YR=="]
)
def test_blob_that_is_no_base64_is_a_serialization_exception(road: Road, valid: Valid, text: str) -> None:
    body = json.dumps({"KeyId": valid.key_id, "Plaintext": text}).encode()
    answer = require_clear(road, "Encrypt", body)
    if text != "YR==":  # bits beyond the last byte: read as other decoders do
        assert refused(answer) == "SerializationException"


@quick
@given(
    identifier=st.one_of(
        st.text(st.characters(min_codepoint=0, max_codepoint=0x7F), min_size=1, max_size=60),
        st.from_regex(r"(arn:)?(aws)?(:[a-z0-9-]{0,12}){0,4}(:(key|alias)/[a-z0-9-]{0,36})?", fullmatch=True),
        st.builds(key_arn, st.text("0123456789abcdef-", max_size=37)),
    )
)
def test_any_identifier_of_no_key_is_not_found_or_refused(road: Road, identifier: str) -> None:
    for operation in ("DescribeKey", "DisableKey"):
        answer = require_clear(road, operation, json.dumps({"KeyId": identifier}).encode())
        assert refused(answer) in (
            "NotFoundException",
            "InvalidArnException",
            "AccessDeniedException",
            "ValidationException",
        )


@quick
@given(policy=st.one_of(st.text(max_size=60), json_values.map(json.dumps)))
def test_any_policy_text_is_refused_clearly(road: Road, valid: Valid, policy: str) -> None:
    body = json.dumps({"KeyId": valid.key_id, "Policy": policy}).encode()
    answer = require_clear(road, "PutKeyPolicy", body)
    assert refused(answer) in (
        "MalformedPolicyDocumentException",
        "ValidationException",
        "SerializationException",
    )
