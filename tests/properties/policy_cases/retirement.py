"""Who may retire a grant.

Sources: KMS Developer Guide, "Retiring and revoking grants"; KMS API Reference, RetireGrant.
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ALLOW, CALLER_GONE, DENIED, Case
from tests.properties.policy_cases.worlds import (
    OTHER,
    OWNER,
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

_PAGE = "KMS Developer Guide, Retiring and revoking grants"
_ALICE, _BOB, _APP = user("alice"), user("bob"), session("app", "s1")
_BOB_ID, _APP_ID = unique_id("user", "bob"), unique_id("role", "app")
_SHUT = policy(allow(None, "s3:*"))


def _to_alice(*operations: str, **more: Any) -> dict[str, Any]:
    return grant(user_arn("alice"), *operations, grantee_id=unique_id("user", "alice"), **more)


def _case(name: str, caller: dict[str, Any], given: dict[str, Any], expected: str, **more: Any) -> Case:
    key_policy = more.pop("key_policy", [TRUST])
    found = world(caller, key_policy, grants=[given], action="kms:RetireGrant", grant_operation="RetireGrant",
                  kind="retirement", **more)  # fmt: skip
    return Case(f"Retirement: {name}", _PAGE, found, expected)


_PLAIN = _to_alice("Decrypt")
_BY_BOB = _to_alice("Decrypt", retiring=user_arn("bob"), retiring_id=_BOB_ID)
_BY_APP = _to_alice("Decrypt", retiring=role_arn("app"), retiring_id=_APP_ID)
_BY_S1 = _to_alice("Decrypt", retiring=session_arn("app", "s1"), retiring_id=_APP_ID)
_BY_OTHERS = _to_alice("Decrypt", retiring=root_arn(OTHER))

RETIREMENT = [
    _case("the retiring principal", _BOB, _BY_BOB, ALLOW),
    _case("the retiring principal, whatever the key policy", _BOB, _BY_BOB, ALLOW, key_policy=[allow(aws(user_arn("x")))]),
    _case("the retiring principal made again", user("bob", life=2), _BY_BOB, DENIED),
    _case("the retiring principal's name in another account", user("bob", OTHER), _BY_BOB, DENIED),
    _case("another user", user("carol"), _BY_BOB, DENIED),
    _case("a retiring role, by its session", _APP, _BY_APP, ALLOW),
    _case("a retiring role, by another role's session", session("web"), _BY_APP, DENIED),
    _case("a retiring role made again", session("app", life=2), _BY_APP, DENIED),
    _case("a retiring session", _APP, _BY_S1, ALLOW),
    _case("a retiring session, by another session", session("app", "s2"), _BY_S1, DENIED),
    _case("a retiring service", service("s3"), _to_alice("Decrypt", retiring_service="s3.amazonaws.com"), ALLOW),
    _case("a retiring service, by another service", service("sns"),
          _to_alice("Decrypt", retiring_service="s3.amazonaws.com"), DENIED),
    _case("the grantee, with RetireGrant", _ALICE, _to_alice("Decrypt", "RetireGrant"), ALLOW),
    _case("the grantee, without RetireGrant", _ALICE, _PLAIN, DENIED),
    _case("the grantee, with RetireGrant and a constraint", _ALICE,
          _to_alice("Decrypt", "RetireGrant", subset={"a": "b"}, source_arn="arn:aws:s3:::x"), ALLOW),
    _case("the grantee made again, with RetireGrant", user("alice", life=2), _to_alice("Decrypt", "RetireGrant"), DENIED),
    _case("a grantee service, with RetireGrant", service("s3"),
          grant(None, "Decrypt", "RetireGrant", service="s3.amazonaws.com", source_arn="arn:aws:s3:::x"), ALLOW),
    _case("a grantee service, without RetireGrant", service("s3"),
          grant(None, "Decrypt", service="s3.amazonaws.com", source_arn="arn:aws:s3:::x"), DENIED),
    _case("the root of the key's account", root(), _PLAIN, ALLOW),
    _case("the root of another account", root(OTHER), _PLAIN, DENIED),
    _case("the root of the account in which it was created", root(OTHER), _PLAIN | {"issuer": OTHER}, ALLOW),
    _case("the root of the key's account, created in another", root(OWNER), _PLAIN | {"issuer": OTHER}, ALLOW),
    _case("the root of the account that is the retiring principal", root(OTHER), _BY_OTHERS, ALLOW),
    _case("a user by kms:RetireGrant in a key policy: not effective", user("carol"), _PLAIN, DENIED,
          key_policy=[allow(aws(user_arn("carol")))]),
    _case("a user to whom the key's account delegates it", user("carol"), _PLAIN, ALLOW,
          identity=[allow(None, "kms:RetireGrant")]),
    _case("a user with another permission", user("carol"), _PLAIN, DENIED, identity=[allow(None, "kms:RevokeGrant")]),
    _case("a delegate whose boundary does not speak of it", user("carol"), _PLAIN, DENIED,
          identity=[allow()], boundary=_SHUT),
    _case("a delegate whose session policy does not speak of it", session("web", policies=[_SHUT]), _PLAIN, DENIED,
          identity=[allow()]),
    _case("a user of another account, by a policy there", user("bob", OTHER), _PLAIN, DENIED, identity=[allow()]),
    _case("a delegate of the account that is the retiring principal", user("bob", OTHER), _BY_OTHERS, ALLOW,
          identity=[allow(None, "kms:RetireGrant")]),
    _case("a user of the account that is the retiring principal, not a delegate", user("bob", OTHER), _BY_OTHERS, DENIED),
    _case("the retiring principal, its boundary does not speak of it", _BOB, _BY_BOB, ALLOW, boundary=_SHUT),
    _case("the retiring principal, denied in its policy", _BOB, _BY_BOB, "explicit deny: identity",
          identity=[deny(None, "kms:RetireGrant")]),
    _case("the retiring principal, denied in the key policy", _BOB, _BY_BOB, "explicit deny: resource",
          key_policy=[TRUST, deny("*", "kms:RetireGrant")]),
    _case("the root, denied in the key policy", root(), _PLAIN, "explicit deny: resource", key_policy=[TRUST, deny("*")]),
    _case("the grantee with RetireGrant, denied by the boundary", _ALICE, _to_alice("RetireGrant"),
          "explicit deny: boundary", boundary=policy(deny())),
    _case("a delegate, denied in the session policy", session("web", policies=[policy(allow(), deny())]), _PLAIN,
          "explicit deny: session", identity=[allow()]),
    Case("Retirement: the retiring principal is gone", _PAGE,
         _case("", _BOB, _BY_BOB, DENIED).world | {"identity": None}, CALLER_GONE),
]  # fmt: skip
