"""Grants as permission.

Sources: KMS Developer Guide, "Grants in AWS KMS", "Creating grants", "Troubleshooting AWS KMS permissions" (key
trust: "if a grant or IAM policy in your account allows you"); KMS API Reference, CreateGrant, GrantConstraints.
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, NO, Case
from tests.properties.policy_cases.worlds import (
    OTHER,
    TRUST,
    allow,
    aws,
    deny,
    grant,
    policy,
    role_arn,
    root,
    root_arn,
    service,
    session,
    session_arn,
    unique_id,
    user,
    user_arn,
    world,
)

_GRANTS = "KMS Developer Guide, Grants in AWS KMS"
_CONSTRAINTS = "KMS API Reference, GrantConstraints"
_TRUST_OF_KEYS = "KMS Developer Guide, Troubleshooting AWS KMS permissions: key trust"
_CREATE = "KMS API Reference, CreateGrant: GranteePrincipal"
_SERVICE = "KMS API Reference, CreateGrant: GranteeServicePrincipal"

_ALICE, _APP = user("alice"), session("app", "s1")
_ALICE_ID, _APP_ID = unique_id("user", "alice"), unique_id("role", "app")
_TO_NOBODY = [allow(aws(user_arn("bob")))]
_NO_RESOURCE = f"{NO}: resource"
_SHUT = policy(allow(None, "s3:*"))
_BUCKET = "arn:aws:s3:::logs"


def _to_alice(*operations: str, **more: Any) -> dict[str, Any]:
    return grant(user_arn("alice"), *operations, grantee_id=_ALICE_ID, **more)


def _to_app(*operations: str, **more: Any) -> dict[str, Any]:
    return grant(role_arn("app"), *operations, grantee_id=_APP_ID, **more)


def _case(name: str, source: str, caller: Any, grants: list[Any], expected: str, **more: Any) -> Case:
    key_policy = more.pop("key_policy", _TO_NOBODY)
    return Case(f"Grant: {name}", source, world(caller, key_policy, grants=grants, **more), expected)


def _grantees() -> list[Case]:
    to_session = grant(session_arn("app", "s1"), grantee_id=_APP_ID)
    return [
        _case("to the user", _CREATE, _ALICE, [_to_alice()], ALLOW),
        _case("to the user under an earlier name", _CREATE, _ALICE, [grant(user_arn("al"), grantee_id=_ALICE_ID)], ALLOW),
        _case("to the user under an earlier path", _CREATE, _ALICE, [grant(user_arn("x/alice"), grantee_id=_ALICE_ID)], ALLOW),
        _case("to another user", _CREATE, user("bobby"), [_to_alice()], _NO_RESOURCE),
        _case("to a user made again", _CREATE, user("alice", life=2), [_to_alice()], _NO_RESOURCE),
        _case("to that user of another account", _CREATE, user("alice", OTHER), [_to_alice()], _NO_RESOURCE),
        _case("to the role, used by its session", _CREATE, _APP, [_to_app()], ALLOW),
        _case("to the role, used by another session", _CREATE, session("app", "s2"), [_to_app()], ALLOW),
        _case("to another role", _CREATE, session("web"), [_to_app()], _NO_RESOURCE),
        _case("to a role made again", _CREATE, session("app", life=2), [_to_app()], _NO_RESOURCE),
        _case("to a role with a path", _CREATE, session("ops/app"),
              [grant(role_arn("ops/app"), grantee_id=unique_id("role", "app"))], ALLOW),
        _case("to the session", _CREATE, _APP, [to_session], ALLOW),
        _case("to another session", _CREATE, session("app", "s2"), [to_session], _NO_RESOURCE),
        _case("to the session of a role made again", _CREATE, session("app", "s1", life=2), [to_session], _NO_RESOURCE),
        _case("to the account, used by its root", _CREATE, root(), [grant(root_arn())], ALLOW),
        _case("to another account, used by this root", _CREATE, root(), [grant(root_arn(OTHER))], _NO_RESOURCE),
        _case("to a user, used by the root", _CREATE, root(), [_to_alice()], _NO_RESOURCE),
        _case("to the second of two", _GRANTS, _ALICE, [_to_app(), _to_alice()], ALLOW),
        _case("none", _GRANTS, _ALICE, [], _NO_RESOURCE),
        _case("to a service", _SERVICE, service("s3"), [grant(None, service="s3.amazonaws.com", source_arn=_BUCKET)],
              ALLOW, values={"aws:sourcearn": [_BUCKET]}),
        _case("to another service", _SERVICE, service("sns"),
              [grant(None, service="s3.amazonaws.com", source_arn=_BUCKET)], _NO_RESOURCE,
              values={"aws:sourcearn": [_BUCKET]}),
        _case("to a service, used by a user", _SERVICE, _ALICE,
              [grant(None, service="s3.amazonaws.com", source_arn=_BUCKET)], _NO_RESOURCE,
              values={"aws:sourcearn": [_BUCKET]}),
        _case("to a user, used by a service", _SERVICE, service("s3"), [_to_alice()], _NO_RESOURCE),
        _case("to a user of another account, no policy there", _TRUST_OF_KEYS, user("bob", OTHER),
              [grant(user_arn("bob", OTHER), grantee_id=unique_id("user", "bob", OTHER))], ALLOW),
        _case("to a role of another account, no policy there", _TRUST_OF_KEYS, session("asg", account=OTHER),
              [grant(role_arn("asg", OTHER), grantee_id=unique_id("role", "asg", OTHER))], ALLOW),
    ]  # fmt: skip


def _operations() -> list[Case]:
    def asks(name: str, granted: tuple[str, ...], action: str, operation: str | None, expected: str) -> Case:
        return _case(
            name, _GRANTS, _ALICE, [_to_alice(*granted)], expected, action=action, grant_operation=operation
        )

    return [
        asks("the operation is listed", ("Decrypt", "Encrypt"), "kms:Encrypt", "Encrypt", ALLOW),
        asks("the operation is not listed", ("Decrypt",), "kms:Encrypt", "Encrypt", _NO_RESOURCE),
        asks("Generate... is not its Pair", ("GenerateDataKey",), "kms:GenerateDataKeyPair", "GenerateDataKeyPair",
             _NO_RESOURCE),
        asks("ReEncryptFrom is not ReEncryptTo", ("ReEncryptFrom",), "kms:ReEncryptTo", "ReEncryptTo", _NO_RESOURCE),
        asks("ReEncryptTo", ("ReEncryptTo",), "kms:ReEncryptTo", "ReEncryptTo", ALLOW),
        asks("DescribeKey", ("DescribeKey",), "kms:DescribeKey", "DescribeKey", ALLOW),
        asks("an operation that no grant can permit", ("Decrypt", "CreateGrant"), "kms:ScheduleKeyDeletion", None,
             _NO_RESOURCE),
        asks("PutKeyPolicy is none that a grant can permit", ("CreateGrant",), "kms:PutKeyPolicy", None, _NO_RESOURCE),
    ]  # fmt: skip


def _denies_and_limits() -> list[Case]:
    allowing_app = session("app", policies=[_SHUT])
    denying_app = session("app", policies=[policy(allow(), deny())])
    beats = f"{_GRANTS}: an explicit deny in any policy overrides a grant"
    return [
        _case("the key policy denies", beats, _ALICE, [_to_alice()], "explicit deny: resource", key_policy=[deny("*")]),
        _case("the key policy denies the user", beats, _ALICE, [_to_alice()], "explicit deny: resource",
              key_policy=[TRUST, deny(aws(user_arn("alice")))]),
        _case("the key policy denies the account", beats, _ALICE, [_to_alice()], "explicit deny: resource",
              key_policy=[allow("*"), deny(aws(root_arn()))]),
        _case("the identity-based policy denies", beats, _ALICE, [_to_alice()], "explicit deny: identity",
              identity=[deny()]),
        _case("the boundary denies", beats, _ALICE, [_to_alice()], "explicit deny: boundary",
              boundary=policy(allow(), deny())),
        _case("the session policy denies", beats, denying_app, [_to_app()], "explicit deny: session"),
        _case("denied under a condition that does not hold", beats, _ALICE, [_to_alice()], ALLOW,
              key_policy=[deny("*", Condition={"Bool": {"aws:SecureTransport": "false"}})]),
        _case("the boundary does not speak of it", _GRANTS, _ALICE, [_to_alice()], ALLOW, boundary=_SHUT),
        _case("the session policy does not speak of it", _GRANTS, allowing_app, [_to_app()], ALLOW),
        _case("another action is denied", beats, _ALICE, [_to_alice()], ALLOW, identity=[deny(None, "kms:Encrypt")]),
        _case("a service is denied", beats, service("s3"), [grant(None, service="s3.amazonaws.com", source_arn=_BUCKET)],
              "explicit deny: resource", values={"aws:sourcearn": [_BUCKET]},
              key_policy=[deny({"Service": "s3.amazonaws.com"})]),
    ]  # fmt: skip


_CONTEXT = {"Department": "IT", "Purpose": "Test"}
_IT, _IT_ONLY = {"Department": "IT"}, {"Department": "IT", "Purpose": "Test"}

# (what, subset, equals, the request's encryption context, whether the grant permits)
_CONTEXT_ROWS: list[tuple[str, Any, Any, dict[str, str] | None, bool]] = [
    ("subset: more in the request", _IT, None, _CONTEXT, True),
    ("subset: the same", _IT, None, _IT, True),
    ("subset: another value", _IT, None, {"Department": "HR"}, False),
    ("subset: the value in other letters", _IT, None, {"Department": "it"}, False),
    ("subset: the key in other letters", _IT, None, {"department": "IT", "Purpose": "x"}, True),
    ("subset: nothing in the request", _IT, None, {}, False),
    ("subset: one of two", _IT_ONLY, None, _IT, False),
    ("subset: value under another key", _IT, None, {"Purpose": "IT"}, False),
    ("equals: the same", None, _IT_ONLY, _CONTEXT, True),
    ("equals: in another order", None, {"Purpose": "Test", "Department": "IT"}, _CONTEXT, True),
    ("equals: more in the request", None, _IT, _CONTEXT, False),
    ("equals: less in the request", None, _IT_ONLY, _IT, False),
    ("equals: another value", None, _IT, {"Department": "HR"}, False),
    ("equals: the key in other letters", None, _IT, {"DEPARTMENT": "IT"}, True),
    ("equals: the value in other letters", None, _IT, {"Department": "It"}, False),
    ("equals: nothing in the request", None, _IT, {}, False),
    ("subset: an operation without an encryption context", _IT, None, None, True),
    ("equals: an operation without an encryption context", None, _IT, None, True),
    ("no constraint: any encryption context", None, None, _CONTEXT, True),
    ("no constraint: no encryption context", None, None, {}, True),
]


def _constraints() -> list[Case]:
    found = []
    for name, subset, equals, context, permits in _CONTEXT_ROWS:
        given = _to_alice("Decrypt", "DescribeKey", subset=subset, equals=equals)
        operation = "DescribeKey" if context is None else "Decrypt"
        found.append(
            _case(f"constraint {name}", _CONSTRAINTS, _ALICE, [given], ALLOW if permits else _NO_RESOURCE,
                  context=context, action=f"kms:{operation}", grant_operation=operation)
        )  # fmt: skip
    strict, loose = _to_alice("Decrypt", equals=_IT), _to_alice("Decrypt", subset={"Purpose": "Test"})
    found.append(
        _case(
            "the second grant's constraint holds", _GRANTS, _ALICE, [strict, loose], ALLOW, context=_CONTEXT
        )
    )
    found.append(
        _case("constraints of two grants do not add up", _GRANTS, _ALICE,
              [_to_alice("Decrypt", subset={"Department": "HR"}), _to_alice("Encrypt")], _NO_RESOURCE, context=_CONTEXT)
    )  # fmt: skip
    return found


def _source_arns() -> list[Case]:
    source = f"{_CONSTRAINTS}: SourceArn"
    given = grant(
        None, "Decrypt", "DescribeKey", "RetireGrant", service="s3.amazonaws.com", source_arn=_BUCKET
    )

    def case(name: str, values: dict[str, list[str]], expected: str, operation: str = "Decrypt") -> Case:
        context: dict[str, str] | None = {} if operation == "Decrypt" else None
        return _case(f"SourceArn: {name}", source, service("s3"), [given], expected, values=values, context=context,
                     action=f"kms:{operation}", grant_operation=operation)  # fmt: skip

    return [
        case("the same", {"aws:sourcearn": [_BUCKET]}, ALLOW),
        case("another", {"aws:sourcearn": ["arn:aws:s3:::photos"]}, _NO_RESOURCE),
        case("begins alike", {"aws:sourcearn": [_BUCKET + "2"]}, _NO_RESOURCE),
        case("in other letters", {"aws:sourcearn": [_BUCKET.upper()]}, _NO_RESOURCE),
        case("absent", {}, _NO_RESOURCE),
        case("DescribeKey, the same", {"aws:sourcearn": [_BUCKET]}, ALLOW, "DescribeKey"),
        case("DescribeKey, another", {"aws:sourcearn": ["arn:aws:s3:::photos"]}, _NO_RESOURCE, "DescribeKey"),
        case("RetireGrant: it does not apply", {}, ALLOW, "RetireGrant"),
        _case("SourceArn on a user's grant: the same", source, _ALICE, [_to_alice(source_arn=_BUCKET)], ALLOW,
              values={"aws:sourcearn": [_BUCKET]}),
        _case("SourceArn on a user's grant: absent", source, _ALICE, [_to_alice(source_arn=_BUCKET)], _NO_RESOURCE),
    ]  # fmt: skip


# (what, the parent grant, the child, whether the parent permits it)
_CHILDREN: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("the same operations", {}, {}, True),
    ("fewer operations", {}, {"operations": ["Encrypt"]}, True),
    ("one more operation", {}, {"operations": ["Decrypt", "DescribeKey"]}, False),
    ("CreateGrant itself", {}, {"operations": ["CreateGrant", "Decrypt"]}, True),
    ("no constraint, the child has one", {}, {"subset": _IT}, True),
    ("subset, the child has none", {"subset": _IT}, {}, False),
    ("subset, the child has the same", {"subset": _IT}, {"subset": _IT}, True),
    ("subset, the child has more", {"subset": _IT}, {"subset": _CONTEXT}, True),
    ("subset, the child has less", {"subset": _CONTEXT}, {"subset": _IT}, False),
    ("subset, the child has another value", {"subset": _IT}, {"subset": {"Department": "HR"}}, False),
    ("subset, the child has equals with it", {"subset": _IT}, {"equals": _CONTEXT}, True),
    ("subset, the child has equals without it", {"subset": _IT}, {"equals": {"Purpose": "Test"}}, False),
    ("equals, the child has the same", {"equals": _IT}, {"equals": _IT}, True),
    ("equals, the child has more", {"equals": _IT}, {"equals": _CONTEXT}, False),
    ("equals, the child has it as a subset", {"equals": _IT}, {"subset": _IT}, False),
    ("equals, the child has none", {"equals": _IT}, {}, False),
]


def _children() -> list[Case]:
    found = []
    for name, parent, child, permits in _CHILDREN:
        given = _to_alice("CreateGrant", "Decrypt", "Encrypt", **parent)
        made = grant(user_arn("bob"), "Decrypt", "Encrypt") | child
        found.append(
            _case(f"by CreateGrant of a grant: {name}", "KMS Developer Guide, Creating grants: Granting CreateGrant permission",
                  _ALICE, [given], ALLOW if permits else _NO_RESOURCE, action="kms:CreateGrant",
                  grant_operation="CreateGrant", child=made)
        )  # fmt: skip
    return found


GRANTS = _children() + _grantees() + _operations() + _denies_and_limits() + _constraints() + _source_arns()
