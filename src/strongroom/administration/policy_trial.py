"""`strongroom policy test`: what another key policy would change for those who used the key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from strongroom.administration.foreign_replay import decide_again, is_foreign
from strongroom.administration.key_ledger import principal_of
from strongroom.administration.recorded_request import (
    NotRebuildable,
    RecordedRequest,
    issued_access_key_id,
    rebuild_request,
)
from strongroom.administration.replay import replay
from strongroom.administration.who_can import Holders, list_holders
from strongroom.audit.reader import event_time
from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import Decision
from strongroom.authorization.foreign_principals import ForeignAuthority
from strongroom.authorization.key_policy import compile_key_policy, named_principals, parse_policy
from strongroom.operations.policy_principals import bind_principal, is_unbindable
from strongroom.resources.key import Key
from strongroom.store.interface import Store

PUT_KEY_POLICY = "kms:PutKeyPolicy"

Records = Iterable[dict[str, Any]]


@dataclass(slots=True)
class Change:
    """Requests of one kind whose answer would be another."""

    principal: str
    operation: str
    allowed_after: bool
    why: str
    """Of the answer under the new policy."""
    count: int = 0
    last_at: str = ""
    request_id: str = ""
    """Of the last one, for `strongroom explain`."""


@dataclass(slots=True)
class Trial:
    """What a new key policy would change."""

    key_arn: str
    requests: int = 0
    unchanged: int = 0
    changes: dict[tuple[str, str, bool, str], Change] = field(default_factory=dict)
    not_asked: dict[str, int] = field(default_factory=dict)
    """How many could not be asked again, by why."""
    unknown_principals: tuple[str, ...] = ()
    """Users and roles that the new policy names and that are not there: a strict server refuses it."""
    administrators_before: tuple[str, ...] = ()
    administrators_after: tuple[str, ...] = ()
    """Who could put another key policy, perhaps under conditions."""

    @property
    def newly_denied(self) -> list[Change]:
        return [one for one in self.changes.values() if not one.allowed_after]

    @property
    def newly_allowed(self) -> list[Change]:
        return [one for one in self.changes.values() if one.allowed_after]

    @property
    def locks_out(self) -> bool:
        """Whether nobody could change the policy any more."""
        return not self.administrators_after

    @property
    def passes(self) -> bool:
        """Whether nobody loses what it used, and somebody can still manage the key."""
        return not self.newly_denied and not self.locks_out


async def try_key_policy(
    store: Store, key: Key, policy: str, records: Records, issuing: Records, since: datetime
) -> Trial:
    """`records` are those that name the key, `issuing` those of STS.

    Raises ApiError where the policy is none (KMS's own sentence), StoreUnavailable, OSError.
    """
    new_key, unknown = await _with_policy(store, key, policy)
    trial = Trial(key.arn, unknown_principals=unknown)
    issued = {found: one for one in issuing if (found := issued_access_key_id(one)) is not None}
    authorizer, foreign = Authorizer(store), ForeignAuthority()
    for record, count in _distinct(records, key, since):
        trial.requests += count
        try:
            if is_foreign(record):
                before, after = [await decide_again(foreign, record, one) for one in (key, new_key)]
            else:
                request = _rebuild(record, issued)
                before, after = [await _replay(store, request, one, authorizer) for one in (key, new_key)]
        except NotRebuildable as error:
            trial.not_asked[str(error)] = trial.not_asked.get(str(error), 0) + count
            continue
        if before.allowed is after.allowed:
            trial.unchanged += count
        else:
            _note_change(trial, record, count, after)
    trial.administrators_before = _names(await list_holders(store, key, PUT_KEY_POLICY))
    trial.administrators_after = _names(await list_holders(store, new_key, PUT_KEY_POLICY))
    return trial


async def _with_policy(store: Store, key: Key, policy: str) -> tuple[Key, tuple[str, ...]]:
    document = parse_policy(policy)
    bound: dict[str, str] = {}
    unknown = []
    for name in named_principals(document):
        if name.startswith("arn:") and not is_unbindable(name):
            unique_id = await bind_principal(store, name)
            if unique_id is None:
                unknown.append(name)
            else:
                bound[name] = unique_id
    compile_key_policy(document, bound)
    return replace(key, policy=policy, policy_principals=bound), tuple(unknown)


def _distinct(records: Records, key: Key, since: datetime) -> list[tuple[dict[str, Any], int]]:
    """The last of all requests that no policy could tell apart but by their time, and how many there were."""
    found: dict[str, tuple[dict[str, Any], int]] = {}
    for record in records:
        if record.get("eventType") != "AwsApiCall" or event_time(record) < since:
            continue
        if not any(one.get("ARN") == key.arn for one in record.get("resources") or ()):
            continue
        same = _fingerprint(record)
        found[same] = (record, found[same][1] + 1 if same in found else 1)
    return list(found.values())


def _fingerprint(record: Mapping[str, Any]) -> str:
    identity = record.get("userIdentity") or {}
    members = [
        identity.get("type"),
        identity.get("principalId"),
        identity.get("arn"),
        identity.get("invokedBy"),
        identity.get("accessKeyId") if "sessionContext" in identity else None,
        *(record.get(name) for name in ("eventName", "awsRegion", "sourceIPAddress", "userAgent")),
        record.get("requestParameters"),
        record.get("resources"),
    ]
    return json.dumps(members, sort_keys=True)


def _rebuild(record: dict[str, Any], issued: Mapping[str, dict[str, Any]]) -> RecordedRequest:
    access_key_id = (record.get("userIdentity") or {}).get("accessKeyId")
    return rebuild_request(record, issued.get(str(access_key_id)))


async def _replay(store: Store, request: RecordedRequest, key: Key, authorizer: Authorizer) -> Decision:
    """Under the policy that `key` has, the decision of the first permission that is denied, or of the last.

    Raises NotRebuildable.
    """
    replayed = await replay(store, request, {key.arn: key}, authorizer)
    if replayed.stopped_by is not None:
        raise NotRebuildable(f"It is refused before policies decide: {replayed.stopped_by}")
    if not replayed.permissions:
        raise NotRebuildable("It needs no permission.")
    return replayed.permissions[-1].explanation.decision


def _note_change(trial: Trial, record: dict[str, Any], count: int, decision: Decision) -> None:
    why = str(decision.reason)
    if decision.statements:
        one = decision.statements[0]
        why += f": statement {one.index + 1}{f' ({one.sid})' if one.sid else ''} of {one.policy}"
    place = (principal_of(record), str(record["eventName"]), decision.allowed, why)
    change = trial.changes.setdefault(place, Change(*place))
    change.count += count
    if record["eventTime"] >= change.last_at:
        change.last_at, change.request_id = record["eventTime"], str(record.get("requestID"))


def _names(holders: Holders) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one.arn for one in holders.holders))
