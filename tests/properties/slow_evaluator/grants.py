"""Whether a grant permits the request.

Sources: KMS API Reference, GrantConstraints (which operations each constraint is for; the key of a pair is
not case sensitive, its value is; SourceArn is "effectively the same as having the aws:SourceArn global
condition key in the grant" and "does not apply to RetireGrant"); KMS Developer Guide, "Grants in AWS KMS".
"""

from __future__ import annotations

from typing import Any


def _is(caller: dict[str, Any], arn: str | None, unique_id: str | None, service: str | None) -> bool:
    """Whether a grant's member means the caller: a user by its unique id, as its name may have changed since;
    a session by its own ARN or by its role's."""
    if caller["type"] == "service":
        return bool(service == caller["arn"])
    if caller["type"] == "root":
        return bool(arn == caller["arn"])
    if unique_id != caller["id"]:
        return False
    return caller["type"] == "user" or arn in {caller["arn"], caller["role_arn"]}


def _is_grantee(grant: dict[str, Any], world: dict[str, Any]) -> bool:
    return _is(world["caller"], grant["grantee"], grant["grantee_id"], grant["service"])


def _pairs(context: dict[str, str]) -> set[tuple[str, str]]:
    return {(key.lower(), value) for key, value in context.items()}


def _constraints_hold(grant: dict[str, Any], request: dict[str, Any]) -> bool:
    if request["context"] is not None:
        given = _pairs(request["context"])
        if grant["subset"] is not None and not _pairs(grant["subset"]) <= given:
            return False
        if grant["equals"] is not None and _pairs(grant["equals"]) != given:
            return False
    if grant["source_arn"] is not None and request["grant_operation"] != "RetireGrant":
        return list(request["values"].get("aws:sourcearn", ())) == [grant["source_arn"]]
    return True


def _child_is_no_wider(grant: dict[str, Any], child: dict[str, Any]) -> bool:
    """What a grant made by the permission of a grant may be.

    Source: KMS Developer Guide, "Creating grants", Granting CreateGrant permission: only operations of the
    parent; "an equally strict or stricter encryption context constraint"; the same source.
    """
    if not set(child["operations"]) <= set(grant["operations"]):
        return False
    if grant["source_arn"] not in {None, child["source_arn"]}:
        return False
    narrowest = child["subset"] if child["equals"] is None else child["equals"]
    if grant["equals"] is not None:
        return child["equals"] is not None and _pairs(child["equals"]) == _pairs(grant["equals"])
    if grant["subset"] is not None:
        return narrowest is not None and _pairs(grant["subset"]) <= _pairs(narrowest)
    return True


def a_grant_permits(world: dict[str, Any]) -> bool:
    """One grant whose grantee, operation and constraints all fit."""
    request = world["request"]
    return any(
        _is_grantee(grant, world)
        and request["grant_operation"] in grant["operations"]
        and _constraints_hold(grant, request)
        and (request["child"] is None or _child_is_no_wider(grant, request["child"]))
        for grant in world["grants"]
    )


def the_grant_lets_the_caller_retire_it(world: dict[str, Any]) -> bool:
    """The retiring principal, and the grantee if RetireGrant is among the operations.

    Source: KMS Developer Guide, "Retiring and revoking grants".
    """
    (grant,), caller = world["grants"], world["caller"]
    if _is(caller, grant["retiring"], grant["retiring_id"], grant["retiring_service"]):
        return True
    return "RetireGrant" in grant["operations"] and _is_grantee(grant, world)


def an_account_may_retire_it(world: dict[str, Any]) -> bool:
    """Whether the caller's account may, and may so delegate it.

    It is the one that owns the key, the one in which the grant was created, or the retiring principal.
    """
    (grant,), caller = world["grants"], world["caller"]
    accounts = {world["key"]["account"], grant["issuer"]}
    if grant["retiring"] is not None and grant["retiring"].endswith(":root"):
        accounts.add(grant["retiring"].split(":")[4])
    return caller["type"] != "service" and caller["account"] in accounts
