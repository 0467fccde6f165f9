"""Where AWS's documents do not say enough: several values under an operator without a set operator.

"Multivalued context keys require a condition set operator" (IAM User Guide, "Single-valued vs. multivalued context
keys"). What comes without one is not said; the makers of a public IAM simulator report from re:Inforce 2025 (IAM431)
that it does not match. The safe reading: an Allow never gains by it, a Deny never loses.
"""

from __future__ import annotations

from tests.properties.policy_cases.case import ALLOW, NO, Case
from tests.properties.policy_cases.operator_matrix import ALICE
from tests.properties.policy_cases.worlds import allow, deny, user, world

_SETS = "IAM User Guide, Single-valued vs. multivalued context keys"
_BOTH = {"kms:grantoperations": ["Decrypt", "CreateGrant"]}
_CONDITIONS = [
    ("StringEquals", "Decrypt", True),
    ("StringEquals", "Encrypt", False),
    ("StringLike", "De*", True),
    ("StringNotEquals", "Encrypt", True),
    ("StringNotEquals", "Decrypt", True),
    ("StringEqualsIfExists", "Decrypt", True),
]


def _case(operator: str, wanted: str, *, denies: bool, expected: str) -> Case:
    condition = {operator: {"kms:GrantOperations": wanted}}
    statements = [allow(ALICE, Condition=condition)]
    if denies:
        statements = [allow(ALICE), deny(ALICE, Condition=condition)]
    return Case(
        f"Several values without a set operator: {operator} {wanted} in {'a Deny' if denies else 'an Allow'}",
        _SETS,
        world(user("alice"), statements, action="kms:CreateGrant", grant_operation=None, values=_BOTH),
        expected,
    )


SEVERAL_VALUES = [
    *(
        _case(operator, wanted, denies=False, expected=f"{NO}: resource")
        for operator, wanted, _ in _CONDITIONS
    ),
    *(
        _case(operator, wanted, denies=True, expected="explicit deny: resource" if fires else ALLOW)
        for operator, wanted, fires in _CONDITIONS
    ),
]
