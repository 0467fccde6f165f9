"""Every condition operator, with every modifier, against absent, single, several and empty values.

Sources, IAM User Guide: "Condition operators" (Important: a key that is absent; IfExists; Null), "Single-valued vs.
multivalued context keys" (ForAllValues, ForAnyValue: no key, several values, an empty data set), "Multivalued
context key examples" (the table of ForAllValues:StringNotLike with aws:TagKeys).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.properties.policy_cases.case import ALLOW, NO, Case
from tests.properties.policy_cases.worlds import allow, aws, deny, user, user_arn, world

_PAGE = "IAM User Guide, Condition operators"
_SETS = "IAM User Guide, Single-valued vs. multivalued context keys"

# operator: (condition key, what the policy has, a value that matches it, one that does not)
POSITIVE = {
    "StringEquals": ("kms:ViaService", "s3.us-east-1.amazonaws.com", "s3.us-east-1.amazonaws.com", "ec2.aws"),
    "StringEqualsIgnoreCase": ("aws:PrincipalTag/team", "Blue", "bLUE", "Red"),
    "StringLike": ("kms:RequestAlias", "alias/app-*", "alias/app-7", "alias/other"),
    "NumericEquals": ("kms:RotationPeriodInDays", "90", "90", "91"),
    "NumericLessThan": ("kms:RotationPeriodInDays", "90", "89", "90"),
    "NumericLessThanEquals": ("kms:RotationPeriodInDays", "90", "90", "91"),
    "NumericGreaterThan": ("kms:RotationPeriodInDays", "90", "365", "90"),
    "NumericGreaterThanEquals": ("kms:RotationPeriodInDays", "90", "90", "9"),
    "DateEquals": ("kms:ValidTo", "2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z"),
    "DateLessThan": ("kms:ValidTo", "2026-05-01T00:00:00Z", "2026-04-30T23:59:59Z", "2026-05-01T00:00:00Z"),
    "DateLessThanEquals": ("kms:ValidTo", "2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z", "2027-01-01T00:00:00Z"),
    "DateGreaterThan": ("kms:ValidTo", "2026-05-01T00:00:00Z", "2026-05-01T00:00:01Z", "2026-05-01T00:00:00Z"),
    "DateGreaterThanEquals": ("kms:ValidTo", "2026-05-01T00:00:00Z", "2026-05-01T00:00:00Z", "2020-01-01T00:00:00Z"),
    "Bool": ("kms:MultiRegion", "true", "true", "false"),
    "BinaryEquals": ("kms:Something", "QmluYXJ5", "QmluYXJ5", "T3RoZXI="),
    "IpAddress": ("aws:VpcSourceIp", "203.0.113.0/24", "203.0.113.200", "203.0.114.1"),
    "ArnEquals": ("aws:SourceArn", "arn:aws:s3:::logs-*", "arn:aws:s3:::logs-1", "arn:aws:s3:::photos"),
    "ArnLike": ("aws:SourceArn", "arn:aws:sns:*:111122223333:t?", "arn:aws:sns:eu-west-1:111122223333:t1",
                "arn:aws:sns:eu-west-1:999999999999:t1"),
}  # fmt: skip

NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}

_SITUATIONS = (
    "absent",
    "match",
    "other",
    "match+other",
    "other+match",
    "match+match",
    "other+other",
    "empty",
)
_T, _F, _NOT_SAID = True, False, None

# Several values, and a key without one, need ForAllValues or ForAnyValue: AWS does not say what comes without.
_POSITIVE_TRUTH = {
    "{}": (_F, _T, _F),
    "{}IfExists": (_T, _T, _F),
    "ForAllValues:{}": (_T, _T, _F, _F, _F, _T, _F, _T),
    "ForAllValues:{}IfExists": (_T, _T, _F, _F, _F, _T, _F, _T),
    "ForAnyValue:{}": (_F, _T, _F, _T, _T, _T, _F, _F),
    "ForAnyValue:{}IfExists": (_T, _T, _F, _T, _T, _T, _F, _NOT_SAID),
}
_NEGATED_TRUTH = {
    "{}": (_T, _F, _T),
    "{}IfExists": (_T, _F, _T),
    "ForAllValues:{}": (_T, _F, _T, _F, _F, _F, _T, _T),
    "ForAllValues:{}IfExists": (_T, _F, _T, _F, _F, _F, _T, _T),
    "ForAnyValue:{}": (_F, _F, _T, _T, _T, _F, _T, _F),
    "ForAnyValue:{}IfExists": (_T, _F, _T, _T, _T, _F, _T, _NOT_SAID),
}

ALICE = aws(user_arn("alice"))


def condition_cases(
    name: str, source: str, condition: dict[str, object], values: dict[str, list[str]], *, holds: bool
) -> Iterator[Case]:
    """One condition in an Allow, and the same one in a Deny above an Allow without it."""
    alice = user("alice")
    yield Case(
        f"{name}, in an Allow",
        source,
        world(alice, [allow(ALICE, Condition=condition)], values=values),
        ALLOW if holds else f"{NO}: resource",
    )
    yield Case(
        f"{name}, in a Deny",
        source,
        world(alice, [allow(ALICE), deny(ALICE, Condition=condition)], values=values),
        "explicit deny: resource" if holds else ALLOW,
    )


def _rows() -> Iterator[Case]:
    for operator, base in [*((one, one) for one in POSITIVE), *NEGATED.items()]:
        key, wanted, match, other = POSITIVE[base]
        truth = _NEGATED_TRUTH if operator in NEGATED else _POSITIVE_TRUTH
        given = {"match": match, "other": other}
        for modifier, row in truth.items():
            for situation, holds in zip(_SITUATIONS, row, strict=False):
                if holds is _NOT_SAID:
                    continue
                values = {} if situation == "absent" else {
                    key.lower(): [given[one] for one in situation.split("+") if one in given]
                }  # fmt: skip
                full_name = modifier.format(operator)
                yield from condition_cases(
                    f"{full_name}: {situation}",
                    _SETS if ":" in modifier else _PAGE,
                    {full_name: {key: wanted}},
                    values,
                    holds=holds,
                )


MATRIX = list(_rows())
