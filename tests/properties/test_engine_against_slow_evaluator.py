"""Worlds by chance: the engine against an evaluator of the raw JSON that shares no code with it.

In CI the same few thousand worlds every time. To search further:

    POLICY_WORLDS=100000 [POLICY_SEED=7] pytest tests/properties/test_engine_against_slow_evaluator.py

A failure prints the smallest world that shows it.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import random
from collections import Counter
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from tests.properties.policy_cases.engine import Prepared, answer_of, verdict_of
from tests.properties.policy_cases.random_worlds import WorldMaker
from tests.properties.policy_cases.shrinking import shrink
from tests.properties.policy_cases.vocabulary import ENTITIES, KEYS, RETIREMENTS, ROLES, Vocabulary
from tests.properties.policy_cases.worlds import World
from tests.properties.slow_evaluator.conditions import NotUnderstood, as_list
from tests.properties.slow_evaluator.grants import a_grant_permits
from tests.properties.slow_evaluator.principals import ACCOUNT, names_how
from tests.properties.slow_evaluator.verdict import (
    ALLOWED,
    EXPLICIT,
    GONE,
    IMPLICIT,
    NOT_ACROSS,
    Verdict,
    judge,
)

from strongroom.authorization.authorizer import Authorizer
from strongroom.authorization.decision import PolicyType
from strongroom.authorization.explanation import Explanation
from strongroom.resources.grant import Grant
from strongroom.resources.iam import Identity
from strongroom.resources.identifiers import AccountId, KeyId, Region

WORLDS_IN_CI = 3000
PARTS = 8
"""Of the worlds, each a test of its own, so that processes can share them."""


def _how_many() -> int:
    return int(os.environ.get("POLICY_WORLDS", WORLDS_IN_CI))


def _makers(what: str, count: int, words: Vocabulary = KEYS) -> Iterator[WorldMaker]:
    seed = os.environ.get("POLICY_SEED", "strongroom")
    return (WorldMaker(f"{seed}/{what}/{number}", words) for number in range(count))


def _differ(slow: Verdict, engine: Verdict) -> bool:
    """Not where AWS names one of several types of policy: which one is left open."""
    if slow.outcome != engine.outcome:
        return True
    return bool(slow.types) and not (engine.types and engine.types <= slow.types)


def _run(found: Coroutine[Any, Any, Verdict]) -> Verdict:
    return asyncio.run(found)


def _complaint(world: World, slow: Verdict, engine: Verdict) -> str:
    def still_differs(smaller: World) -> bool:
        try:
            return _differ(judge(smaller), _run(answer_of(smaller)))
        except (KeyError, IndexError, NotUnderstood):
            return False

    smallest = shrink(world, still_differs)
    return f"slow evaluator: {slow}, engine: {engine}\n{json.dumps(smallest, indent=1)}"


@pytest.mark.parametrize("words", [KEYS, RETIREMENTS, ROLES, ENTITIES], ids=lambda words: words.kind)
@pytest.mark.parametrize("part", range(PARTS))
def test_engine_for_worlds_by_chance_decides_as_the_slow_evaluator(words: Vocabulary, part: int) -> None:
    async def first_difference() -> tuple[World, Verdict, Verdict] | None:
        count = _how_many() if words is KEYS else _how_many() // 5
        for maker in _makers(f"differences/{part}", count // PARTS, words):
            world = maker.make()
            slow, engine = judge(world), await answer_of(world)
            if _differ(slow, engine):
                return world, slow, engine
        return None

    found = asyncio.run(first_difference())
    assert found is None, _complaint(*found)


def test_worlds_by_chance_hold_enough_of_every_answer() -> None:
    """Or the other tests here would prove little."""
    worlds = [maker.make() for maker in _makers("shares", 2000)]
    verdicts = [judge(world) for world in worlds]
    shares = {key: count / len(worlds) for key, count in Counter(one.outcome for one in verdicts).items()}
    assert shares.keys() == {ALLOWED, EXPLICIT, GONE, IMPLICIT, NOT_ACROSS}
    assert shares[ALLOWED] > 0.2
    assert shares[EXPLICIT] > 0.05
    missing = Counter(kind for one in verdicts if one.outcome == IMPLICIT for kind in one.types)
    denying = Counter(kind for one in verdicts if one.outcome == EXPLICIT for kind in one.types)
    assert min(missing[kind] for kind in ("resource", "identity", "boundary", "session")) >= 10
    assert min(denying[kind] for kind in ("resource", "identity", "boundary", "session")) >= 5
    only_by_grant = [
        world | {"grants": []}
        for world, verdict in zip(worlds, verdicts, strict=True)
        if verdict.allowed and world["grants"]
    ]
    assert sum(not judge(world).allowed for world in only_by_grant) >= 20


# --- what must hold whatever a policy means


def _places(world: World) -> list[tuple[str, list[dict[str, Any]]]]:
    """Every list of statements that can take another one."""
    found = [("key", world["key"]["policy"])]
    if world["identity"] is not None:
        found += [("other", one) for one in world["identity"]["policies"]]
        if isinstance(world["identity"]["boundary"], dict):
            found.append(("other", world["identity"]["boundary"]))
    session = world["caller"].get("session")
    if session is not None:
        found += [("other", one) for one in session["policies"] + session["managed"] if one is not None]
    for _, document in found:
        document["Statement"] = as_list(document["Statement"])
    return [(kind, document["Statement"]) for kind, document in found]


def _with_another_statement(maker: WorldMaker, world: World, effect: str) -> World:
    grown = copy.deepcopy(world)
    kind, statements = maker.pick(_places(grown))
    if kind == "key":
        added = maker.key_statement(grown["caller"], effect)
        grown["key"]["bindings"] |= dict.fromkeys(maker.unbound_in(grown, added), grown["caller"]["id"])
    else:
        added = maker.identity_statement(effect)
    statements.insert(maker.pick(list(range(len(statements) + 1))), added)
    return grown


def test_engine_with_another_deny_never_allows_what_it_did_not() -> None:
    async def counter_examples() -> list[tuple[World, World]]:
        found = []
        for maker in _makers("another deny", _how_many() // 6):
            world = maker.make()
            grown = _with_another_statement(maker, world, "Deny")
            if (await answer_of(grown)).allowed and not (await answer_of(world)).allowed:
                found.append((world, grown))
        return found

    assert asyncio.run(counter_examples()) == []


def test_engine_with_another_allow_never_denies_what_it_allowed() -> None:
    async def counter_examples() -> list[tuple[World, World]]:
        found = []
        for maker in _makers("another allow", _how_many() // 6):
            world = maker.make()
            grown = _with_another_statement(maker, world, "Allow")
            if (await answer_of(world)).allowed and not (await answer_of(grown)).allowed:
                found.append((world, grown))
        return found

    assert asyncio.run(counter_examples()) == []


def _without_trust(world: World) -> World:
    """The world without every Allow of the key policy that names the caller's account."""
    bare = copy.deepcopy(world)
    document = bare["key"]["policy"]

    def trusts(statement: dict[str, Any]) -> bool:
        named = statement.get("Principal", {})
        entries = as_list(named.get("AWS", [])) if isinstance(named, dict) else []
        return any(names_how(one, bare["caller"], bare["key"]["bindings"]) == ACCOUNT for one in entries)

    document["Statement"] = [
        one for one in as_list(document["Statement"]) if one["Effect"] == "Deny" or not trusts(one)
    ]
    document["Statement"].append({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"})
    return bare


def test_engine_without_the_trust_of_the_account_gives_identity_policies_no_power() -> None:
    """Whatever they allow: the answer is the one without them, but for what they deny."""

    async def counter_examples() -> list[World]:
        found = []
        for maker in _makers("trust", _how_many() // 6):
            world = _without_trust(maker.make())
            if world["identity"] is None or world["caller"]["account"] != world["key"]["account"]:
                continue
            everything = {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
            }
            powerful = copy.deepcopy(world)
            powerful["identity"]["policies"].append(everything)
            if (await answer_of(powerful)).allowed != (await answer_of(world)).allowed:
                found.append(powerful)
        return found

    assert asyncio.run(counter_examples()) == []


_TYPES = {
    PolicyType.KEY: "resource",
    PolicyType.IDENTITY: "identity",
    PolicyType.BOUNDARY: "boundary",
    PolicyType.SESSION: "session",
}


def _what_is_wrong_with(explanation: Explanation, world: World) -> str | None:
    """Against what the slow evaluator finds: which types of policy deny, and whether a grant permits."""
    slow, explained = judge(world), verdict_of(explanation.decision)
    if _differ(slow, explained):
        return f"{explained}, not {slow}"
    if slow.outcome == EXPLICIT:
        denying = {
            _TYPES[policy.type]
            for policy in explanation.policies
            for statement in policy.statements
            if statement.denies and statement.applies
        }
        if denying != slow.types:
            return f"denied by {denying}, not {slow.types}"
    if slow.outcome not in {GONE, NOT_ACROSS}:
        permits = any(not grant.misses for grant in explanation.grants)
        if permits != a_grant_permits(world):
            return f"a grant permits: {permits}"
    if bool(explanation.decision.statements) != (slow.allowed or slow.outcome == EXPLICIT):
        return f"statements {explanation.decision.statements}"
    return None


def test_engine_that_explains_itself_finds_what_the_slow_evaluator_does() -> None:
    async def wrong_explanations() -> list[tuple[World, str]]:
        found = []
        for maker in _makers("explanations", _how_many() // 6):
            world = maker.make()
            prepared = Prepared(world)
            explanation = await prepared.explained_by(Authorizer(prepared.facts))
            if wrong := _what_is_wrong_with(explanation, world):
                found.append((world, wrong))
        return found

    assert asyncio.run(wrong_explanations()) == []


class _ChangingFacts:
    """The facts of whichever world is asked about, to an engine that lives through all of them.

    An identity that has not changed between two worlds is the same object, as the store hands it out.
    """

    def __init__(self) -> None:
        self.current: Prepared
        self._identities: dict[str, Identity] = {}

    async def find_identity(self, account_id: AccountId, unique_id: str) -> Identity | None:
        found = await self.current.facts.find_identity(account_id, unique_id)
        return None if found is None else self._identities.setdefault(repr(found), found)

    async def find_policy_text(self, arn: str) -> str | None:
        return await self.current.facts.find_policy_text(arn)

    async def list_grants_to(
        self, region: Region, key_id: KeyId, grantee_principal: str
    ) -> tuple[Grant, ...]:
        return tuple(await self.current.facts.list_grants_to(region, key_id, grantee_principal))


def test_engine_that_remembers_asked_twice_and_in_other_orders_answers_as_one_that_does_not() -> None:
    """All worlds share names, ids and the key's ARN: what is remembered of one must not leak into another.

    Worlds of the same key, caller and policies with other values, grants or boundaries are among them.
    """
    order = random.Random("order")

    async def wrong_answers() -> list[tuple[World, Verdict, Verdict]]:
        worlds: list[World] = []
        for maker in _makers("memory", _how_many() // 12):
            world = maker.make()
            worlds += [world, *maker.siblings(world)]
        expected = [await answer_of(world) for world in worlds]
        prepared = [Prepared(world) for world in worlds]
        facts = _ChangingFacts()
        authorizer = Authorizer(facts)
        found = []
        for _ in range(3):
            for index in order.sample(range(len(worlds)), len(worlds)):
                facts.current = prepared[index]
                answer = await prepared[index].answer_of(authorizer)
                if answer != expected[index]:
                    found.append((worlds[index], expected[index], answer))
        return found

    assert asyncio.run(wrong_answers()) == []
