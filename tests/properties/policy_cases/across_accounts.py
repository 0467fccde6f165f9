"""Callers of another account: both sides must allow.

Sources: IAM User Guide, "Cross-account policy evaluation logic"; KMS Developer Guide, "Allowing users in other
accounts to use a KMS key" (which operations; both sides), "Troubleshooting AWS KMS permissions" (Example 2).
"""

from __future__ import annotations

from typing import Any

from tests.properties.policy_cases.case import ACROSS, ALLOW, NO, Case
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
    session,
    session_arn,
    unique_id,
    user,
    user_arn,
    world,
)

_CROSS = "IAM User Guide, Cross-account policy evaluation logic"
_KMS = "KMS Developer Guide, Allowing users in other accounts to use a KMS key"
_EXAMPLE = "KMS Developer Guide, Troubleshooting AWS KMS permissions: Example 2"

_BOB, _ENGINEER = user("bob", OTHER), session("Engineering", "bob", OTHER)
_ACCOUNT = [TRUST, allow(aws(root_arn(OTHER)))]
_NAMED = [TRUST, allow(aws(user_arn("bob", OTHER)))]
_SHUT = policy(allow(None, "s3:*"))
_NO_RESOURCE, _NO_IDENTITY = f"{NO}: resource", f"{NO}: identity"


def _case(
    name: str, source: str, caller: Any, key_policy: Any, identity: Any, expected: str, **more: Any
) -> Case:
    return Case(f"Across accounts: {name}", source, world(caller, key_policy, identity, **more), expected)


def _gone_to_both_sides() -> list[Case]:
    other_key = allow(resource="arn:aws:kms:us-east-1:111122223333:key/ffffffff-0000-0000-0000-000000000000")
    return [
        _case("the account is allowed, and a policy allows", _EXAMPLE, _ENGINEER, _ACCOUNT, [allow()], ALLOW),
        _case("the account is allowed, no policy allows", _EXAMPLE, _ENGINEER, _ACCOUNT, [], _NO_IDENTITY),
        _case("a policy allows, the key policy does not", _KMS, _ENGINEER, [TRUST], [allow()], _NO_RESOURCE),
        _case("neither side", _KMS, _ENGINEER, [TRUST], [], _NO_RESOURCE),
        _case("a third account is allowed", _KMS, _BOB, [TRUST, allow(aws(root_arn("777788889999")))], [allow()],
              _NO_RESOURCE),
        _case("the account by digits", _KMS, _BOB, [TRUST, allow(aws(OTHER))], [allow()], ALLOW),
        _case("the user is named, and a policy allows", _KMS, _BOB, _NAMED, [allow()], ALLOW),
        _case("the user is named: that is not enough", _CROSS, _BOB, _NAMED, [], _NO_IDENTITY),
        _case("a star is not enough", _CROSS, _BOB, [allow("*")], [], _NO_IDENTITY),
        _case("a star, and a policy allows", _CROSS, _BOB, [allow("*")], [allow()], ALLOW),
        _case("the role is named, and a policy allows", _KMS, _ENGINEER,
              [allow(aws(role_arn("Engineering", OTHER)))], [allow()], ALLOW),
        _case("the role is named: that is not enough", _CROSS, _ENGINEER,
              [allow(aws(role_arn("Engineering", OTHER)))], [], _NO_IDENTITY),
        _case("the session is named: that is not enough", _CROSS, _ENGINEER,
              [allow(aws(session_arn("Engineering", "bob", OTHER)))], [], _NO_IDENTITY),
        _case("the session is named, and a policy allows", _CROSS, _ENGINEER,
              [allow(aws(session_arn("Engineering", "bob", OTHER)))], [allow()], ALLOW),
        _case("the key policy allows another action", _KMS, _BOB,
              [allow(aws(root_arn(OTHER)), "kms:Encrypt")], [allow()], _NO_RESOURCE),
        _case("the policy allows another action", _KMS, _BOB, _ACCOUNT, [allow(None, "kms:Encrypt")], _NO_IDENTITY),
        _case("the policy allows another key", _KMS, _BOB, _ACCOUNT, [other_key], _NO_IDENTITY),
        _case("the root of the account that is allowed", _KMS, root(OTHER), _ACCOUNT, None, ALLOW),
        _case("the root of an account that is not", _KMS, root(OTHER), [TRUST], None, _NO_RESOURCE),
        _case("a user by the unique id", _CROSS, _BOB, [allow(aws(unique_id("user", "bob", OTHER)))], [allow()], ALLOW),
    ]  # fmt: skip


