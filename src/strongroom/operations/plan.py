"""What the road works out of an operation's declaration once, at start, and what the record shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec

from strongroom.aws.generated.constraints import SHAPES as KMS_SHAPES
from strongroom.aws.generated.enums import KeySpec
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.aws.sensitive import SensitiveStruct
from strongroom.operations.operation import (
    AliasedKeyTarget,
    EntityTarget,
    GrantTarget,
    KeyTarget,
    Operation,
    RelatedKeyTarget,
)
from strongroom.operations.usage_notes import TRACKED_OPERATIONS
from strongroom.resources.key import Key

_SYMMETRIC = KeySpec.SYMMETRIC_DEFAULT
_SHOWN_AS_THEY_ARE = (str, dict, bool)


class Plan:
    """An operation with the answers to questions that never change."""

    __slots__ = (
        "judges_all_keys",
        "key_is_judged",
        "material_members",
        "operation",
        "recorded",
        "response_recorded",
        "takes_dry_run",
        "takes_dry_run_modifiers",
        "takes_grant_tokens",
        "takes_recipient",
        "takes_turns",
        "tracked_as",
    )

    def __init__(self, operation: Operation) -> None:
        wire_names = {field.name: field.encode_name for field in msgspec.structs.fields(operation.input)}
        self.operation = operation
        self.takes_turns = not operation.read_only and any(
            isinstance(target, KeyTarget | AliasedKeyTarget | RelatedKeyTarget | GrantTarget | EntityTarget)
            for target in operation.access
        )
        """Whether it changes what another request may change meanwhile: a key, a grant, an entity of IAM."""
        self.takes_dry_run = "dry_run" in wire_names
        self.takes_dry_run_modifiers = "dry_run_modifiers" in wire_names
        self.takes_grant_tokens = "grant_tokens" in wire_names
        self.takes_recipient = "recipient" in wire_names
        self.key_is_judged = tuple(
            not isinstance(target, AliasedKeyTarget)
            for target in operation.access
            if isinstance(target, KeyTarget | AliasedKeyTarget | RelatedKeyTarget | GrantTarget)
        )
        self.judges_all_keys = all(self.key_is_judged)
        self.tracked_as = TRACKED_OPERATIONS.get(operation.name)
        """What GetKeyLastUsage calls it; None where it is not told of."""
        self.recorded = tuple(
            (recorded.member, lower_camel(wire_names[recorded.member]), recorded.absent)
            for recorded in operation.records
        )
        self.response_recorded = operation.response_records
        self.material_members = tuple(
            (field.name, lower_camel(field.encode_name))
            for field in (() if operation.output is None else msgspec.structs.fields(operation.output))
            if field.name.endswith("key_material_id") and not field.name.startswith("current")
        )
        """Members of the output that name the key material used: CloudTrail's additionalEventData."""


def lower_camel(wire_name: str) -> str:
    """CloudTrail's spelling of a member: KeyId becomes keyId, AWSAccountId becomes aWSAccountId."""
    return wire_name[0].lower() + wire_name[1:]


def record_request(plan: Plan, request: Any) -> Mapping[str, object] | None:
    """The allow-listed members of a request (INVARIANT A2: nothing else of it is recorded)."""
    shown: dict[str, object] = {}
    for member, name, absent in plan.recorded:
        value = getattr(request, member)
        if value is None:
            if absent is not None:
                shown[name] = absent
        elif type(value) in _SHOWN_AS_THEY_ARE:  # nearly always
            shown[name] = value
        elif type(value) is list:
            shown[name] = [show_struct(item) for item in value]
        elif member == "valid_to":
            shown[name] = datetime.fromtimestamp(value, UTC)
        else:
            shown[name] = show_struct(value)
    return shown or None


def record_material(plan: Plan, response: Any, keys: tuple[Key, ...]) -> Mapping[str, object] | None:
    """Which key material a cryptographic operation used, as CloudTrail's additionalEventData tells.

    Source: AWS KMS Developer Guide, ct-decrypt and ct-encrypt examples: `keyMaterialId`.
    """
    if plan.material_members:
        shown = {}
        for member, name in plan.material_members:
            material = getattr(response, member)
            if material is not None:
                shown[name] = material
        return shown or None
    if plan.operation.usage is None or len(keys) != 1:
        return None
    if keys[0].key_spec is _SYMMETRIC:  # Encrypt: not in its answer
        return {"keyMaterialId": keys[0].current_material_id}
    return None


def record_response(plan: Plan, response: msgspec.Struct) -> Mapping[str, object] | None:
    """The allow-listed members of a response; None where AWS records null."""
    if not plan.response_recorded:
        return None
    whole = show_struct(response)
    assert isinstance(whole, dict)  # noqa: S101
    wanted = {
        lower_camel(field.encode_name)
        for field in msgspec.structs.fields(type(response))
        if field.name in plan.response_recorded
    }
    return {name: value for name, value in whole.items() if name in wanted}


def show_struct(value: object) -> object:
    """A member as a record shows it. Secrets: what the model calls sensitive is left out, however deep."""
    if not isinstance(value, msgspec.Struct):
        return value
    shown: dict[str, object] = {}
    secret = _secret_members(type(value)) if isinstance(value, SensitiveStruct) else ()
    for field in msgspec.structs.fields(type(value)):
        member = getattr(value, field.name)
        if member is None or field.encode_name in secret:
            continue
        if field.name.endswith("_date") or field.name == "valid_to":
            member = datetime.fromtimestamp(member, UTC)
        elif isinstance(member, list):
            member = [show_struct(item) for item in member]
        else:
            member = show_struct(member)
        shown[lower_camel(field.encode_name)] = member
    return shown


@cache
def _secret_members(structure: type[SensitiveStruct]) -> frozenset[str]:
    """Wire names of the members that a service's model calls sensitive."""
    models = (KMS_SHAPES, *(service.shapes for service in QUERY_SERVICES.values()))
    return frozenset(
        member.name
        for shapes in models
        if (shape := shapes.get(structure.__name__)) is not None
        for member in shape.members
        if shapes[member.shape].sensitive
    )
