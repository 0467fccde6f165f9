"""Which statements of a policy apply to a request.

Sources: IAM User Guide, "Grammar of the IAM JSON policy language", "Action", "NotAction", "Resource",
"NotResource"; KMS Developer Guide, "Key policies": Resource `*` is this KMS key.
"""

from __future__ import annotations

from typing import Any

from tests.properties.slow_evaluator.conditions import as_list, condition_holds
from tests.properties.slow_evaluator.texts import (
    NoValue,
    Values,
    simple_wildcard_matches,
    wildcard_regex,
)


def _action_fits(statement: dict[str, Any], action: str) -> bool:
    """Whatever the case of its letters."""
    element = "Action" if "Action" in statement else "NotAction"
    listed = any(
        simple_wildcard_matches(pattern.lower(), action.lower()) for pattern in as_list(statement[element])
    )
    return listed == (element == "Action")


def _resource_fits(statement: dict[str, Any], arn: str, values: Values, version: str | None) -> bool:
    """In exactly the case that is written. A variable without a value: that one matches no resource.

    "Variables and tags" says of NotResource no more than of Resource: a list with such a variable may leave
    out nothing or everything. So neither reading may help the caller: it leaves the key out of an Allow, and
    does not leave it out of a Deny.
    """
    element = "Resource" if "Resource" in statement else "NotResource"
    if element not in statement:  # a role trust policy is about its role
        return True
    without_value = element == "NotResource" and statement["Effect"] == "Allow"

    def matches(pattern: str) -> bool:
        try:
            return wildcard_regex(pattern, values, version).fullmatch(arn) is not None
        except NoValue:
            return without_value

    listed = any(matches(pattern) for pattern in as_list(statement[element]))
    return listed == (element == "Resource")


def applicable(policy: dict[str, Any], world: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements whose action, resource and conditions fit; whoever they name."""
    request, version = world["request"], policy.get("Version")
    return [
        statement
        for statement in as_list(policy["Statement"])
        if _action_fits(statement, request["action"])
        and _resource_fits(statement, world["key"]["arn"], request["values"], version)
        and condition_holds(
            statement.get("Condition", {}), request["values"], version, denies=statement["Effect"] == "Deny"
        )
    ]


def says(policies: list[dict[str, Any] | None], world: dict[str, Any]) -> set[str]:
    """`Allow` and `Deny`, as far as any of these identity-based policies says so. None: it is gone."""
    return {
        statement["Effect"]
        for policy in policies
        if policy is not None
        for statement in applicable(policy, world)
    }
