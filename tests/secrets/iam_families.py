"""What the driver does with each family of IAM and STS operations: rows of calls, in this order.

`{n}` stands for the number of the round. A row's calls are made whatever the others answer; some are
refused each time. The families are those of operations/table.py, by the name of their module.
"""

from __future__ import annotations

import json
import re
from typing import Final

from tests.secrets.kms_families import Round, World
from tests.secrets.signed_calls import Caller, RoundOver

DRIVER: Final = "proof-driver"
"""A user of the driver's own, who may do everything."""
ADMINISTRATOR: Final = "arn:aws:iam::aws:policy/AdministratorAccess"
POLICY: Final = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
)
READS: Final = "arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser"
TRUST: Final = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"AWS": "{account}"}, "Action": "sts:AssumeRole"}],
    }
)
USER, GROUP, ROLE = (
    {"UserName": "proof-{f}-{n}"},
    {"GroupName": "proof-{f}-{n}"},
    {"RoleName": "proof-{f}-{n}"},
)
NEW_ROLE: Final = {**ROLE, "AssumeRolePolicyDocument": TRUST}
NEW_POLICY: Final = {"PolicyName": "proof-{f}-{n}", "PolicyDocument": POLICY}
OWN: Final = {"PolicyArn": "arn:aws:iam::{account}:policy/proof-{f}-{n}"}
OIDC: Final = {"OpenIDConnectProviderArn": "arn:aws:iam::{account}:oidc-provider/issuer-{n}.example.com"}
TAGGED: Final = {"OpenIDConnectProviderArn": "arn:aws:iam::{account}:oidc-provider/tagged-{n}.example.com"}
TAG: Final = {"Tags.member.1.Key": "a", "Tags.member.1.Value": "b"}
UNTAG: Final = {"TagKeys.member.1": "a"}
INLINE: Final = {"PolicyName": "inline"}

