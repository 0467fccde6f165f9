"""The written cases, each with its source in AWS's documents: first the slow evaluator, then the engine."""

from __future__ import annotations

import asyncio

import pytest
from tests.properties.policy_cases.case import Case
from tests.properties.policy_cases.classic_bugs import UNREADABLE_TEXTS
from tests.properties.policy_cases.engine import answer_of
from tests.properties.policy_cases.every_case import EVERY_CASE, WRITTEN_BY_HAND
from tests.properties.policy_cases.operator_matrix import MATRIX
from tests.properties.slow_evaluator.verdict import judge


def test_the_written_cases_are_as_many_as_they_should_be_and_differ() -> None:
    assert len(WRITTEN_BY_HAND) >= 1000
    names = [case.name for case in EVERY_CASE]
    assert len(names) == len(set(names))
    assert all(case.source.startswith(("IAM User Guide, ", "KMS ")) for case in EVERY_CASE)
    assert 0.3 < sum(case.allowed for case in EVERY_CASE) / len(EVERY_CASE) < 0.7


def test_every_written_case_is_what_the_slow_evaluator_says() -> None:
    wrong = [f"{case.name}: {case.expected}, not {judge(case.world)}" for case in EVERY_CASE
             if not case.fits(judge(case.world))]  # fmt: skip
    assert wrong == []


@pytest.mark.parametrize("case", WRITTEN_BY_HAND, ids=lambda case: case.name)
def test_written_case_as_the_engine_sees_it_comes_out_as_aws_says(case: Case) -> None:
    answer = asyncio.run(answer_of(case.world))
    assert case.fits(answer), f"{case.source}: {case.expected}"


@pytest.mark.parametrize("case", UNREADABLE_TEXTS, ids=lambda case: case.name)
def test_key_policy_that_should_never_have_been_stored_allows_nothing(case: Case) -> None:
    assert not asyncio.run(answer_of(case.world)).allowed


def test_matrix_of_operators_as_the_engine_sees_it_comes_out_as_aws_says() -> None:
    """1,900 cases in one test: each as one of its own would take longer to count than to run."""

    async def all_of_them() -> list[str]:
        return [
            f"{case.name}: {case.expected}, not {answer}"
            for case in MATRIX
            if not case.fits(answer := await answer_of(case.world))
        ]

    assert asyncio.run(all_of_them()) == []
