"""The condition keys of AWS KMS: key by key, with the values that the Developer Guide's page gives them."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.condition_questions import (
    PRIMARY,
    REPLICA,
    SERVICE,
    SIGNING,
    SYMMETRIC,
    VIA_S3,
    question,
    values,
)
from tests.support.road import Road
from tests.support.store_records import ACCOUNT, OTHER_REGION, REGION, new_grant

from strongroom.aws.generated import enums
from strongroom.aws.generated import shapes as s
from strongroom.identity.principal import AuthenticatedPrincipal
from strongroom.resources.grant import Grant, GrantConstraints
from strongroom.resources.key import Key

CONTEXT = {"AppName": "ExampleApp", "Stage": "Test"}
NAMED = "alias/finance-key"
GRANTEE = f"arn:aws:iam::{ACCOUNT}:role/Grantee"
SOURCE_ARN = f"arn:aws:s3:eu-central-1:{ACCOUNT}:bucket"


def encrypt(**members: Any) -> s.EncryptRequest:
    return s.EncryptRequest(**{"key_id": NAMED, "plaintext": b"x", **members})


def re_encrypt(**members: Any) -> s.ReEncryptRequest:
    return s.ReEncryptRequest(
        **{
            "ciphertext_blob": b"x",
            "source_key_id": "alias/old",
            "destination_key_id": "alias/new",
            "source_encryption_context": {"From": "here"},
            "destination_encryption_context": {"To": "there"},
            "source_encryption_algorithm": enums.EncryptionAlgorithmSpec.RSAES_OAEP_SHA_1,
            **members,
        }
    )


def create_grant(**members: Any) -> s.CreateGrantRequest:
    return s.CreateGrantRequest(
        **{
            "key_id": SYMMETRIC.arn,
            "grantee_principal": GRANTEE,
            "operations": [enums.GrantOperation.RE_ENCRYPT_TO, enums.GrantOperation.ENCRYPT],
            **members,
        }
    )


def sign(**members: Any) -> s.SignRequest:
    return s.SignRequest(
        **{
            "key_id": NAMED,
            "message": b"x",
            "signing_algorithm": enums.SigningAlgorithmSpec.RSASSA_PSS_SHA_512,
            **members,
        }
    )


def imported(**members: Any) -> s.ImportKeyMaterialRequest:
    return s.ImportKeyMaterialRequest(
        **{"key_id": SIGNING.arn, "import_token": b"t", "encrypted_key_material": b"m", **members}
    )


def replicate(**members: Any) -> s.ReplicateKeyRequest:
    return s.ReplicateKeyRequest(**{"key_id": PRIMARY.arn, "replica_region": OTHER_REGION, **members})


DATA_KEY = s.GenerateDataKeyRequest(key_id=NAMED)
PAIR = s.GenerateDataKeyPairRequest(key_id=NAMED, key_pair_spec=enums.DataKeyPairSpec.RSA_3072)
DESCRIBE = s.DescribeKeyRequest(key_id=SYMMETRIC.arn)
EQUALS = s.GrantConstraints(encryption_context_equals=CONTEXT)
SUBSET = s.GrantConstraints(encryption_context_subset={"Dept": "IT"}, source_arn=SOURCE_ARN)
BY_SERVICE = {
    "grantee_principal": None,
    "grantee_service_principal": "s3.amazonaws.com",
    "retiring_service_principal": "ec2.amazonaws.com",
}
PARAMETERS = s.GetParametersForImportRequest(
    key_id=SIGNING.arn,
    wrapping_algorithm=enums.AlgorithmSpec.RSAES_OAEP_SHA_256,
    wrapping_key_spec=enums.WrappingKeySpec.RSA_4096,
)
NEW_RSA = s.CreateKeyRequest(
    key_spec=enums.KeySpec.RSA_4096,
    key_usage=enums.KeyUsageType.SIGN_VERIFY,
    origin=enums.OriginType.EXTERNAL,
    multi_region=True,
)
OLD_NAME = s.CreateKeyRequest(customer_master_key_spec=enums.CustomerMasterKeySpec.HMAC_256)

Case = tuple[str, Any, Key | None, tuple[str, ...] | None]
"""A permission, the request, the key that is asked about, and the values."""
CASES: dict[str, Case] = {
    # BypassPolicyLockoutSafetyCheck: absent where the request leaves it out (the page's Null example)
    "BypassPolicyLockoutSafetyCheck/true": (
        "kms:CreateKey",
        s.CreateKeyRequest(bypass_policy_lockout_safety_check=True),
        None,
        ("true",),
    ),
    "BypassPolicyLockoutSafetyCheck/false": (
        "kms:PutKeyPolicy",
        s.PutKeyPolicyRequest(key_id="k", policy="{}", bypass_policy_lockout_safety_check=False),
        SYMMETRIC,
        ("false",),
    ),
    "BypassPolicyLockoutSafetyCheck/left-out": (
        "kms:PutKeyPolicy",
        s.PutKeyPolicyRequest(key_id="k", policy="{}"),
        SYMMETRIC,
        None,
    ),
    "CallerAccount/key": ("kms:Encrypt", encrypt(), SYMMETRIC, (ACCOUNT,)),
    "CallerAccount/store": ("kms:DescribeCustomKeyStores", None, None, (ACCOUNT,)),
    "CallerAccount/none": ("kms:ListRetirableGrants", None, None, None),
    "CustomerMasterKeySpec/key": ("kms:Sign", sign(), SIGNING, ("RSA_2048",)),
    "CustomerMasterKeyUsage/request": ("kms:CreateKey", NEW_RSA, None, ("SIGN_VERIFY",)),
    "DataKeyPairSpec/pair": ("kms:GenerateDataKeyPair", PAIR, SYMMETRIC, ("RSA_3072",)),
    "EncapsulationAlgorithm/sent": (
        "kms:Encapsulate",
        s.EncapsulateRequest(key_id=NAMED, encapsulation_algorithm=enums.EncapsulationAlgorithmSpec.ML_KEM),
        SYMMETRIC,
        ("ML_KEM",),
    ),
    "EncryptionAlgorithm/default": ("kms:Encrypt", encrypt(), SYMMETRIC, ("SYMMETRIC_DEFAULT",)),
    "EncryptionAlgorithm/sent": (
        "kms:Encrypt",
        encrypt(encryption_algorithm=enums.EncryptionAlgorithmSpec.RSAES_OAEP_SHA_256),
        SYMMETRIC,
        ("RSAES_OAEP_SHA_256",),
    ),
    "EncryptionAlgorithm/data-key": (
        "kms:GenerateDataKey",
        DATA_KEY,
        SYMMETRIC,
        ("SYMMETRIC_DEFAULT",),
    ),
    "EncryptionAlgorithm/from": ("kms:ReEncryptFrom", re_encrypt(), SYMMETRIC, ("RSAES_OAEP_SHA_1",)),
    "EncryptionAlgorithm/to": ("kms:ReEncryptTo", re_encrypt(), SYMMETRIC, ("SYMMETRIC_DEFAULT",)),
    "EncryptionAlgorithm/none": ("kms:DescribeKey", DESCRIBE, SYMMETRIC, None),
    "EncryptionContext:appname/sent": (
        "kms:Encrypt",
        encrypt(encryption_context=CONTEXT),
        SYMMETRIC,
        ("ExampleApp",),
    ),
    "EncryptionContext:APPNAME/case": (
        "kms:Encrypt",
        encrypt(encryption_context=CONTEXT),
        SYMMETRIC,
        ("ExampleApp",),
    ),
    "EncryptionContext:Other/none": (
        "kms:Encrypt",
        encrypt(encryption_context=CONTEXT),
        SYMMETRIC,
        None,
    ),
    "EncryptionContext:from/from": ("kms:ReEncryptFrom", re_encrypt(), SYMMETRIC, ("here",)),
    "EncryptionContext:from/to": ("kms:ReEncryptTo", re_encrypt(), SYMMETRIC, None),
    "EncryptionContext:to/to": ("kms:ReEncryptTo", re_encrypt(), SYMMETRIC, ("there",)),
    "EncryptionContext:Stage/grant": (
        "kms:CreateGrant",
        create_grant(constraints=EQUALS),
        SYMMETRIC,
        ("Test",),
    ),
    "EncryptionContext:aws:s3:arn/colons": (
        "kms:Encrypt",
        encrypt(encryption_context={"aws:s3:arn": "arn:aws:s3:::bucket"}),
        SYMMETRIC,
        ("arn:aws:s3:::bucket",),
    ),
    "EncryptionContextKeys/sent": (
        "kms:Encrypt",
        encrypt(encryption_context=CONTEXT),
        SYMMETRIC,
        ("AppName", "Stage"),
    ),
    "EncryptionContextKeys/empty": ("kms:Encrypt", encrypt(encryption_context={}), SYMMETRIC, None),
    "EncryptionContextKeys/none": ("kms:Encrypt", encrypt(), SYMMETRIC, None),
    "EncryptionContextKeys/grant": (
        "kms:CreateGrant",
        create_grant(constraints=SUBSET),
        SYMMETRIC,
        ("Dept",),
    ),
    "ExpirationModel/sent": (
        "kms:ImportKeyMaterial",
        imported(expiration_model=enums.ExpirationModelType.KEY_MATERIAL_DOES_NOT_EXPIRE),
        SIGNING,
        ("KEY_MATERIAL_DOES_NOT_EXPIRE",),
    ),
    "ExpirationModel/left-out": ("kms:ImportKeyMaterial", imported(), SIGNING, None),
    "GrantConstraintSourceArn/sent": (
        "kms:CreateGrant",
        create_grant(constraints=SUBSET),
        SYMMETRIC,
        (SOURCE_ARN,),
    ),
    "GrantConstraintSourceArn/none": ("kms:CreateGrant", create_grant(), SYMMETRIC, None),
    "GrantConstraintType/equals": (
        "kms:CreateGrant",
        create_grant(constraints=EQUALS),
        SYMMETRIC,
        ("EncryptionContextEquals",),
    ),
    "GrantConstraintType/subset": (
        "kms:CreateGrant",
        create_grant(constraints=SUBSET),
        SYMMETRIC,
        ("EncryptionContextSubset",),
    ),
    "GrantConstraintType/source-arn-alone": (
        "kms:CreateGrant",
        create_grant(constraints=s.GrantConstraints(source_arn=SOURCE_ARN)),
        SYMMETRIC,
        None,
    ),
    "GrantIsForAWSResource/direct": ("kms:CreateGrant", create_grant(), SYMMETRIC, ("false",)),
    "GrantIsForAWSResource/none": ("kms:Encrypt", encrypt(), SYMMETRIC, None),
    "GrantOperations/order": (
        "kms:CreateGrant",
        create_grant(),
        SYMMETRIC,
        ("ReEncryptTo", "Encrypt"),
    ),
    "GranteePrincipal/sent": ("kms:CreateGrant", create_grant(), SYMMETRIC, (GRANTEE,)),
    "GranteePrincipal/filter": (
        "kms:ListGrants",
        s.ListGrantsRequest(key_id="k", grantee_principal=GRANTEE),
        SYMMETRIC,
        None,
    ),
    "GranteePrincipal/none": ("kms:CreateGrant", create_grant(**BY_SERVICE), SYMMETRIC, None),
    "GranteeServicePrincipal/sent": (
        "kms:CreateGrant",
        create_grant(**BY_SERVICE),
        SYMMETRIC,
        ("s3.amazonaws.com",),
    ),
    "KeyAgreementAlgorithm/sent": (
        "kms:DeriveSharedSecret",
        s.DeriveSharedSecretRequest(
            key_id=NAMED,
            key_agreement_algorithm=enums.KeyAgreementAlgorithmSpec.ECDH,
            public_key=b"p",
        ),
        SYMMETRIC,
        ("ECDH",),
    ),
    "KeyOrigin/key": ("kms:Sign", sign(), SIGNING, ("EXTERNAL",)),
    "KeyOrigin/request": ("kms:CreateKey", NEW_RSA, None, ("EXTERNAL",)),
    "KeyOrigin/default": ("kms:CreateKey", s.CreateKeyRequest(), None, ("AWS_KMS",)),
    "KeySpec/key": ("kms:Encrypt", encrypt(), SYMMETRIC, ("SYMMETRIC_DEFAULT",)),
    "KeySpec/request": ("kms:CreateKey", NEW_RSA, None, ("RSA_4096",)),
    "KeySpec/old-name": ("kms:CreateKey", OLD_NAME, None, ("HMAC_256",)),
    "KeySpec/default": ("kms:CreateKey", s.CreateKeyRequest(), None, ("SYMMETRIC_DEFAULT",)),
    "KeySpec/replica": ("kms:CreateKey", replicate(), None, ("SYMMETRIC_DEFAULT",)),
    "KeySpec/new-key-tags": ("kms:TagResource", NEW_RSA, None, ("RSA_4096",)),
    "KeySpec/no-key": ("kms:ListKeys", s.ListKeysRequest(), None, None),
    "KeySpec/alias": (
        "kms:CreateAlias",
        s.CreateAliasRequest(alias_name=NAMED, target_key_id="k"),
        None,
        None,
    ),
    "KeyUsage/key": ("kms:DescribeKey", DESCRIBE, SIGNING, ("SIGN_VERIFY",)),
    "KeyUsage/default": ("kms:CreateKey", s.CreateKeyRequest(), None, ("ENCRYPT_DECRYPT",)),
    "MacAlgorithm/sent": (
        "kms:GenerateMac",
        s.GenerateMacRequest(message=b"x", key_id=NAMED, mac_algorithm=enums.MacAlgorithmSpec.HMAC_SHA_384),
        SYMMETRIC,
        ("HMAC_SHA_384",),
    ),
    "MessageType/sent": (
        "kms:Sign",
        sign(message_type=enums.MessageType.DIGEST),
        SIGNING,
        ("DIGEST",),
    ),
    "MessageType/default": ("kms:Sign", sign(), SIGNING, ("RAW",)),
    "MultiRegion/single": ("kms:DescribeKey", DESCRIBE, SYMMETRIC, ("false",)),
    "MultiRegion/multi": ("kms:DescribeKey", DESCRIBE, PRIMARY, ("true",)),
    "MultiRegion/default": ("kms:CreateKey", s.CreateKeyRequest(), None, ("false",)),
    "MultiRegion/request": ("kms:CreateKey", NEW_RSA, None, ("true",)),
    "MultiRegion/replica": ("kms:CreateKey", replicate(), None, ("true",)),
    "MultiRegionKeyType/primary": ("kms:DescribeKey", DESCRIBE, PRIMARY, ("PRIMARY",)),
    "MultiRegionKeyType/replica": ("kms:DescribeKey", DESCRIBE, REPLICA, ("REPLICA",)),
    "MultiRegionKeyType/single": ("kms:DescribeKey", DESCRIBE, SYMMETRIC, None),
    "MultiRegionKeyType/request": ("kms:CreateKey", NEW_RSA, None, ("PRIMARY",)),
    "MultiRegionKeyType/new-replica": ("kms:CreateKey", replicate(), None, ("REPLICA",)),
    "PrimaryRegion/sent": (
        "kms:UpdatePrimaryRegion",
        s.UpdatePrimaryRegionRequest(key_id="k", primary_region="us-east-1"),
        PRIMARY,
        ("us-east-1",),
    ),
    "ReplicaRegion/sent": ("kms:ReplicateKey", replicate(), PRIMARY, (OTHER_REGION,)),
    "RequestAlias/name": ("kms:Encrypt", encrypt(), SYMMETRIC, (NAMED,)),
    "RequestAlias/arn": (
        "kms:GenerateDataKey",
        s.GenerateDataKeyRequest(key_id=f"arn:aws:kms:{REGION}:{ACCOUNT}:{NAMED}"),
        SYMMETRIC,
        (NAMED,),
    ),
    "RequestAlias/key-id": ("kms:Encrypt", encrypt(key_id=SYMMETRIC.key_id), SYMMETRIC, None),
    "RequestAlias/key-arn": ("kms:Encrypt", encrypt(key_id=SYMMETRIC.arn), SYMMETRIC, None),
    "RequestAlias/by-ciphertext": (
        "kms:Decrypt",
        s.DecryptRequest(ciphertext_blob=b"x"),
        SYMMETRIC,
        None,
    ),
    "RequestAlias/from": ("kms:ReEncryptFrom", re_encrypt(), SYMMETRIC, ("alias/old",)),
    "RequestAlias/to": ("kms:ReEncryptTo", re_encrypt(), SYMMETRIC, ("alias/new",)),
    "RetiringPrincipal/sent": (
        "kms:CreateGrant",
        create_grant(retiring_principal=GRANTEE),
        SYMMETRIC,
        (GRANTEE,),
    ),
    "RetiringPrincipal/listing": (
        "kms:ListRetirableGrants",
        s.ListRetirableGrantsRequest(retiring_principal=GRANTEE),
        None,
        None,
    ),
    "RetiringServicePrincipal/sent": (
        "kms:CreateGrant",
        create_grant(**BY_SERVICE),
        SYMMETRIC,
        ("ec2.amazonaws.com",),
    ),
    "RotationPeriodInDays/sent": (
        "kms:EnableKeyRotation",
        s.EnableKeyRotationRequest(key_id="k", rotation_period_in_days=180),
        SYMMETRIC,
        ("180",),
    ),
    "RotationPeriodInDays/default": (
        "kms:EnableKeyRotation",
        s.EnableKeyRotationRequest(key_id="k"),
        SYMMETRIC,
        ("365",),
    ),
    "ScheduleKeyDeletionPendingWindowInDays/sent": (
        "kms:ScheduleKeyDeletion",
        s.ScheduleKeyDeletionRequest(key_id="k", pending_window_in_days=7),
        SYMMETRIC,
        ("7",),
    ),
    "ScheduleKeyDeletionPendingWindowInDays/default": (
        "kms:ScheduleKeyDeletion",
        s.ScheduleKeyDeletionRequest(key_id="k"),
        SYMMETRIC,
        ("30",),
    ),
    "SigningAlgorithm/sent": ("kms:Sign", sign(), SIGNING, ("RSASSA_PSS_SHA_512",)),
    "ValidTo/whole": (
        "kms:ImportKeyMaterial",
        imported(valid_to=1546257599.0),
        SIGNING,
        ("1546257599.0",),
    ),
    "ValidTo/small": ("kms:ImportKeyMaterial", imported(valid_to=1e-7), SIGNING, ("0.0000001",)),
    "ValidTo/left-out": ("kms:ImportKeyMaterial", imported(), SIGNING, None),
    "ViaService/direct": ("kms:Encrypt", encrypt(), SYMMETRIC, None),
    "WrappingAlgorithm/sent": (
        "kms:GetParametersForImport",
        PARAMETERS,
        SIGNING,
        ("RSAES_OAEP_SHA_256",),
    ),
    "WrappingKeySpec/sent": ("kms:GetParametersForImport", PARAMETERS, SIGNING, ("RSA_4096",)),
}


@pytest.mark.parametrize(("case", "about"), CASES.items(), ids=CASES)
def test_kms_condition_key_has_the_value_that_the_guide_says(road: Road, case: str, about: Case) -> None:
    name = case.partition("/")[0]
    action, request, key, expected = about
    if key is None and isinstance(request, s.ReplicateKeyRequest):
        asked = question(road, action, request, PRIMARY, about_key=False)
    else:
        asked = question(road, action, request, *(() if key is None else (key,)))
    assert values(road, asked, f"kms:{name}") == expected


@pytest.mark.parametrize("principal", [VIA_S3, SERVICE], ids=["forwarded", "service"])
@pytest.mark.parametrize("action", ["kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"])
def test_grant_by_a_service_is_for_an_aws_resource(
    road: Road, principal: AuthenticatedPrincipal, action: str
) -> None:
    asked = question(road, action, create_grant(), SYMMETRIC, principal=principal)
    assert values(road, asked, "kms:GrantIsForAWSResource") == ("true",)


def test_via_service_names_service_and_region(road: Road) -> None:
    asked = question(road, "kms:Encrypt", encrypt(), SYMMETRIC, principal=VIA_S3)
    assert values(road, asked, "kms:ViaService") == (f"s3.{REGION}.amazonaws.com",)
    assert values(road, asked, "kms:CallerAccount") == (ACCOUNT,)


def test_via_service_of_random_bytes_is_absent(road: Road) -> None:
    """The Service Authorization Reference does not list it for GenerateRandom."""
    asked = question(road, "kms:GenerateRandom", s.GenerateRandomRequest(), principal=VIA_S3)
    assert values(road, asked, "kms:ViaService") is None


@pytest.mark.parametrize(
    ("constraints", "kind", "keys", "value"),
    [
        (
            GrantConstraints(encryption_context_equals=CONTEXT),
            "EncryptionContextEquals",
            ("AppName", "Stage"),
            "Test",
        ),
        (
            GrantConstraints(encryption_context_subset={"STAGE": "x"}),
            "EncryptionContextSubset",
            ("STAGE",),
            "x",
        ),
        (GrantConstraints(source_arn=SOURCE_ARN), None, None, None),
    ],
    ids=["equals", "subset", "source-arn"],
)
def test_retire_grant_reads_the_constraints_of_the_grant(
    road: Road,
    constraints: GrantConstraints,
    kind: str | None,
    keys: tuple[str, ...] | None,
    value: str | None,
) -> None:
    grant: Grant = new_grant(SYMMETRIC, constraints=constraints)
    asked = question(road, "kms:RetireGrant", s.RetireGrantRequest(), SYMMETRIC, grant=grant)
    assert values(road, asked, "kms:GrantConstraintType") == (None if kind is None else (kind,))
    assert values(road, asked, "kms:EncryptionContextKeys") == keys
    assert values(road, asked, "kms:EncryptionContext:stage") == (None if value is None else (value,))
