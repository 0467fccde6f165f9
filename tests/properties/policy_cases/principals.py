"""Whom a key policy names.

Sources, IAM User Guide: "Principal" (by heading), "NotPrincipal", "Policy evaluation logic"; KMS Developer Guide,
"Key policies" (Principal), "Default key policy".
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, CALLER_GONE, DENIED, NO, Case
from tests.properties.policy_cases.worlds import (
    OTHER,
    OWNER,
    TRUST,
    allow,
    aws,
    deny,
    grant,
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

_PAGE = "IAM User Guide, Principal"
_ACCOUNTS = f"{_PAGE}: AWS account principals"
_ROLES = f"{_PAGE}: IAM role principals"
_SESSIONS = f"{_PAGE}: Role session principals"
_USERS = f"{_PAGE}: IAM user principals"
_SERVICES = f"{_PAGE}: AWS service principals"
_ALL = f"{_PAGE}: All principals"
_DEFAULT_POLICY = (
    "KMS Developer Guide, Default key policy: Allows access to the AWS account and enables IAM policies"
)
_NOT = "IAM User Guide, NotPrincipal"

_NONE = f"{NO}: resource"
_ALICE, _BOB, _APP = user("alice"), user("bob"), session("app", "s1")

# (what, source, caller, principal element, expected with no identity-based policy at all)
_ROWS: list[tuple[str, str, dict[str, Any], Any, str]] = [
    # roots
    ("root by its ARN", _DEFAULT_POLICY, root(), aws(root_arn()), ALLOW),
    ("root by twelve digits", _ACCOUNTS, root(), aws(OWNER), ALLOW),
    ("root by a star", _ALL, root(), "*", ALLOW),
    ("root by a star under AWS", _ALL, root(), aws("*"), ALLOW),
    ("root is not another account", _ACCOUNTS, root(), aws(root_arn(OTHER)), _NONE),
    ("root is not another account's digits", _ACCOUNTS, root(), aws(OTHER), _NONE),
    ("root is no user", _USERS, root(), aws(user_arn("alice")), _NONE),
    ("root is no role", _ROLES, root(), aws(role_arn("app")), _NONE),
    ("root has no right of its own", _DEFAULT_POLICY, root(), aws(user_arn("alice")), _NONE),
    ("root is no service", _SERVICES, root(), {"Service": "s3.amazonaws.com"}, _NONE),
    # users
    ("user by its ARN", _USERS, _ALICE, aws(user_arn("alice")), ALLOW),
    ("user is not another user", _USERS, _ALICE, aws(user_arn("bob")), _NONE),
    ("user in other letters", _USERS, _ALICE, aws(user_arn("Alice")), _NONE),
    ("user's name begins like another's", _USERS, user("alice2"), aws(user_arn("alice")), _NONE),
    ("user's name is the end of another's", _USERS, user("ice"), aws(user_arn("alice")), _NONE),
    ("user of the same name in another account", _USERS, user("alice", OTHER), aws(user_arn("alice")), _NONE),
    ("user among several", _PAGE, _ALICE, aws(user_arn("bob"), user_arn("alice")), ALLOW),
    ("user not among several", _PAGE, user("carol"), aws(user_arn("bob"), user_arn("alice")), _NONE),
    ("user with a path", _USERS, user("division/alice"), aws(user_arn("division/alice")), ALLOW),
    ("user is not a role of that name", _ROLES, _ALICE, aws(role_arn("alice")), _NONE),
    ("user by a star", _ALL, _ALICE, "*", ALLOW),
    ("user by a star under AWS", _ALL, _ALICE, aws("*"), ALLOW),
    ("user by the account: needs an identity-based policy", _DEFAULT_POLICY, _ALICE, aws(root_arn()), f"{NO}: identity"),
    ("user by the account's digits: the same", _ACCOUNTS, _ALICE, aws(OWNER), f"{NO}: identity"),
    ("user is no service", _SERVICES, _ALICE, {"Service": "s3.amazonaws.com"}, _NONE),
    ("user by its unique id", _USERS, _ALICE, aws(unique_id("user", "alice")), ALLOW),
    ("user is not another unique id", _USERS, _ALICE, aws(unique_id("user", "bob")), _NONE),
    ("user by AWS, a service beside it", _PAGE, _ALICE,
     {"AWS": user_arn("alice"), "Service": "s3.amazonaws.com"}, ALLOW),
    # roles and their sessions
    ("session by its role", _ROLES, _APP, aws(role_arn("app")), ALLOW),
    ("session is not another role", _ROLES, _APP, aws(role_arn("web")), _NONE),
    ("session by its own ARN", _SESSIONS, _APP, aws(session_arn("app", "s1")), ALLOW),
    ("session is not another session", _SESSIONS, _APP, aws(session_arn("app", "s2")), _NONE),
    ("session is not that session of another role", _SESSIONS, _APP, aws(session_arn("web", "s1")), _NONE),
    ("session name in other letters", _SESSIONS, _APP, aws(session_arn("app", "S1")), _NONE),
    ("session of a role with a path, by the role", _ROLES, session("ops/app"), aws(role_arn("ops/app")), ALLOW),
    ("session of a role with a path, by itself", _SESSIONS, session("ops/app"), aws(session_arn("ops/app", "s1")), ALLOW),
    ("session by its role's unique id", _ROLES, _APP, aws(unique_id("role", "app")), ALLOW),
    ("session is not another role's unique id", _ROLES, _APP, aws(unique_id("role", "web")), _NONE),
    ("session by a star", _ALL, _APP, "*", ALLOW),
    ("session by the account: needs an identity-based policy", _DEFAULT_POLICY, _APP, aws(root_arn()), f"{NO}: identity"),
    ("session is no user", _USERS, _APP, aws(user_arn("app")), _NONE),
    ("session of that role in another account", _ROLES, session("app", account=OTHER), aws(role_arn("app")), _NONE),
    # services
    ("service by its name", _SERVICES, service("s3"), {"Service": "s3.amazonaws.com"}, ALLOW),
    ("service among several", _SERVICES, service("s3"), {"Service": ["sns.amazonaws.com", "s3.amazonaws.com"]}, ALLOW),
    ("service is not another service", _SERVICES, service("s3"), {"Service": "sns.amazonaws.com"}, _NONE),
    ("service by a star", _ALL, service("s3"), "*", ALLOW),
    ("service is no account", _SERVICES, service("s3"), aws(root_arn()), _NONE),
    ("service has no account whose digits it could be", _SERVICES, service("s3"), aws(OWNER), _NONE),
]  # fmt: skip


def _in_an_allow() -> list[Case]:
    return [
        Case(f"Principal: {name}", source, world(caller, [allow(element)]), expected)
        for name, source, caller, element, expected in _ROWS
    ]


def _in_a_deny() -> list[Case]:
    """The same principals in a Deny above `*`. Who is named at all is denied: an account, all in it."""
    return [
        Case(
            f"Principal in a Deny: {name}",
            source,
            world(caller, [allow("*"), deny(element)], [allow()]),
            ALLOW if expected == _NONE else "explicit deny: resource",
        )
        for name, source, caller, element, expected in _ROWS
        if caller["account"] != OTHER  # who needs more than this key policy
    ]


_RECREATED = f"{_USERS}: the policy no longer applies, even if you recreate the user"


def _deleted_and_made_again() -> list[Case]:
    """What an ARN meant when the policy was put."""
    first_alice, second_alice = unique_id("user", "alice"), unique_id("user", "alice", life=2)
    first_app = unique_id("role", "app")
    alice, app, alone = user_arn("alice"), role_arn("app"), session_arn("app", "s1")
    again = {"user": user("alice", life=2), "session": session("app", life=2)}
    names_alice, names_app, names_alone = [allow(aws(alice))], [allow(aws(app))], [allow(aws(alone))]
    denies_alice = [allow("*"), deny(aws(alice))]

    def case(name: str, caller: Any, key_policy: Any, bindings: dict[str, str], expected: str) -> Case:
        return Case(f"Made again: {name}", _RECREATED, world(caller, key_policy, bindings=bindings), expected)

    return [
        case("the same user still", user("alice"), names_alice, {alice: first_alice}, ALLOW),
        case("user", again["user"], names_alice, {alice: first_alice}, _NONE),
        case("not at all, but under another name", user("alice"), [allow(aws(user_arn("al")))],
             {user_arn("al"): first_alice}, ALLOW),
        case("user, and the policy put again", again["user"], names_alice, {alice: second_alice}, ALLOW),
        case("user whose ARN meant nobody", user("alice"), names_alice, {}, _NONE),
        case("user in a Deny: it means the one who is gone", again["user"], denies_alice, {alice: first_alice}, ALLOW),
        case("role", again["session"], names_app, {app: first_app}, _NONE),
        case("role that is the same still", _APP, names_app, {app: first_app}, ALLOW),
        case("role that meant nobody", _APP, names_app, {}, _NONE),
        case("session of a role", again["session"], names_alone, {alone: first_app}, _NONE),
        case("session of the same role", _APP, names_alone, {alone: first_app}, ALLOW),
        case("session of a role that meant nobody", _APP, names_alone, {}, _NONE),
        case("a gone user's unique id", again["user"], [allow(aws(first_alice))], {}, _NONE),
        case("a gone role's unique id", again["session"], [allow(aws(first_app))], {}, _NONE),
        case("trust in the account is not about names", again["user"], [TRUST], {}, f"{NO}: identity"),
    ]  # fmt: skip


def _not_principal() -> list[Case]:
    """NotPrincipal is for Deny only, and everyone that the caller is must be listed."""
    alice_and_account = aws(user_arn("alice"), root_arn())
    app_whole = aws(session_arn("app", "s1"), role_arn("app"), root_arn())
    denied = "explicit deny: resource"

    def case(name: str, caller: Any, element: Any, expected: str, **more: Any) -> Case:
        statement = deny(None) | {"NotPrincipal": element}
        return Case(f"NotPrincipal: {name}", _NOT, world(caller, [allow("*"), statement], **more), expected)

    return [
        case("the user and its account", _ALICE, alice_and_account, ALLOW),
        case("another user of the account", _BOB, alice_and_account, denied),
        case("a session, where a user is listed", _APP, alice_and_account, denied),
        case("the session, its role and account", _APP, app_whole, ALLOW),
        case("another session of the role", session("app", "s2"), app_whole, denied),
        case("a session of another role", session("web", "s1"), app_whole, denied),
        case("a user, where a role is listed", _ALICE, app_whole, denied),
        case("the root", root(), aws(root_arn()), ALLOW),
        case("the root by digits", root(), aws(OWNER), ALLOW),
        case("the root, where another account is listed", root(), aws(root_arn(OTHER)), denied),
        case("a user whom nobody lists", _ALICE, aws(user_arn("bob"), root_arn()), denied),
        case("a user of another account", user("alice", OTHER), alice_and_account, denied, identity=[allow()]),
        case("the service", service("s3"), {"Service": "s3.amazonaws.com"}, ALLOW),
        case("another service", service("sns"), {"Service": "s3.amazonaws.com"}, denied),
        case("a service, where an account is listed", service("s3"), aws(root_arn()), denied),
        case("a user, where a service is listed", _ALICE, {"Service": "s3.amazonaws.com"}, denied),
        case("a user made again", user("alice", life=2), alice_and_account, denied),
        case("with a permissions boundary: always denied", _ALICE, alice_and_account, denied,
             boundary={"Version": "2012-10-17", "Statement": [allow()]}),
        Case(
            "NotPrincipal: with Allow it is not supported",
            _NOT,
            world(_ALICE, [{"Effect": "Allow", "NotPrincipal": aws(user_arn("bob")), "Action": "kms:*", "Resource": "*"}]),
            DENIED,
        ),
    ]  # fmt: skip


def _gone() -> list[Case]:
    """The credentials are still there, the user or role is not."""
    source = "IAM User Guide, Remove or deactivate an IAM user; Deleting roles or instance profiles"
    to_alice = grant(user_arn("alice"), grantee_id=unique_id("user", "alice"))
    worlds = {
        "a user whom the key policy names": world(_ALICE, [allow(aws(user_arn("alice")))]),
        "a user by a star": world(_ALICE, [allow("*")]),
        "a user by its unique id": world(_ALICE, [allow(aws(unique_id("user", "alice")))]),
        "a user of a trusted account": world(_ALICE, [TRUST], [allow()]),
        "a user with a grant": world(_ALICE, [TRUST], grants=[to_alice]),
        "a session of a role": world(_APP, [allow(aws(role_arn("app")))]),
        "a session that is named": world(_APP, [allow(aws(session_arn("app", "s1")))]),
        "a user of another account": world(user("alice", OTHER), [allow("*")]),
    }
    return [
        Case(f"Gone: {name}", source, given | {"identity": None}, CALLER_GONE)
        for name, given in worlds.items()
    ]


PRINCIPALS = _gone() + _in_an_allow() + _in_a_deny() + _deleted_and_made_again() + _not_principal()
