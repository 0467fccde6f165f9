"""Who may assume a role: its trust policy and the caller's own side.

Sources: IAM User Guide, "How to use trust policies with IAM roles", "Cross-account policy evaluation logic",
"Principal", "The confused deputy problem" (external ids), "Create a role for OpenID Connect federation".
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, DENIED, NO, Case
from tests.properties.policy_cases.worlds import (
    OTHER,
    OWNER,
    allow,
    aws,
    deny,
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
    web_identity,
    world,
)

_TRUST = "IAM User Guide, Principal: in a role trust policy"
_CROSS = "IAM User Guide, Cross-account policy evaluation logic"
_RECREATED = "IAM User Guide, Principal: IAM role principals, Important"
_EXTERNAL = "IAM User Guide, Access to AWS accounts owned by third parties: external ID"
_OIDC = "IAM User Guide, Create a role for OpenID Connect federation"

_ALICE, _BOB, _APP = user("alice"), user("bob", OTHER), session("app", "s1")
_TARGET = role_arn("target")
_ASSUME = "sts:AssumeRole"
_MAY = [allow(None, _ASSUME, _TARGET)]
_SHUT = policy(allow(None, "s3:*"))
_PROVIDER = f"arn:aws:iam::{OWNER}:oidc-provider/token.example"
_WEB = "sts:AssumeRoleWithWebIdentity"
_NO_TRUST, _NO_IDENTITY = f"{NO}: resource", f"{NO}: identity"


def _case(
    name: str, source: str, caller: dict[str, Any], statements: Any, expected: str, **more: Any
) -> Case:
    action = more.pop("action", _ASSUME)
    found = world(caller, statements, action=action, grant_operation=None, kind="trust", arn=_TARGET, **more)
    return Case(f"Trust: {name}", source, found, expected)


def _trusts(principal: Any, action: Any = _ASSUME, **more: Any) -> dict[str, Any]:
    return allow(principal, action, None, **more)


def _same_account() -> list[Case]:
    to_alice, to_account = [_trusts(aws(user_arn("alice")))], [_trusts(aws(root_arn()))]
    to_app = [_trusts(aws(role_arn("app")))]
    return [
        _case("a user that is named", _TRUST, _ALICE, to_alice, ALLOW),
        _case("another user", _TRUST, user("carol"), to_alice, _NO_TRUST),
        _case("another user whose policy allows", _TRUST, user("carol"), to_alice, _NO_TRUST, identity=_MAY),
        _case("a user that is named, its boundary does not speak of it", _TRUST, _ALICE, to_alice, ALLOW, boundary=_SHUT),
        _case("a user that is named, its policy denies", _TRUST, _ALICE, to_alice, "explicit deny: identity",
              identity=[deny(None, _ASSUME)]),
        _case("the account, no policy", _TRUST, _ALICE, to_account, _NO_IDENTITY),
        _case("the account by digits, no policy", _TRUST, _ALICE, [_trusts(aws(OWNER))], _NO_IDENTITY),
        _case("the account, and a policy", _TRUST, _ALICE, to_account, ALLOW, identity=_MAY),
        _case("the account, and a policy for another role", _TRUST, _ALICE, to_account, _NO_IDENTITY,
              identity=[allow(None, _ASSUME, role_arn("targets"))]),
        _case("the account, a policy, and a boundary that does not speak of it", _TRUST, _ALICE, to_account,
              f"{NO}: boundary", identity=_MAY, boundary=_SHUT),
        _case("a role that is named, by its session", _TRUST, _APP, to_app, ALLOW),
        _case("a role that is named, a session policy does not speak of it", _TRUST,
              session("app", policies=[_SHUT]), to_app, f"{NO}: session"),
        _case("a session that is named", _TRUST, _APP, [_trusts(aws(session_arn("app", "s1")))], ALLOW),
        _case("a session that is not", _TRUST, session("app", "s2"), [_trusts(aws(session_arn("app", "s1")))], _NO_TRUST),
        _case("the role itself, which does not trust itself", _TRUST, session("target"), to_app, _NO_TRUST, identity=_MAY),
        _case("everybody", _TRUST, _ALICE, [_trusts(aws("*"))], ALLOW),
        _case("the root of the account", _TRUST, root(), to_account, ALLOW),
        _case("the root, a user is named", _TRUST, root(), to_alice, _NO_TRUST),
        _case("denied in the trust policy", _TRUST, _ALICE, [*to_alice, deny(aws(user_arn("alice")), _ASSUME, None)],
              "explicit deny: resource"),
        _case("denied as one of the account", _TRUST, _ALICE, [*to_alice, deny(aws(OWNER), _ASSUME, None)],
              "explicit deny: resource"),
        _case("another action", _TRUST, _ALICE, [_trusts(aws(user_arn("alice")), "sts:TagSession")], _NO_TRUST),
        _case("all of STS", _TRUST, _ALICE, [_trusts(aws(user_arn("alice")), "sts:*")], ALLOW),
        _case("a user made again", _RECREATED, user("alice", life=2), to_alice, _NO_TRUST),
        _case("a role made again", _RECREATED, session("app", life=2), to_app, _NO_TRUST),
        _case("a unique id", _RECREATED, _ALICE, [_trusts(aws(unique_id("user", "alice")))], ALLOW),
        _case("a service", _TRUST, service("s3"), [_trusts({"Service": "s3.amazonaws.com"})], ALLOW),
        _case("another service", _TRUST, service("sns"), [_trusts({"Service": "s3.amazonaws.com"})], _NO_TRUST),
        _case("no Resource may stand there", _TRUST, _ALICE, [allow(aws(user_arn("alice")), _ASSUME)], DENIED),
    ]  # fmt: skip


def _other_accounts() -> list[Case]:
    to_account, to_bob = [_trusts(aws(root_arn(OTHER)))], [_trusts(aws(user_arn("bob", OTHER)))]
    external = [_trusts(aws(OTHER), Condition={"StringEquals": {"sts:ExternalId": "12345"}})]
    return [
        _case("another account, and a policy there", _CROSS, _BOB, to_account, ALLOW, identity=_MAY),
        _case("another account, no policy there", _CROSS, _BOB, to_account, _NO_IDENTITY),
        _case("a policy there, no trust", _CROSS, _BOB, [_trusts(aws(root_arn()))], _NO_TRUST, identity=_MAY),
        _case("a user of another account is named: not enough", _CROSS, _BOB, to_bob, _NO_IDENTITY),
        _case("a user of another account is named, and a policy", _CROSS, _BOB, to_bob, ALLOW, identity=_MAY),
        _case("everybody: not enough across accounts", _CROSS, _BOB, [_trusts(aws("*"))], _NO_IDENTITY),
        _case("the root of another account", _CROSS, root(OTHER), to_account, ALLOW),
        _case("the right external id", _EXTERNAL, _BOB, external, ALLOW, identity=_MAY,
              values={"sts:externalid": ["12345"]}),
        _case("the wrong external id", _EXTERNAL, _BOB, external, _NO_TRUST, identity=_MAY,
              values={"sts:externalid": ["54321"]}),
        _case("no external id", _EXTERNAL, _BOB, external, _NO_TRUST, identity=_MAY),
    ]  # fmt: skip


def _web_identities() -> list[Case]:
    subject = {"StringEquals": {"token.example:sub": "system:serviceaccount:default:app"}}
    bound = [_trusts({"Federated": _PROVIDER}, _WEB, Condition=subject)]
    right = {"token.example:sub": ["system:serviceaccount:default:app"]}
    asking = web_identity(_PROVIDER)

    def case(name: str, caller: Any, statements: Any, expected: str, values: Any = None) -> Case:
        return _case(f"web identity: {name}", _OIDC, caller, statements, expected, action=_WEB, values=values)

    return [
        case("of the provider", asking, [_trusts({"Federated": _PROVIDER}, _WEB)], ALLOW),
        case("of another provider", web_identity(_PROVIDER + "2"), [_trusts({"Federated": _PROVIDER}, _WEB)], _NO_TRUST),
        case("of the provider, its subject is the right one", asking, bound, ALLOW, right),
        case("of the provider, another subject", asking, bound, _NO_TRUST, {"token.example:sub": ["someone"]}),
        case("of the provider, no subject", asking, bound, _NO_TRUST),
        case("of the provider, which may only AssumeRole", asking, [_trusts({"Federated": _PROVIDER})], _NO_TRUST),
        case("of the provider, a user is named", asking, [_trusts(aws(user_arn("alice")), _WEB)], _NO_TRUST),
        case("a user is none", _ALICE, [_trusts({"Federated": _PROVIDER}, _WEB)], _NO_TRUST),
        case("denied", asking, [*bound, deny({"Federated": _PROVIDER}, "sts:*", None)], "explicit deny: resource", right),
    ]  # fmt: skip


TRUST_POLICIES = _same_account() + _other_accounts() + _web_identities()
