"""Worlds: everything that one decision is made from, as plain dicts.

    {"caller":   {type, account, arn, id, role_arn?, provider?, session: {policies, managed} or None},
     "key":      {kind, account, arn, policy, bindings},
     "identity": {policies, boundary: a policy, None or "gone"} or None,
     "grants":   [{operations, grantee, grantee_id, service, subset, equals, source_arn, retiring, retiring_id,
                   retiring_service, issuer}],
     "request":  {action, values, context, cross_account, grant_operation, child: a grant to be made, or None}}

Policies are dicts as AWS writes them. `bindings` are what the key policy's ARNs meant when it was put. What is
asked about is a KMS `key`, the `retirement` of its only grant, a role and its `trust` policy, or something that has
a policy of kind `none`.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from tests.properties.slow_evaluator.conditions import as_list

World = dict[str, Any]
Policy = dict[str, Any]

OWNER, OTHER = "111122223333", "444455556666"
REGION = "us-east-1"
KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
KEY_ARN = f"arn:aws:kms:{REGION}:{OWNER}:key/{KEY_ID}"
VERSION = "2012-10-17"


def unique_id(kind: str, name: str, account: str = OWNER, life: int = 1) -> str:
    """Of a user (AIDA) or role (AROA); `life` counts how often one was made under this name."""
    prefix = {"user": "AIDA", "role": "AROA"}[kind]
    digest = hashlib.sha256(f"{kind}/{name}/{account}/{life}".encode()).digest()
    return prefix + base64.b32encode(digest).decode()[:17]


def user_arn(name: str, account: str = OWNER) -> str:
    """`name` may have a path before it."""
    return f"arn:aws:iam::{account}:user/{name}"


def role_arn(name: str, account: str = OWNER) -> str:
    """`name` may have a path before it."""
    return f"arn:aws:iam::{account}:role/{name}"


def session_arn(role: str, session: str, account: str = OWNER) -> str:
    """Of an assumed role; a role's path does not appear in it."""
    return f"arn:aws:sts::{account}:assumed-role/{role.rsplit('/', maxsplit=1)[-1]}/{session}"


def root_arn(account: str = OWNER) -> str:
    """The account principal."""
    return f"arn:aws:iam::{account}:root"


def root(account: str = OWNER) -> dict[str, Any]:
    """The account root user."""
    return {"type": "root", "account": account, "arn": root_arn(account), "id": account, "session": None}


def user(name: str, account: str = OWNER, life: int = 1) -> dict[str, Any]:
    """An IAM user with long-term credentials."""
    return {
        "type": "user",
        "account": account,
        "arn": user_arn(name, account),
        "id": unique_id("user", name.rsplit("/", maxsplit=1)[-1], account, life),
        "session": None,
    }


def session(
    role: str,
    name: str = "s1",
    account: str = OWNER,
    *,
    policies: list[Policy] | None = None,
    managed: list[Policy | None] | None = None,
    life: int = 1,
) -> dict[str, Any]:
    """An assumed role, with its session policies."""
    return {
        "type": "session",
        "account": account,
        "arn": session_arn(role, name, account),
        "id": unique_id("role", role.rsplit("/", maxsplit=1)[-1], account, life),
        "role_arn": role_arn(role, account),
        "session": {"policies": policies or [], "managed": managed or []},
    }


def service(name: str) -> dict[str, Any]:
    """A service that acts for itself."""
    arn = f"{name}.amazonaws.com"
    return {"type": "service", "account": "", "arn": arn, "id": "", "session": None}


def web_identity(provider: str, account: str = OWNER) -> dict[str, Any]:
    """The bearer of an OpenID Connect provider's token, who has no role yet."""
    return {
        "type": "web",
        "account": account,
        "arn": provider.rsplit("/", maxsplit=1)[-1] + ":sub",
        "id": "",
        "provider": provider,
    }


def policy(*statements: dict[str, Any], version: str | None = VERSION) -> Policy:
    """A policy document."""
    return ({"Version": version} if version else {}) | {"Statement": list(statements)}


