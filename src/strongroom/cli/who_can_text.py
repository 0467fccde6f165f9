"""What `strongroom who-can` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from strongroom.cli.explain_text import visible

if TYPE_CHECKING:
    from strongroom.administration.who_can import Holder, Holders
    from strongroom.authorization.possibility import OpenStatement

_WORDS = {"yes": "YES", "if": "IF "}


def render_holders(key_arn: str, action: str, holders: Holders) -> list[str]:
    """Lines for a human: who can without conditions first."""
    lines = [f"Who can {action} on {key_arn}, by the policies and grants of now:", ""]
    for holder in sorted(holders.holders, key=lambda one: one.possibility == "if"):
        lines.append(
            f"{_WORDS[holder.possibility]}  {visible(holder.arn)}{_ANY_SESSION.get(holder.kind, '')}"
        )
        lines += [f"       {one}" for one in _ways(holder)]
    if not holders.holders:
        lines.append("Nobody on this server.")
    if holders.cannot:
        lines += ["", f"{holders.cannot} other principals of this server cannot."]
    if holders.elsewhere:
        lines += ["", "Named by the key policy or a grant, and not on this server (or gone):"]
        lines += [f"  {visible(one)}" for one in holders.elsewhere]
    return lines


def holders_as_json(holders: Holders) -> dict[str, Any]:
    """The same for a program."""
    return {
        "principals": [
            {
                "principal": one.arn,
                "type": str(one.kind),
                "can": str(one.possibility),
                "statements": [_statement_as_json(each) for each in one.statements],
                "unless": [_statement_as_json(each) for each in one.unless],
                "grants": [
                    {"grantId": grant.grant_id, "if": list(grant.constraints)} for grant in one.grants
                ],
            }
            for one in holders.holders
        ],
        "cannot": holders.cannot,
        "namedElsewhere": list(holders.elsewhere),
    }


_ANY_SESSION = {"AssumedRole": "  (its sessions)"}


def _ways(holder: Holder) -> list[str]:
    lines = [
        f"{'by' if not place else 'and'} {_statement(one)}" for place, one in enumerate(holder.statements)
    ]
    for place, grant in enumerate(holder.grants):
        condition = f", if {visible(' and '.join(grant.constraints))}" if grant.constraints else ""
        lines.append(f"{'or ' if holder.statements or place else ''}by grant {grant.grant_id}{condition}")
    lines += [f"unless {_statement(one, 'denies it, if')}" for one in holder.unless]
    return lines


def _statement(one: OpenStatement, word: str = "if") -> str:
    sid = f' "{visible(one.reference.sid)}"' if one.reference.sid else ""
    place = f"statement {one.reference.index + 1}{sid} of {visible(one.reference.policy)}"
    if not one.conditions:
        return place
    conditions = " and ".join(
        f"{visible(each.operator)} {visible(each.key)} {_values(each.values)}" for each in one.conditions
    )
    return f"{place}, {word} {conditions}"


def _values(values: Sequence[str]) -> str:
    return " or ".join(repr(visible(one)) for one in values)


def _statement_as_json(one: OpenStatement) -> dict[str, Any]:
    return {
        "policy": one.reference.policy,
        "index": one.reference.index,
        "sid": one.reference.sid,
        "conditions": [
            {"operator": each.operator, "key": each.key, "values": list(each.values)}
            for each in one.conditions
        ],
    }