def _limits() -> list[Case]:
    shut_session = session("Engineering", "bob", OTHER, policies=[_SHUT])
    return [
        _case("a boundary limits a user whom the key policy names", _CROSS, _BOB, _NAMED, [allow()], f"{NO}: boundary",
              boundary=_SHUT),
        _case("a boundary limits the account's users", _CROSS, _BOB, _ACCOUNT, [allow()], f"{NO}: boundary",
              boundary=_SHUT),
        _case("a session policy limits a session that the key policy names", _CROSS, shut_session,
              [allow(aws(session_arn("Engineering", "bob", OTHER)))], [allow()], f"{NO}: session"),
        _case("a session policy limits a star", _CROSS, shut_session, [allow("*")], [allow()], f"{NO}: session"),
        _case("a deny on the caller's side", _CROSS, _BOB, _NAMED, [allow(), deny()], "explicit deny: identity"),
        _case("a deny on the key's side", _CROSS, _BOB, [*_NAMED, deny(aws(user_arn("bob", OTHER)))], [allow()],
              "explicit deny: resource"),
        _case("a deny of the other account", _CROSS, _BOB, [*_NAMED, deny(aws(OTHER))], [allow()],
              "explicit deny: resource"),
        _case("a deny of the key's own account is not theirs", _CROSS, _BOB, [*_NAMED, deny(aws(root_arn()))], [allow()],
              ALLOW),
        _case("a deny in the boundary", _CROSS, _BOB, _NAMED, [allow()], "explicit deny: boundary",
              boundary=policy(allow(), deny())),
    ]  # fmt: skip


def _operations_that_stay_at_home() -> list[Case]:
    not_across = {"action": "kms:ScheduleKeyDeletion", "cross_account": False, "grant_operation": None}
    at_home = user("alice")
    given = grant(user_arn("bob", OTHER), "Decrypt", grantee_id=unique_id("user", "bob", OTHER))
    source = f"{_KMS}: operations that other accounts can use"
    return [
        _case("an operation that does not cross, both sides allow", source, _BOB, _ACCOUNT, [allow()], ACROSS, **not_across),
        _case("an operation that does not cross, for a root", source, root(OTHER), _ACCOUNT, None, ACROSS, **not_across),
        _case("an operation that does not cross, a star", source, _BOB, [allow("*")], [allow()], ACROSS, **not_across),
        _case("an operation that does not cross, a grant", source, _BOB, _ACCOUNT, [allow()], ACROSS,
              action="kms:Decrypt", cross_account=False, grants=[given]),
        _case("an operation that does not cross, at home", source, at_home, [TRUST], [allow()], ALLOW, **not_across),
    ]  # fmt: skip


def _by_account_conditions() -> list[Case]:
    caller_account = {"StringEquals": {"kms:CallerAccount": OTHER}}
    by_condition = [allow("*", Condition=caller_account)]
    source = "KMS Developer Guide, AWS KMS condition keys: kms:CallerAccount"
    return [
        _case("a star with kms:CallerAccount, and a policy", source, _BOB, by_condition, [allow()], ALLOW),
        _case("a star with kms:CallerAccount, no policy", source, _BOB, by_condition, [], _NO_IDENTITY),
        _case(
            "a star with another kms:CallerAccount",
            source,
            user("alice"),
            by_condition,
            [allow()],
            _NO_RESOURCE,
        ),
    ]


ACROSS_ACCOUNTS = (
    _gone_to_both_sides() + _limits() + _operations_that_stay_at_home() + _by_account_conditions()
)