def allow(principal: Any = None, action: Any = "kms:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    """An Allow statement; without a principal, one of an identity-based policy."""
    return _statement("Allow", principal, action, resource, more)


def deny(principal: Any = None, action: Any = "kms:*", resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A Deny statement."""
    return _statement("Deny", principal, action, resource, more)


def _statement(
    effect: str, principal: Any, action: Any, resource: Any, more: dict[str, Any]
) -> dict[str, Any]:
    statement: dict[str, Any] = {"Effect": effect}
    if principal is not None:
        statement["Principal"] = principal
    if action is not None:
        statement["Action"] = action
    if resource is not None:
        statement["Resource"] = resource
    return statement | more


def aws(*principals: str) -> dict[str, Any]:
    """`{"AWS": ...}`."""
    return {"AWS": principals[0] if len(principals) == 1 else list(principals)}


TRUST = allow(aws(root_arn()), Sid="Enable IAM User Permissions")
"""The default key policy's statement: the account may use IAM policies."""


def grant(grantee: str | None = None, *operations: str, **more: Any) -> dict[str, Any]:
    """A grant on the key; all but the grantee's ARN by name."""
    members = (
        "grantee_id",
        "service",
        "subset",
        "equals",
        "source_arn",
        "retiring",
        "retiring_id",
        "retiring_service",
    )
    empty = dict.fromkeys(members) | {"issuer": OWNER}
    return {"operations": list(operations or ("Decrypt",)), "grantee": grantee} | empty | more


def standing_bindings(*names: str) -> dict[str, str]:
    """What ARNs of users, roles and sessions mean as long as nobody was deleted."""
    found = {}
    for arn in names:
        account, resource = arn.split(":")[4], arn.split(":")[5].split("/")
        kind = "user" if resource[0] == "user" else "role"
        name = resource[1] if resource[0] == "assumed-role" else resource[-1]
        found[arn] = unique_id(kind, name, account)
    return found


def arns_named_in(document: Policy) -> list[str]:
    """The ARNs of users, roles and sessions that a key policy names."""
    found: list[str] = []
    for statement in as_list(document["Statement"]):
        for element in (statement.get("Principal"), statement.get("NotPrincipal")):
            found += as_list(element.get("AWS", [])) if isinstance(element, dict) else []
    return [arn for arn in found if arn.startswith("arn:") and not arn.endswith(":root")]


def caller_values(caller: dict[str, Any]) -> dict[str, list[str]]:
    """The condition keys about the caller that every request has.

    Source: IAM User Guide, "AWS global condition context keys", Properties of the principal.
    """
    values = {"aws:securetransport": "true", "aws:requestedregion": REGION, "aws:sourceip": "203.0.113.7"}
    if caller["type"] == "web":
        values |= {"aws:federatedprovider": caller["provider"]}
        return {key: [value] for key, value in values.items()}
    if caller["type"] == "service":
        values |= {"aws:principalisawsservice": "true", "aws:principalservicename": caller["arn"]}
        return {key: [value] for key, value in values.items()}
    values |= {
        "aws:principalarn": caller.get("role_arn", caller["arn"]),
        "aws:principalaccount": caller["account"],
        "kms:calleraccount": caller["account"],
        "aws:principalisawsservice": "false",
        "aws:userid": caller["id"],
    }
    if caller["type"] == "user":
        values["aws:username"] = caller["arn"].split("/")[-1]
    if caller["type"] == "session":
        values["aws:userid"] = f"{caller['id']}:{caller['arn'].split('/')[-1]}"
    return {key: [value] for key, value in values.items()}


def world(
    caller: dict[str, Any],
    key_policy: Policy | list[dict[str, Any]],
    identity: list[Policy] | list[dict[str, Any]] | None = None,
    *,
    boundary: Policy | str | None = None,
    grants: list[dict[str, Any]] | None = None,
    action: str = "kms:Decrypt",
    values: dict[str, list[str]] | None = None,
    context: dict[str, str] | None = None,
    bindings: dict[str, str] | None = None,
    cross_account: bool = True,
    grant_operation: str | None = "Decrypt",
    child: dict[str, Any] | None = None,
    kind: str = "key",
    arn: str = KEY_ARN,
) -> World:
    """A world. `key_policy` and `identity` may be bare statements."""
    document = key_policy if isinstance(key_policy, dict) else policy(*key_policy)
    statements_or_policies = identity or []
    if statements_or_policies and "Statement" not in statements_or_policies[0]:
        statements_or_policies = [policy(*statements_or_policies)]
    has_identity = caller["type"] in {"user", "session"}
    return {
        "caller": caller,
        "key": {
            "kind": kind,
            "account": OWNER,
            "arn": arn,
            "policy": document,
            "bindings": standing_bindings(*arns_named_in(document)) if bindings is None else bindings,
        },
        "identity": {"policies": statements_or_policies, "boundary": boundary} if has_identity else None,
        "grants": grants or [],
        "request": {
            "action": action,
            "values": caller_values(caller) | (values or {}),
            "context": context,
            "cross_account": cross_account,
            "grant_operation": grant_operation,
            "child": child,
        },
    }
