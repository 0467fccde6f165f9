"""The sentences about grants that were seen in answers of AWS, letter by letter."""

from __future__ import annotations

import inspect

import pytest

from strongroom.aws import grant_refusals
from strongroom.aws.errors import ApiError

ALICE = "arn:aws:iam::111122223333:user/alice"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (
            grant_refusals.invalid_principal(ALICE),
            "InvalidArnException",
            f"ARN does not refer to a valid principal: {ALICE}",
        ),
        (
            grant_refusals.only_create_grant(),
            "ValidationException",
            "Grants must not contain only the CreateGrant operation.",
        ),
        (
            grant_refusals.more_than_one_constraint(),
            "ValidationException",
            "More than one constraint supplied",
        ),
    ],
)
def test_refusal_seen_from_aws_is_said_letter_by_letter(error: ApiError, code: str, message: str) -> None:
    """Source: the tags in aws/grant_refusals.py; [GH] only."""
    assert (error.code, error.message, error.status) == (code, message, 400)


def test_grant_refusals_are_all_client_errors_and_say_what_they_are_for() -> None:
    found = {
        name: make
        for name, make in vars(grant_refusals).items()
        if inspect.isfunction(make) and not name.startswith("_")
    }
    assert len(found) > 10
    for name, make in found.items():
        error = make(*("x" for _ in inspect.signature(make).parameters))
        assert isinstance(error, ApiError)
        assert error.status == 400, name
        assert make.__doc__, name
