"""What `strongroom explain` prints for a human."""

from __future__ import annotations

from typing import Any

NOBODY = "a caller whom nobody knew"

_NAMED_AS = {
    "ACCOUNT": "names the caller's account, so its identity-based policies decide",
    "ANYONE": "is about everyone",
    "FEDERATED": "names the caller's identity provider",
    "SERVICE": "names the service",
    "ROLE": "names the caller's role",
    "USER": "names the caller",
    "SESSION": "names this very session",
}
_SINCE = {
    None: "",
    "new": " (it was not in force when the request was made)",
    "changed": " (CHANGED since the request was made)",
    "unchanged": " (unchanged since the request was made)",
}


def visible(text: object) -> str:
    """Text that a caller may have chosen, without what could steer a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(text))


def render_report(report: dict[str, Any]) -> list[str]:
    """Lines, from the report of administration.why."""
    caller = report["caller"]
    who = caller["arn"] or NOBODY
    through = caller["invokedBy"] if caller["invokedBy"] != who else None
    lines = [
        f"Request    {report['requestId']}",
        f"Made       {report['eventTime']} in {report['awsRegion'] or 'no Region'}",
        f"By         {visible(who)}" + (f", through {visible(through)}" if through else ""),
        f"From       {visible(report['sourceIPAddress'])}, {visible(report['userAgent'])[:100]}",
        f"Operation  {visible(report['operation'])}",
    ]
    lines += [f"On         {visible(arn)}" for arn in report["resources"]]
    if report["errorCode"] is None:
        lines.append("Answer     it was allowed, and done")
    else:
        lines.append(f"Answer     {visible(report['errorCode'])}: {visible(report['errorMessage'])}")
    lines += _render_recorded(report["recorded"])
    for note in report["notes"]:
        lines += ["", f"Note: {visible(note)}"]
    if report["stoppedBy"] is not None:
        lines += ["", f"Asked again now, it would be refused before that: {visible(report['stoppedBy'])}"]
    for permission in report["permissions"]:
        lines += ["", *_render_permission(permission, report["errorMessage"])]
    return lines


def _render_recorded(recorded: dict[str, Any] | None) -> list[str]:
    if recorded is None:
        return []
    # Records of the XKS proxy had neither action nor conditions once.
    action = recorded.get("action", "the request")
    lines = ["", f"Recorded then: {action} was denied ({recorded['reason']})."]
    for one in recorded["statements"]:
        lines.append(f"  decided by {_statement(one)} of {visible(one['policy'])}")
    for key, values in recorded.get("conditions", {}).items():
        lines.append(f"  {visible(key)} was {_values(values)}")
    return lines


def _render_permission(permission: dict[str, Any], told: str | None) -> list[str]:
    verdict = "ALLOWED" if permission["allowed"] else "DENIED"
    lines = [
        f"With the policies of now, {permission['action']} is {verdict}",
        f"  on {visible(permission['resource'])}",
        f"  because {permission['because']}.",
    ]
    if permission["sentence"] and permission["sentence"] != told:
        lines.append(f"  {visible(permission['sentence'])}")
    for policy in permission["policies"]:
        lines += ["", f"  {_capital(visible(policy['label']))}{_SINCE[policy['sinceTheRequest']]}"]
        if not policy["readable"]:
            lines.append("    cannot be read, so it counts as a denial")
        for statement in policy["statements"]:
            lines += _render_statement(statement)
        if policy["readable"] and not policy["statements"]:
            lines.append("    has no statements: it allows nothing")
    for label in permission["policiesGone"]:
        lines += ["", f"  {_capital(visible(label))} had a say then, and has none any more"]
    if permission["canGrantPermit"]:
        lines += ["", *_render_grants(permission["grants"])]
    if permission["wouldAllow"]:
        denied = permission["reason"].startswith("DENIED_BY")
        heading = "Before anything can allow it" if denied else "Any of these would allow it"
        lines += ["", f"  {heading}:"]
        lines += [f"    - {visible(one)}" for one in permission["wouldAllow"]]
    return lines


def _render_statement(statement: dict[str, Any]) -> list[str]:
    effect = "denies" if statement["effect"] == "Deny" else "allows"
    place = _capital(_statement(statement))
    if statement["applies"]:
        named = _NAMED_AS.get(statement["namesCallerAs"] or "")
        lines = [f"    {place} {effect}: APPLIES" + (f"; it {named}" if named else "")]
    else:
        elsewhere = [one for one in statement["misses"] if not one.startswith("its condition ")]
        why = ", ".join(elsewhere) or "a condition does not hold"
        lines = [f"    {place} {effect}: does not apply, because {why}"]
        if elsewhere:
            return lines
    for one in statement["conditions"]:
        held = "holds" if one["held"] else "DOES NOT HOLD"
        wanted, given = _values(one["policyValues"]), _values(one["requestValues"])
        asked = f"{visible(one['operator'])} {visible(one['key'])}"
        lines.append(f"        {asked}: wants {wanted}; in the request it is {given}: {held}")
    return lines


def _render_grants(grants: list[dict[str, Any]]) -> list[str]:
    if not grants:
        return ["  No grant on the key names the caller"]
    lines = []
    for grant in grants:
        misses = "; ".join(visible(one) for one in grant["misses"])
        verdict = f"does not permit it: {misses}" if misses else "permits it"
        lines.append(f"  Grant {grant['grantId']} to {visible(grant['grantee'])} {verdict}")
    return lines


def _statement(statement: dict[str, Any]) -> str:
    sid = statement.get("sid")
    return f"statement {statement['index'] + 1}" + (f' "{visible(sid)}"' if sid else "")


def _values(values: list[str] | None) -> str:
    if values is None:
        return "not there"
    return " or ".join(repr(visible(one)) for one in values) or "there, without a value"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:] if not text.startswith("arn:") else text
