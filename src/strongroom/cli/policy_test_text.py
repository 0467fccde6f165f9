"""What `strongroom policy test` prints."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from strongroom.cli.explain_text import visible

if TYPE_CHECKING:
    from strongroom.administration.policy_trial import Change, Trial

ADMINISTRATORS_SHOWN_MAX = 10


def render_trial(trial: Trial, days: int) -> list[str]:
    """Lines for a human."""
    lines = [f"{trial.requests} requests on {trial.key_arn} in the last {days} days, asked again:"]
    for title, changes in (("NEWLY DENIED", trial.newly_denied), ("Newly allowed", trial.newly_allowed)):
        lines += ["", f"{title}: {sum(one.count for one in changes)}"]
        for one in sorted(changes, key=lambda one: -one.count):
            lines += _render_change(one)
    lines += ["", f"Unchanged: {trial.unchanged}"]
    for why, count in trial.not_asked.items():
        lines.append(f"Not asked again: {count}. {visible(why)}")
    if trial.unknown_principals:
        lines += ["", "Named by the new policy and not there, so a strict server will refuse it:"]
        lines += [f"  {visible(one)}" for one in trial.unknown_principals]
    lines += ["", *_render_administrators(trial)]
    return lines


def _render_change(change: Change) -> list[str]:
    return [
        f"  {visible(change.principal)}: {visible(change.operation)}, {change.count} times, "
        f"last {change.last_at}",
        f"    because {visible(change.why)}",
        f"    (strongroom explain {change.request_id})",
    ]


def _render_administrators(trial: Trial) -> list[str]:
    if trial.locks_out:
        return ["LOCKOUT: under the new policy nobody could put another key policy."]
    lost = [one for one in trial.administrators_before if one not in trial.administrators_after]
    shown = ", ".join(visible(one) for one in trial.administrators_after[:ADMINISTRATORS_SHOWN_MAX])
    more = len(trial.administrators_after) - ADMINISTRATORS_SHOWN_MAX
    lines = [f"Could still change the policy: {shown}" + (f", and {more} more" if more > 0 else "")]
    if lost:
        lines.append(f"Could not any more: {', '.join(visible(one) for one in lost)}")
    return lines


def trial_as_json(trial: Trial, days: int) -> dict[str, Any]:
    """The same for a program."""
    return {
        "key": trial.key_arn,
        "days": days,
        "requests": trial.requests,
        "newlyDenied": [_camel(one) for one in trial.newly_denied],
        "newlyAllowed": [_camel(one) for one in trial.newly_allowed],
        "unchanged": trial.unchanged,
        "notAskedAgain": trial.not_asked,
        "unknownPrincipals": list(trial.unknown_principals),
        "administratorsBefore": list(trial.administrators_before),
        "administratorsAfter": list(trial.administrators_after),
        "locksOut": trial.locks_out,
        "passes": trial.passes,
    }


def _camel(change: Change) -> dict[str, Any]:
    members = asdict(change)
    return {
        "principal": members["principal"],
        "operation": members["operation"],
        "because": members["why"],
        "count": members["count"],
        "lastTime": members["last_at"],
        "lastRequestId": members["request_id"],
    }
