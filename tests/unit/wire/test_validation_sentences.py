"""Every sentence form of the slow pass, word for word. The letters name the source, see validation.py."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from strongroom.aws.generated.constraints import OPERATIONS
from strongroom.wire.validation import ERRORS_MAX, QUOTED_CHARACTERS_MAX, explain_refusal

KEY_SPECS = (
    "RSA_2048, RSA_3072, RSA_4096, ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_SECG_P256K1, "
    "ECC_NIST_EDWARDS25519, SYMMETRIC_DEFAULT, HMAC_224, HMAC_256, HMAC_384, HMAC_512, SM2, ML_DSA_44, "
    "ML_DSA_65, ML_DSA_87"
)
ONE = "1 validation error detected: "


def blob(length: int) -> str:
    return base64.b64encode(bytes(length)).decode()


def explained(name: str, members: dict[str, Any]) -> tuple[str, str | None]:
    error = explain_refusal(OPERATIONS[name][0].__name__, json.dumps(members).encode())
    assert error.status == 400
    return error.code, error.message


@pytest.mark.parametrize(
    ("name", "members", "sentence"),
    [
        # FL: null
        ("DescribeKey", {}, "Value null at 'keyId' failed to satisfy constraint: Member must not be null"),
        (
            "CreateAlias",
            {"AliasName": "alias/x", "TargetKeyId": None},
            "Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null",
        ),
        # FL: null of a sensitive shape
        (
            "Encrypt",
            {"KeyId": "k"},
            "Value at 'plaintext' failed to satisfy constraint: Member must not be null",
        ),
        # FL: null of a blob that is not sensitive
        (
            "Verify",
            {"KeyId": "k", "Message": "AAAA", "SigningAlgorithm": "ECDSA_SHA_256"},
            "Value null at 'signature' failed to satisfy constraint: Member must not be null",
        ),
        # LS: numbers
        (
            "GenerateRandom",
            {"NumberOfBytes": 0},
            "Value '0' at 'numberOfBytes' failed to satisfy constraint: "
            "Member must have value greater than or equal to 1",
        ),
        (
            "GenerateRandom",
            {"NumberOfBytes": 1025},
            "Value '1025' at 'numberOfBytes' failed to satisfy constraint: "
            "Member must have value less than or equal to 1024",
        ),
        # LS: sensitive blobs
        (
            "Encrypt",
            {"KeyId": "k", "Plaintext": blob(4097)},
            "Value at 'plaintext' failed to satisfy constraint: "
            "Member must have length less than or equal to 4096",
        ),
        # FL: blobs
        (
            "Decrypt",
            {"CiphertextBlob": ""},
            "Value at 'ciphertextBlob' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "Verify",
            {
                "KeyId": "k",
                "Message": "AAAA",
                "Signature": blob(6145),
                "SigningAlgorithm": "ECDSA_SHA_256",
            },
            "Value at 'signature' failed to satisfy constraint: "
            "Member must have length less than or equal to 6144",
        ),
        # LS: members of structures in lists
        (
            "CreateKey",
            {"Tags": [{"TagKey": "a" * 129, "TagValue": ""}]},
            f"Value '{'a' * 129}' at 'tags.1.member.tagKey' failed to satisfy constraint: "
            "Member must have length less than or equal to 128",
        ),
        (
            "TagResource",
            {"KeyId": "k", "Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "b", "TagValue": "v" * 257}]},
            f"Value '{'v' * 257}' at 'tags.2.member.tagValue' failed to satisfy constraint: "
            "Member must have length less than or equal to 256",
        ),
        # Members of structures: the same path without numbers
        (
            "CreateGrant",
            {
                "KeyId": "k",
                "GranteePrincipal": "arn",
                "Operations": ["Encrypt"],
                "Constraints": {"SourceArn": "arn:aws:s3:::too-short-account"},
            },
            "Value 'arn:aws:s3:::too-short-account' at 'constraints.sourceArn' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: "
            "^arn:aws[a-z0-9-]*:[a-z0-9-]+:[a-z0-9-]*:[0-9]{12}:.+$",
        ),
        # LS: enumerations
        (
            "DeriveSharedSecret",
            {"KeyId": "k", "KeyAgreementAlgorithm": "INVALID", "PublicKey": "AAAA"},
            "Value 'INVALID' at 'keyAgreementAlgorithm' failed to satisfy constraint: "
            "Member must satisfy enum value set: [ECDH]",
        ),
        # FL: enumerations in the order that AWS lists them
        (
            "Encrypt",
            {"KeyId": "k", "Plaintext": "AAAA", "EncryptionAlgorithm": "FOO"},
            "Value 'FOO' at 'encryptionAlgorithm' failed to satisfy constraint: "
            "Member must satisfy enum value set: "
            "[RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE, SYMMETRIC_DEFAULT]",
        ),
        (
            "GenerateDataKey",
            {"KeyId": "k", "KeySpec": "RSA_2048"},
            f"Value 'RSA_2048' at 'keySpec' failed to satisfy constraint: "
            f"Member must satisfy enum value set: [{KEY_SPECS}]",
        ),
        (
            "GenerateMac",
            {"KeyId": "k", "Message": "AAAA", "MacAlgorithm": "hmac_sha_256"},
            "Value 'hmac_sha_256' at 'macAlgorithm' failed to satisfy constraint: "
            "Member must satisfy enum value set: [HMAC_SHA_384, HMAC_SHA_256, HMAC_SHA_224, HMAC_SHA_512]",
        ),
        (
            "Sign",
            {"KeyId": "k", "Message": "AAAA", "SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "FOO"},
            "Value 'FOO' at 'messageType' failed to satisfy constraint: "
            "Member must satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]",
        ),
        (
            "CreateKey",
            {"KeySpec": "FAKE"},
            f"Value 'FAKE' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: "
            f"[{KEY_SPECS}, ML_KEM_512, ML_KEM_768, ML_KEM_1024]",
        ),
        # FL: patterns
        (
            "DescribeKey",
            {"KeyId": "キー"},
            "Value 'キー' at 'keyId' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^\\p{ASCII}+$",
        ),
        (
            "DeleteAlias",
            {"AliasName": "alias/a;b\n"},
            "Value 'alias/a;b\n' at 'aliasName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$",
        ),
        # GH: parts of lists and maps
        (
            "CreateGrant",
            {"KeyId": "k", "GranteePrincipal": "arn", "Operations": ["Encrypt", "Fly"]},
            "Value '[Encrypt, Fly]' at 'operations' failed to satisfy constraint: Member must satisfy "
            "constraint: [Member must satisfy enum value set: [Decrypt, Encrypt, GenerateDataKey, "
            "GenerateDataKeyWithoutPlaintext, ReEncryptFrom, ReEncryptTo, Sign, Verify, GetPublicKey, "
            "CreateGrant, RetireGrant, DescribeKey, GenerateDataKeyPair, "
            "GenerateDataKeyPairWithoutPlaintext, GenerateMac, VerifyMac, DeriveSharedSecret, "
            "Encapsulate, Decapsulate]]",
        ),
        (
            "UntagResource",
            {"KeyId": "k", "TagKeys": ["a", ""]},
            "Value '[a, ]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must have length less than or equal to 128, "
            "Member must have length greater than or equal to 1]",
        ),
        (
            "UntagResource",
            {"KeyId": "k", "TagKeys": ["a", None]},
            "Value '[a, null]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: "
            "[Member must have length less than or equal to 128, "
            "Member must have length greater than or equal to 1, Member must not be null]",
        ),
        (
            "Encrypt",
            {"KeyId": "k", "Plaintext": "AAAA", "EncryptionContext": {"a": "b", "c": None}},
            "Value '{a=b, c=null}' at 'encryptionContext' failed to satisfy constraint: "
            "Map value must satisfy constraint: [Member must not be null]",
        ),
        (
            "Decrypt",
            {"CiphertextBlob": "AAAA", "GrantTokens": ["t"] * 11},
            f"Value '[{', '.join('t' * 11)}]' at 'grantTokens' failed to satisfy constraint: "
            "Member must have length less than or equal to 10",
        ),
        # Sensitive strings are never quoted
        (
            "ConnectCustomKeyStore",
            {"CustomKeyStoreId": ""},
            "Value '' at 'customKeyStoreId' failed to satisfy constraint: "
            "Member must have length greater than or equal to 1",
        ),
        (
            "UpdateCustomKeyStore",
            {"CustomKeyStoreId": "cks", "KeyStorePassword": "short"},
            "Value at 'keyStorePassword' failed to satisfy constraint: "
            "Member must have length greater than or equal to 7",
        ),
    ],
)
def test_explain_one_broken_constraint_is_said_in_awss_words(
    name: str, members: dict[str, Any], sentence: str
) -> None:
    assert explained(name, members) == ("ValidationException", ONE + sentence)


def test_explain_two_broken_constraints_of_one_member_are_joined_length_first() -> None:
    """FL: recorded from GetPublicKey with an empty KeyId."""
    assert explained("GetPublicKey", {"KeyId": ""}) == (
        "ValidationException",
        "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have "
        "length greater than or equal to 1; Value '' at 'keyId' failed to satisfy constraint: Member must "
        "satisfy regular expression pattern: ^\\p{ASCII}+$",
    )


def test_explain_errors_of_several_members_are_all_named_in_the_models_order() -> None:
    code, message = explained("Sign", {"SigningAlgorithm": "X", "Message": ""})
    assert code == "ValidationException"
    assert message is not None
    assert message.startswith("3 validation errors detected: Value null at 'keyId' ")
    assert message.index("'keyId'") < message.index("'message'") < message.index("'signingAlgorithm'")


def test_explain_very_many_errors_names_ten() -> None:
    _, message = explained("CreateKey", {"Tags": [{}] * 5000})
    assert message is not None
    assert message.startswith(f"{ERRORS_MAX} validation errors detected: ")
    assert message.count("; ") == ERRORS_MAX - 1


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("DescribeKey", {"KeyId": "k" * 1_000_000}),
        ("UntagResource", {"KeyId": "k", "TagKeys": ["t" * 1_000_000]}),
        ("UntagResource", {"KeyId": "k", "TagKeys": [""] * 100_000}),
        (
            "Encrypt",
            {
                "KeyId": "k",
                "Plaintext": "AAAA",
                "EncryptionContext": {"a" * 1_000_000: "b" * 1_000_000, "c": None},
            },
        ),
    ],
)
def test_explain_huge_value_is_cut(name: str, members: dict[str, Any]) -> None:
    _, message = explained(name, members)
    assert message is not None
    assert "...' at '" in message
    assert len(message) < 2 * QUOTED_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("name", "members", "secret"),
    [
        ("Encrypt", {"KeyId": "", "Plaintext": base64.b64encode(b"hunter2" * 1000).decode()}, "aHVudGVy"),
        ("Encrypt", {"KeyId": "k", "Plaintext": "hunter2"}, "hunter2"),
        ("Sign", {"KeyId": "k", "Message": "hunter2!"}, "hunter2"),
        ("Decrypt", {"CiphertextBlob": base64.b64encode(b"c" * 7000).decode()}, "Y2Nj"),
        ("UpdateCustomKeyStore", {"CustomKeyStoreId": "", "KeyStorePassword": "hunt"}, "hunt"),
        (
            "UpdateCustomKeyStore",
            {
                "CustomKeyStoreId": "k",
                "XksProxyAuthenticationCredential": {
                    "AccessKeyId": "hunter2",
                    "RawSecretAccessKey": "hunter2",
                },
            },
            "hunter2",
        ),
    ],
)
def test_explain_secret_value_is_not_quoted(name: str, members: dict[str, Any], secret: str) -> None:
    """INVARIANT W2: no blob and no sensitive value stands in a message."""
    _, message = explained(name, members)
    assert message is not None
    assert secret not in message


@pytest.mark.parametrize(
    ("name", "members", "sentence"),
    [
        ("DescribeKey", {"KeyId": True}, "TRUE_VALUE cannot be converted to String"),
        ("DescribeKey", {"KeyId": False}, "FALSE_VALUE cannot be converted to String"),
        ("DescribeKey", {"KeyId": 23}, "NUMBER_VALUE cannot be converted to String"),
        ("DescribeKey", {"KeyId": 34.56}, "DECIMAL_VALUE cannot be converted to String"),
        ("DescribeKey", {"KeyId": []}, "Unrecognized collection type class java.lang.String"),
        ("DescribeKey", {"KeyId": {}}, "Start of structure or map found where not expected"),
        ("Encrypt", {"DryRun": "23"}, "Unexpected token received from parser"),
        ("Encrypt", {"DryRun": 23}, "NUMBER_VALUE cannot be converted to Boolean"),
        ("Encrypt", {"DryRun": 0.5}, "DECIMAL_VALUE cannot be converted to Boolean"),
        ("Encrypt", {"DryRun": []}, "Unrecognized collection type class java.lang.Boolean"),
        ("ListKeys", {"Limit": "23"}, "STRING_VALUE cannot be converted to Integer"),
        ("ListKeys", {"Limit": True}, "TRUE_VALUE cannot be converted to Integer"),
        ("ListKeys", {"Limit": 5.5}, "DECIMAL_VALUE cannot be converted to Integer"),
        ("ListKeys", {"Limit": []}, "Unrecognized collection type class java.lang.Integer"),
        ("ListKeys", {"Limit": {}}, "Start of structure or map found where not expected"),
        ("ListKeys", {"Limit": 2**31}, "NUMBER_VALUE cannot be converted to Integer"),
        ("ListKeys", {"Limit": 10**30}, "NUMBER_VALUE cannot be converted to Integer"),
        ("ListKeys", {"Limit": -(2**40)}, "NUMBER_VALUE cannot be converted to Integer"),
        (
            "ImportKeyMaterial",
            {"ValidTo": "2026-01-01"},
            "STRING_VALUE cannot be converted to milliseconds since epoch",
        ),
        (
            "ImportKeyMaterial",
            {"ValidTo": True},
            "TRUE_VALUE cannot be converted to milliseconds since epoch",
        ),
        (
            "ImportKeyMaterial",
            {"ValidTo": 1e300},
            "DECIMAL_VALUE cannot be converted to milliseconds since epoch",
        ),
        ("Encrypt", {"Plaintext": 23}, "only base-64-encoded strings are convertible to bytes"),
        ("Encrypt", {"Plaintext": True}, "only base-64-encoded strings are convertible to bytes"),
        ("Encrypt", {"Plaintext": []}, "Unrecognized collection type class java.nio.ByteBuffer"),
        ("Encrypt", {"Plaintext": {}}, "Start of structure or map found where not expected"),
        (
            "Encrypt",
            {"Plaintext": "23456"},
            "Base64 encoded length is expected a multiple of 4 bytes but found: 5",
        ),
        ("Encrypt", {"Plaintext": "=+/="}, "Invalid Base64 character"),
        ("Encrypt", {"Plaintext": "a_-b"}, "Invalid Base64 character"),
        ("Encrypt", {"Plaintext": "éééé"}, "Invalid Base64 character"),
        ("Encrypt", {"GrantTokens": "23"}, "Unexpected field type"),
        ("Encrypt", {"GrantTokens": {}}, "Start of structure or map found where not expected"),
        ("Encrypt", {"GrantTokens": [1]}, "NUMBER_VALUE cannot be converted to String"),
        ("Encrypt", {"EncryptionContext": 34.56}, "Unexpected field type"),
        (
            "Encrypt",
            {"EncryptionContext": []},
            "Unrecognized collection type java.util.Map<java.lang.String, java.lang.String>",
        ),
        ("Encrypt", {"EncryptionContext": {"a": 1}}, "NUMBER_VALUE cannot be converted to String"),
        ("CreateKey", {"Tags": ["a"]}, "Unexpected field type"),
        ("CreateKey", {"Tags": [[]]}, "Unrecognized collection type class Tag"),
        ("CreateGrant", {"Constraints": "x"}, "Unexpected field type"),
        ("CreateGrant", {"Constraints": []}, "Unrecognized collection type class GrantConstraints"),
    ],
)
def test_explain_wrong_json_type_is_a_serialization_error_before_any_constraint(
    name: str, members: dict[str, Any], sentence: str
) -> None:
    """DDB. Required members are missing in most of these too: types are judged first."""
    assert explained(name, members) == ("SerializationException", sentence)


def test_explain_list_instead_of_an_object_is_a_serialization_error() -> None:
    error = explain_refusal("ListKeysRequest", b"[]")
    assert (error.code, error.message) == ("SerializationException", "Start of list found where not expected")
