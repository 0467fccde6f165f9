"""Where AWS's documents do not say enough, and the engine is more generous than one of their readings.

A key with several values under an operator without ForAllValues or ForAnyValue: "Multivalued context keys require
a condition set operator" (IAM User Guide, "Single-valued vs. multivalued context keys"). What comes without one is not
said; the makers of a public IAM simulator report from re:Inforce 2025 (IAM431) that it does not match. The engine takes
one value that matches for enough.
"""

from __future__ import annotations

from tests.properties.policy_cases.case import NO, Case
from tests.properties.policy_cases.operator_matrix import ALICE
from tests.properties.policy_cases.worlds import allow, user, world

_SETS = "IAM User Guide, Single-valued vs. multivalued context keys"
_BOTH = {"kms:grantoperations": ["Decrypt", "CreateGrant"]}

UNSETTLED = [
    Case(
        f"Several values without a set operator: {operator} in an Allow",
        _SETS,
        world(
            user("alice"),
            [allow(ALICE, Condition={operator: {"kms:GrantOperations": wanted}})],
            action="kms:CreateGrant",
            grant_operation=None,
            values=_BOTH,
        ),
        f"{NO}: resource",
    )
    for operator, wanted in [
        ("StringEquals", "Decrypt"),
        ("StringLike", "De*"),
        ("StringNotEquals", "Encrypt"),
    ]
]