IAM_ROWS: Final[dict[str, list[tuple[str, dict[str, str]]]]] = {
    "users": [
        ("CreateUser", USER), ("CreateUser", USER), ("GetUser", USER), ("ListUsers", {"MaxItems": "5"}),
        ("UpdateUser", {**USER, "NewPath": "/proof/"}), ("DeleteUser", USER), ("GetUser", USER),
        ("CreateUser", {"UserName": "not a name"}),
    ],
    "user_tags": [
        ("CreateUser", USER), ("TagUser", {**USER, **TAG}), ("ListUserTags", USER),
        ("UntagUser", {**USER, **UNTAG}), ("DeleteUser", USER), ("TagUser", {**USER, **TAG}),
    ],
    "groups": [
        ("CreateGroup", GROUP), ("CreateGroup", GROUP), ("ListGroups", {"MaxItems": "5"}),
        ("UpdateGroup", {**GROUP, "NewPath": "/proof/"}), ("DeleteGroup", GROUP), ("DeleteGroup", GROUP),
    ],
    "group_members": [
        ("CreateUser", USER), ("CreateGroup", GROUP), ("AddUserToGroup", {**USER, **GROUP}),
        ("GetGroup", GROUP), ("ListGroupsForUser", USER), ("DeleteGroup", GROUP),
        ("RemoveUserFromGroup", {**USER, **GROUP}), ("DeleteGroup", GROUP), ("DeleteUser", USER),
        ("GetGroup", GROUP),
    ],
    "user_leftovers": [
        (operation, USER)
        for operation in ("ListMFADevices", "ListSigningCertificates", "ListSSHPublicKeys",
                          "ListServiceSpecificCredentials", "GetLoginProfile")
    ],
    "account_summary": [("GetAccountSummary", {})],
    "roles": [
        ("CreateRole", NEW_ROLE), ("CreateRole", NEW_ROLE), ("GetRole", ROLE),
        ("ListRoles", {"MaxItems": "5"}),
        ("UpdateRole", {**ROLE, "MaxSessionDuration": "7200"}),
        ("UpdateRoleDescription", {**ROLE, "Description": "proof"}),
        ("UpdateAssumeRolePolicy", {**ROLE, "PolicyDocument": TRUST}),
        ("UpdateAssumeRolePolicy", {**ROLE, "PolicyDocument": "{"}),
        ("ListInstanceProfilesForRole", ROLE), ("DeleteRole", ROLE), ("GetRole", ROLE),
    ],
    "entity_tagging": [
        ("CreateRole", NEW_ROLE), ("TagRole", {**ROLE, **TAG}), ("ListRoleTags", ROLE),
        ("UntagRole", {**ROLE, **UNTAG}), ("DeleteRole", ROLE), ("CreatePolicy", NEW_POLICY),
        ("TagPolicy", {**OWN, **TAG}), ("ListPolicyTags", OWN), ("UntagPolicy", {**OWN, **UNTAG}),
        ("DeletePolicy", OWN), ("CreateOpenIDConnectProvider", {"Url": "https://tagged-{n}.example.com"}),
        ("TagOpenIDConnectProvider", {**TAGGED, **TAG}), ("ListOpenIDConnectProviderTags", TAGGED),
        ("UntagOpenIDConnectProvider", {**TAGGED, **UNTAG}), ("DeleteOpenIDConnectProvider", TAGGED),
        ("TagOpenIDConnectProvider", {**TAGGED, **TAG}),
    ],
    "inline_policies": [
        ("CreateUser", USER), ("CreateGroup", GROUP), ("CreateRole", NEW_ROLE),
        *(
            (operation.replace("User", kind), {**entity, **more})
            for kind, entity in (("User", USER), ("Group", GROUP), ("Role", ROLE))
            for operation, more in (
                ("PutUserPolicy", {**INLINE, "PolicyDocument": POLICY}), ("GetUserPolicy", INLINE),
                ("PutUserPolicy", {**INLINE, "PolicyDocument": "[]"}), ("ListUserPolicies", {}),
                ("DeleteUserPolicy", INLINE),
            )
        ),
        ("DeleteUser", USER), ("DeleteGroup", GROUP), ("DeleteRole", ROLE),
    ],
    "managed_policies": [
        ("CreatePolicy", NEW_POLICY), ("CreatePolicy", NEW_POLICY), ("GetPolicy", OWN),
        ("ListPolicies", {"Scope": "Local", "MaxItems": "5"}), ("DeletePolicy", OWN), ("GetPolicy", OWN),
        ("CreatePolicy", {**NEW_POLICY, "PolicyDocument": '{"Version":"x"}'}),
    ],
    "policy_versions": [
        ("CreatePolicy", NEW_POLICY), ("CreatePolicyVersion", {**OWN, "PolicyDocument": POLICY}),
        ("SetDefaultPolicyVersion", {**OWN, "VersionId": "v2"}), ("ListPolicyVersions", OWN),
        ("GetPolicyVersion", {**OWN, "VersionId": "v1"}), ("DeletePolicyVersion", {**OWN, "VersionId": "v2"}),
        ("DeletePolicyVersion", {**OWN, "VersionId": "v1"}), ("DeletePolicy", OWN),
    ],
    "attachments": [
        ("CreateUser", USER), ("CreateGroup", GROUP), ("CreateRole", NEW_ROLE),
        *(
            (operation.replace("User", kind), {**entity, **more})
            for kind, entity in (("User", USER), ("Group", GROUP), ("Role", ROLE))
            for operation, more in (
                ("AttachUserPolicy", {"PolicyArn": READS}), ("ListAttachedUserPolicies", {}),
                ("DetachUserPolicy", {"PolicyArn": READS}), ("DetachUserPolicy", {"PolicyArn": READS}),
            )
        ),
        ("PutUserPermissionsBoundary", {**USER, "PermissionsBoundary": READS}),
        ("DeleteUserPermissionsBoundary", USER),
        ("PutRolePermissionsBoundary", {**ROLE, "PermissionsBoundary": READS}),
        ("DeleteRolePermissionsBoundary", ROLE),
        ("DeleteUser", USER), ("DeleteGroup", GROUP), ("DeleteRole", ROLE),
    ],
    "policy_usage": [("ListEntitiesForPolicy", {"PolicyArn": READS}), ("ListEntitiesForPolicy", OWN)],
    "oidc_providers": [
        ("CreateOpenIDConnectProvider",
         {"Url": "https://issuer-{n}.example.com", "ClientIDList.member.1": "a"}),
        ("GetOpenIDConnectProvider", OIDC), ("ListOpenIDConnectProviders", {}),
        ("AddClientIDToOpenIDConnectProvider", {**OIDC, "ClientID": "b"}),
        ("RemoveClientIDFromOpenIDConnectProvider", {**OIDC, "ClientID": "b"}),
        ("UpdateOpenIDConnectProviderThumbprint", {**OIDC, "ThumbprintList.member.1": "0" * 40}),
        ("DeleteOpenIDConnectProvider", OIDC), ("GetOpenIDConnectProvider", OIDC),
    ],
    "simulation": [
        ("SimulateCustomPolicy", {"PolicyInputList.member.1": POLICY, "ActionNames.member.1": "kms:Encrypt"}),
        ("SimulateCustomPolicy", {"PolicyInputList.member.1": "{", "ActionNames.member.1": "kms:Encrypt"}),
        ("SimulatePrincipalPolicy", {"PolicySourceArn": "arn:aws:iam::{account}:user/proof-driver",
                                     "ActionNames.member.1": "kms:Encrypt"}),
    ],
}  # fmt: skip

