"""Key policy, identity-based policies, permissions boundary and session policies together.

Sources, IAM User Guide: "Policy evaluation logic" (Determining whether a request is allowed or denied within an
account: the order, and resource-based policies by kind of principal), "Permissions boundaries for IAM entities",
"Policies and permissions: Session policies"; KMS Developer Guide: "Key policies", "Default key policy",
"Using IAM policies with AWS KMS", "Troubleshooting AWS KMS permissions".
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, NO, Case
from tests.properties.policy_cases.worlds import (
    TRUST,
    allow,
    aws,
    deny,
    policy,
    role_arn,
    root,
    service,
    session,
    session_arn,
    unique_id,
    user,
    user_arn,
    world,
)

_LOGIC = "IAM User Guide, Policy evaluation logic"
_BY_PRINCIPAL = f"{_LOGIC}: resource-based policies and implicit denies in other policy types"
_KEY_POLICIES = "KMS Developer Guide, Default key policy"
_TROUBLE = "KMS Developer Guide, Troubleshooting AWS KMS permissions"
_BOUNDARIES = "IAM User Guide, Permissions boundaries for IAM entities"
_SESSION_POLICIES = "IAM User Guide, Policies and permissions: Session policies"

_ALICE, _APP = user("alice"), session("app", "s1")
_NO_RESOURCE, _NO_IDENTITY = f"{NO}: resource", f"{NO}: identity"
_OPEN, _SHUT = policy(allow()), policy(allow(None, "s3:*"))
"""As a boundary or session policy: allows the action, and does not speak of it."""

# (what, key policy, identity-based statements, expected), for a user
_USER_ROWS: list[tuple[str, str, list[Any], list[Any], str]] = [
    ("nothing allows", _LOGIC, [allow(aws(user_arn("bob")))], [], _NO_RESOURCE),
    ("the account is trusted, nothing else: Example 1", _TROUBLE, [TRUST], [], _NO_IDENTITY),
    ("the account is trusted and a policy allows", _KEY_POLICIES, [TRUST], [allow()], ALLOW),
    ("the account is trusted for another action", _KEY_POLICIES, [TRUST | {"Action": "kms:Encrypt"}], [allow()],
     _NO_RESOURCE),
    ("the account is trusted, a policy allows another action", _KEY_POLICIES, [TRUST], [allow(None, "kms:Encrypt")],
     _NO_IDENTITY),
    ("the account is not trusted: identity-based policies are powerless", _KEY_POLICIES,
     [allow(aws(user_arn("bob")))], [allow()], _NO_RESOURCE),
    ("the account is not trusted, full administrator", _KEY_POLICIES,
     [allow(aws(user_arn("bob")))], [allow(None, "*")], _NO_RESOURCE),
    ("the key policy names the user, no other policy", _BY_PRINCIPAL, [allow(aws(user_arn("alice")))], [], ALLOW),
    ("the key policy names the user for another action", _LOGIC, [allow(aws(user_arn("alice")), "kms:Encrypt")], [],
     _NO_RESOURCE),
    ("both allow", _LOGIC, [allow(aws(user_arn("alice"))), TRUST], [allow()], ALLOW),
    ("the key policy denies, the identity-based policy allows", _LOGIC, [TRUST, deny(aws(user_arn("alice")))], [allow()],
     "explicit deny: resource"),
    ("the identity-based policy denies, the key policy allows", _LOGIC, [allow(aws(user_arn("alice")))], [deny()],
     "explicit deny: identity"),
    ("the deny stands before the allow", _LOGIC, [deny(aws(user_arn("alice"))), allow(aws(user_arn("alice")))], [],
     "explicit deny: resource"),
    ("the deny stands after the allow", _LOGIC, [allow(aws(user_arn("alice"))), deny(aws(user_arn("alice")))], [],
     "explicit deny: resource"),
    ("the deny is for another action", _LOGIC, [allow(aws(user_arn("alice"))), deny("*", "kms:Encrypt")], [], ALLOW),
    ("an identity-based deny stands before its allow", _LOGIC, [TRUST], [deny(), allow()], "explicit deny: identity"),
    ("an identity-based deny, the account not trusted", _LOGIC, [allow(aws(user_arn("alice")))],
     [deny(None, "kms:D*")], "explicit deny: identity"),
    ("both deny", _LOGIC, [allow(aws(user_arn("alice"))), deny("*")], [deny()], "explicit deny: resource identity"),
    ("a deny of the account is for its users", _LOGIC, [allow(aws(user_arn("alice"))), TRUST | {"Effect": "Deny"}],
     [allow()], "explicit deny: resource"),
    ("trust under a condition that holds", _KEY_POLICIES,
     [TRUST | {"Condition": {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}}], [allow()], ALLOW),
    ("trust under a condition that does not hold", _KEY_POLICIES,
     [TRUST | {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}], [allow()], _NO_RESOURCE),
]  # fmt: skip

_BY_STAR, _BY_USER = [allow("*")], [allow(aws(user_arn("alice")))]
_BY_ROLE, _BY_SESSION = [allow(aws(role_arn("app")))], [allow(aws(session_arn("app", "s1")))]
_BY_ROLE_ID = [allow(aws(unique_id("role", "app")))]
_BY_PRINCIPAL_ARN = [allow("*", Condition={"ArnEquals": {"aws:PrincipalArn": role_arn("app")}})]

# (how the key policy names, key policy, boundary, session policy, expected), for a session; `None`: there is none
_LIMITS: list[tuple[str, list[Any], Any, Any, str]] = [
    ("by its role", _BY_ROLE, None, None, ALLOW),
    ("by its role", _BY_ROLE, _OPEN, None, ALLOW),
    ("by its role", _BY_ROLE, _SHUT, None, f"{NO}: boundary"),
    ("by its role", _BY_ROLE, None, _OPEN, ALLOW),
    ("by its role", _BY_ROLE, None, _SHUT, f"{NO}: session"),
    ("by its role", _BY_ROLE, _OPEN, _SHUT, f"{NO}: session"),
    ("by its role", _BY_ROLE, _SHUT, _OPEN, f"{NO}: boundary"),
    ("by its role", _BY_ROLE, _SHUT, _SHUT, f"{NO}: boundary session"),
    ("by its role", _BY_ROLE, _OPEN, _OPEN, ALLOW),
    ("by its role's unique id", _BY_ROLE_ID, _SHUT, None, f"{NO}: boundary"),
    ("by its role's unique id", _BY_ROLE_ID, None, _SHUT, f"{NO}: session"),
    ("by its role's unique id", _BY_ROLE_ID, _OPEN, _OPEN, ALLOW),
    ("by its own ARN", _BY_SESSION, None, None, ALLOW),
    ("by its own ARN", _BY_SESSION, _SHUT, None, ALLOW),
    ("by its own ARN", _BY_SESSION, None, _SHUT, ALLOW),
    ("by its own ARN", _BY_SESSION, _SHUT, _SHUT, ALLOW),
    ("by its own ARN and its role", _BY_SESSION + _BY_ROLE, _SHUT, _SHUT, ALLOW),
    ("by a star", _BY_STAR, _SHUT, _SHUT, ALLOW),
    ("by a star and aws:PrincipalArn", _BY_PRINCIPAL_ARN, _SHUT, _SHUT, ALLOW),
    ("by its account", [TRUST], None, None, ALLOW),
    ("by its account", [TRUST], _OPEN, _OPEN, ALLOW),
    ("by its account", [TRUST], _SHUT, None, f"{NO}: boundary"),
    ("by its account", [TRUST], None, _SHUT, f"{NO}: session"),
    ("by its account", [TRUST], _SHUT, _SHUT, f"{NO}: boundary session"),
    ("by its account and its role", [TRUST, *_BY_ROLE], _SHUT, _OPEN, f"{NO}: boundary"),
]


def _user_cases() -> list[Case]:
    return [
        Case(f"User: {name}", source, world(_ALICE, key_policy, identity), expected)
        for name, source, key_policy, identity, expected in _USER_ROWS
    ]


def _limited_cases() -> list[Case]:
    said = {None: "none", id(_OPEN): "allows", id(_SHUT): "does not"}
    found = []
    for name, key_policy, boundary, session_policy, expected in _LIMITS:
        caller = session("app", "s1", policies=[session_policy] if session_policy else [])
        limits = [said[one and id(one)] for one in (boundary, session_policy)]
        found.append(
            Case(
                f"Session named {name}; boundary {limits[0]}, session policy {limits[1]}",
                _BY_PRINCIPAL,
                world(caller, key_policy, [allow()], boundary=boundary),
                expected,
            )
        )
    return found


def _boundary_cases() -> list[Case]:
    denies = policy(allow(), deny(None, "kms:Decrypt"))

    def case(name: str, key_policy: Any, identity: Any, boundary: Any, expected: str) -> Case:
        return Case(
            f"Boundary of a user: {name}",
            _BOUNDARIES,
            world(_ALICE, key_policy, identity, boundary=boundary),
            expected,
        )

    return [
        case("allows what the identity-based policy allows", [TRUST], [allow()], _OPEN, ALLOW),
        case("does not speak of it", [TRUST], [allow()], _SHUT, f"{NO}: boundary"),
        case("gives nothing by itself", [TRUST], [], _OPEN, _NO_IDENTITY),
        case("gives nothing to whom the key policy does not know", [allow(aws(user_arn("bob")))], [], _OPEN, _NO_RESOURCE),
        case("does not limit a user whom the key policy names", _BY_USER, [], _SHUT, ALLOW),
        case("does not limit a star", _BY_STAR, [], _SHUT, ALLOW),
        case("denies", [TRUST], [allow()], denies, "explicit deny: boundary"),
        case("denies a user whom the key policy names", _BY_USER, [], denies, "explicit deny: boundary"),
        case("that is gone allows nothing", [TRUST], [allow()], "gone", f"{NO}: boundary"),
        case("that is gone does not limit a user whom the key policy names", _BY_USER, [], "gone", ALLOW),
        case("allows under a condition that holds", [TRUST], [allow()],
             policy(allow(Condition={"StringEquals": {"aws:username": "alice"}})), ALLOW),
        case("allows under a condition that does not hold", [TRUST], [allow()],
             policy(allow(Condition={"StringEquals": {"aws:username": "bob"}})), f"{NO}: boundary"),
        case("for another key", [TRUST], [allow()],
             policy(allow(resource="arn:aws:kms:eu-west-1:111122223333:key/*")), f"{NO}: boundary"),
        case("has variables too", [TRUST], [allow()],
             policy(allow(Condition={"StringEquals": {"aws:username": "${aws:username}"}})), ALLOW),
    ]  # fmt: skip


def _session_policy_cases() -> list[Case]:
    def case(name: str, caller: Any, key_policy: Any, identity: Any, expected: str) -> Case:
        return Case(
            f"Session policy: {name}", _SESSION_POLICIES, world(caller, key_policy, identity), expected
        )

    denies = policy(allow(), deny(None, "kms:Decrypt"))
    return [
        case("none", _APP, [TRUST], [allow()], ALLOW),
        case("allows", session("app", policies=[_OPEN]), [TRUST], [allow()], ALLOW),
        case("allows what the role may not", session("app", policies=[_OPEN]), [TRUST], [], _NO_IDENTITY),
        case("does not speak of it", session("app", policies=[_SHUT]), [TRUST], [allow()], f"{NO}: session"),
        case("denies", session("app", policies=[denies]), [TRUST], [allow()], "explicit deny: session"),
        case("denies the session that the key policy names", session("app", policies=[denies]), _BY_SESSION, [],
             "explicit deny: session"),
        case("a managed one allows", session("app", managed=[_OPEN]), [TRUST], [allow()], ALLOW),
        case("a managed one does not", session("app", managed=[_SHUT]), [TRUST], [allow()], f"{NO}: session"),
        case("a managed one denies", session("app", managed=[denies]), [TRUST], [allow()], "explicit deny: session"),
        case("one of two allows", session("app", policies=[_SHUT], managed=[_OPEN]), [TRUST], [allow()], ALLOW),
        case("neither of two", session("app", policies=[_SHUT], managed=[_SHUT]), [TRUST], [allow()], f"{NO}: session"),
        case("one of two denies", session("app", policies=[_OPEN], managed=[denies]), [TRUST], [allow()],
             "explicit deny: session"),
        case("a managed one that is gone allows nothing", session("app", managed=[None]), [TRUST], [allow()],
             f"{NO}: session"),
        case("a managed one that is gone, beside one that allows", session("app", managed=[None, _OPEN]), [TRUST],
             [allow()], ALLOW),
        case("and a role-wide identity-based deny", session("app", policies=[_OPEN]), [TRUST], [allow(), deny()],
             "explicit deny: identity"),
    ]  # fmt: skip


def _several_policies() -> list[Case]:
    nothing = policy(allow(None, "s3:*"))

    def case(name: str, identity: Any, expected: str) -> Case:
        return Case(f"Identity-based policies: {name}", _LOGIC, world(_ALICE, [TRUST], identity), expected)

    return [
        case("the second allows", [nothing, _OPEN], ALLOW),
        case("the first allows", [_OPEN, nothing], ALLOW),
        case("none does", [nothing, nothing], _NO_IDENTITY),
        case("the last of four denies", [_OPEN, _OPEN, nothing, policy(deny())], "explicit deny: identity"),
        case("the first of four denies", [policy(deny()), _OPEN, _OPEN, nothing], "explicit deny: identity"),
        case("no statement of one", [policy(allow(None, "kms:Encrypt"), allow(None, "kms:De*"))], ALLOW),
    ]


def _roots_and_services() -> list[Case]:
    def case(name: str, caller: Any, key_policy: Any, expected: str) -> Case:
        return Case(f"Root or service: {name}", _KEY_POLICIES, world(caller, key_policy), expected)

    conditioned = {"StringEquals": {"aws:SourceAccount": "111122223333"}}
    return [
        case("the root needs no identity-based policy", root(), [TRUST], ALLOW),
        case("the root without the key policy", root(), [allow(aws(user_arn("alice")))], _NO_RESOURCE),
        case("the root, denied", root(), [TRUST, deny("*")], "explicit deny: resource"),
        case("the root, denied as the account", root(), [TRUST, TRUST | {"Effect": "Deny"}], "explicit deny: resource"),
        case("the root, a user is denied", root(), [TRUST, deny(aws(user_arn("alice")))], ALLOW),
        case("a service that is named", service("s3"), [allow({"Service": "s3.amazonaws.com"})], ALLOW),
        case("a service that is not named", service("s3"), [TRUST], _NO_RESOURCE),
        case("a service that is denied", service("s3"),
             [allow({"Service": "s3.amazonaws.com"}), deny({"Service": "s3.amazonaws.com"})], "explicit deny: resource"),
        case("a service for an account it does not act for", service("s3"),
             [allow({"Service": "s3.amazonaws.com"}, Condition=conditioned)], _NO_RESOURCE),
    ]  # fmt: skip


DECISIONS = (
    _user_cases()
    + _limited_cases()
    + _boundary_cases()
    + _session_policy_cases()
    + _several_policies()
    + _roots_and_services()
)