ASSUMED: Final = {"RoleArn": "arn:aws:iam::{account}:role/proof", "RoleSessionName": "proof-{n}"}
STS_ROWS: Final[dict[str, list[tuple[str, dict[str, str]]]]] = {
    "caller_identity": [("GetCallerIdentity", {})],
    "assume_role_with_web_identity": [
        ("AssumeRoleWithWebIdentity", {**ASSUMED, "WebIdentityToken": "eyJhbGciOiJub25lIn0.e30."}),
        ("AssumeRoleWithWebIdentity", {**ASSUMED, "WebIdentityToken": "not a token at all"}),
    ],
    "session_tokens": [
        ("GetSessionToken", {"DurationSeconds": "900"}), ("GetSessionToken", {"DurationSeconds": "899"}),
    ],
    "access_key_info": [
        ("GetAccessKeyInfo", {"AccessKeyId": "{access_key_id}"}),
        ("GetAccessKeyInfo", {"AccessKeyId": "AK"}),
    ],
}  # fmt: skip


def filled(members: dict[str, str], caller: Caller, world: World, family: str, number: int) -> dict[str, str]:
    """Members with account, family, number and the caller's access key id put in."""
    found = {
        "{account}": world.account,
        "{f}": family,
        "{n}": str(number),
        "{access_key_id}": caller.access_key_id,
    }
    return {
        name: re.sub(r"\{(?:account|f|n|access_key_id)\}", lambda match: found[match[0]], value)
        for name, value in members.items()
    }


def one(element: str, document: bytes) -> str:
    """The text of an element that an answer has once."""
    text: bytes = re.findall(rf"<{element}>([^<]+)<".encode(), document)[0]
    return text.decode()


async def with_credentials_of(caller: Caller, document: bytes) -> Caller:
    """Who signs with the credentials in an answer of CreateAccessKey or AssumeRole."""
    token = one("SessionToken", document) if b"<SessionToken>" in document else ""
    return Caller(
        caller.port,
        one("AccessKeyId", document),
        one("SecretAccessKey", document),
        caller.region,
        token,
        caller.counted,
    )


async def make_driver_user(caller: Caller, world: World) -> None:
    """The user whom AssumeRole needs: a root user may assume no role. And the role `proof`."""
    trust = filled({"AssumeRolePolicyDocument": TRUST}, caller, world, "", 0)
    await caller.query("iam", "CreateRole", RoleName="proof", **trust)
    await caller.query("iam", "AttachRolePolicy", RoleName="proof", PolicyArn=READS)
    await caller.query("iam", "CreateUser", UserName=DRIVER)
    await caller.query("iam", "AttachUserPolicy", UserName=DRIVER, PolicyArn=ADMINISTRATOR)
    made = await caller.query("iam", "CreateAccessKey", UserName=DRIVER)
    if made is None:
        raise RoundOver("CreateAccessKey")
    world.remembered["driver key id"] = one("AccessKeyId", made)
    world.remembered["driver secret"] = one("SecretAccessKey", made)


async def access_keys(caller: Caller, world: World, number: int) -> None:
    """An access key from its making to its end, used for a call of its own."""
    user = {"UserName": f"proof-access-keys-{number}"}
    await caller.query("iam", "CreateUser", **user)
    made = await caller.query("iam", "CreateAccessKey", **user)
    if made is None:
        return
    theirs = await with_credentials_of(caller, made)
    await theirs.query("sts", "GetCallerIdentity")
    named = {**user, "AccessKeyId": theirs.access_key_id}
    await caller.query("iam", "UpdateAccessKey", **named, Status="Inactive")
    await theirs.query("sts", "GetCallerIdentity")
    theirs.close()
    await caller.query("iam", "ListAccessKeys", **user)
    await caller.query("iam", "GetAccessKeyLastUsed", AccessKeyId=theirs.access_key_id)
    await caller.query("iam", "DeleteAccessKey", **named)
    await caller.query("iam", "DeleteAccessKey", **named)
    await caller.query("iam", "DeleteUser", **user)


async def assume_role(caller: Caller, world: World, number: int) -> None:
    """A session, used for a call of KMS, with its own token and with another."""
    remembered = world.remembered
    user = Caller(
        caller.port,
        remembered["driver key id"],
        remembered["driver secret"],
        caller.region,
        counted=caller.counted,
    )
    role = {"RoleArn": f"arn:aws:iam::{world.account}:role/proof", "RoleSessionName": f"proof-{number}"}
    made = await user.query("sts", "AssumeRole", **role)
    await user.query("sts", "AssumeRole", **role, DurationSeconds="1")
    user.close()
    await caller.query("sts", "AssumeRole", **role)
    if made is None:
        return
    session = await with_credentials_of(caller, made)
    await session.query("sts", "GetCallerIdentity")
    await session.kms("ListKeys", Limit=1)
    session.session_token = session.session_token[:-9] + "AAAAAAAAA"
    await session.query("sts", "GetCallerIdentity")
    session.close()


IAM_ROUNDS: Final[dict[str, Round]] = {"access_keys": access_keys}
STS_ROUNDS: Final[dict[str, Round]] = {"assume_role": assume_role}
