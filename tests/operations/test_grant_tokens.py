"""Grant tokens: what requests carry them, and that none can be made or changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.operations.road_requests import (
    ABSENT_KEY_ID,
    OTHER_REGION,
    STRANGER,
    TEXT,
    encoded,
    refused,
)
from tests.support.road import ACCOUNT, REGION, Refusal, Road

from strongroom.operations.context import Call
from strongroom.operations.grant_tokens import read_grant_tokens
from strongroom.operations.table import KMS_OPERATIONS
from strongroom.operations.tickets import parse_base64, render_base64
from strongroom.resources.identifiers import Region

INVALID = (
    "InvalidGrantTokenException",
    "The request was rejected because the specified grant token is not valid.",
)
TO_ALICE: dict[str, Any] = {
    "GranteePrincipal": f"arn:aws:iam::{ACCOUNT}:user/alice",
    "Operations": ["Encrypt", "DescribeKey"],
}
WITH_TOKENS: dict[str, dict[str, Any]] = {
    "Encrypt": {"Plaintext": TEXT},
    "Decrypt": {"CiphertextBlob": encoded(b"x")},
    "ReEncrypt": {"CiphertextBlob": encoded(b"x"), "DestinationKeyId": ABSENT_KEY_ID},
    "GenerateDataKey": {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": {"KeySpec": "AES_256"},
    "DescribeKey": {},
    "CreateGrant": TO_ALICE,
}


@pytest.fixture(scope="module")
def key_id(road: Road) -> str:
    return str(road.create_key()["KeyId"])


@pytest.fixture(scope="module")
def token(road: Road, key_id: str) -> str:
    return str(road.call("CreateGrant", KeyId=key_id, **TO_ALICE)["GrantToken"])


def describe(road: Road, key_id: str, *tokens: str, **members: Any) -> None:
    road.call("DescribeKey", KeyId=key_id, GrantTokens=list(tokens), **members)


def test_operations_above_are_among_those_that_take_tokens() -> None:
    taking = {n for n, op in KMS_OPERATIONS.items() if "grant_tokens" in op.input.__struct_fields__}
    assert taking >= WITH_TOKENS.keys()


@pytest.mark.parametrize("operation", sorted(WITH_TOKENS))
def test_token_that_no_grant_gave_is_refused_before_the_key_is_looked_up(road: Road, operation: str) -> None:
    member = "SourceKeyId" if operation == "ReEncrypt" else "KeyId"
    members = {**WITH_TOKENS[operation], member: ABSENT_KEY_ID}
    assert refused(road, operation, GrantTokens=["t"], **members) == INVALID
    assert refused(road, operation, GrantTokens=[], **members)[0] == "NotFoundException"


def test_token_is_taken_by_any_caller_and_for_any_key(road: Road, key_id: str, token: str) -> None:
    """It names a grant and gives nothing else."""
    describe(road, key_id, token)
    describe(road, road.create_key()["KeyId"], token, token)
    theirs = road.create_key(account=STRANGER)["KeyId"]
    describe(road, theirs, token, account=STRANGER)


def test_token_of_a_grant_that_is_gone_is_no_error(road: Road) -> None:
    key_id = road.create_key()["KeyId"]
    made = road.call("CreateGrant", KeyId=key_id, **TO_ALICE)
    road.call("RevokeGrant", KeyId=key_id, GrantId=made["GrantId"])
    describe(road, key_id, made["GrantToken"])
    assert road.call("Encrypt", KeyId=key_id, Plaintext=TEXT, GrantTokens=[made["GrantToken"]])


def test_token_of_another_region_is_refused(road: Road, token: str) -> None:
    key_id = road.create_key(region=OTHER_REGION)["KeyId"]
    members = {"KeyId": key_id, "GrantTokens": [token]}
    assert refused(road, "DescribeKey", region=OTHER_REGION, **members) == INVALID


def test_one_bad_token_among_good_ones_is_refused(road: Road, key_id: str, token: str) -> None:
    for tokens in ([token, "t"], ["t", token], [token] * 9 + [token[:-4]]):
        assert refused(road, "DescribeKey", KeyId=key_id, GrantTokens=tokens) == INVALID
    describe(road, key_id, *[token] * 10)
    code, _ = refused(road, "DescribeKey", KeyId=key_id, GrantTokens=[token] * 11)
    assert code == "ValidationException"


def test_token_still_works_after_a_restart_of_the_boundary(own_road: Road) -> None:
    key_id = own_road.create_key()["KeyId"]
    made = own_road.call("CreateGrant", KeyId=key_id, **TO_ALICE)
    own_road.restart_boundary()
    describe(own_road, key_id, made["GrantToken"])
    own_road.call("RetireGrant", GrantToken=made["GrantToken"])


def test_token_is_of_the_length_and_letters_of_aws_and_never_the_same(road: Road, key_id: str) -> None:
    tokens = {road.call("CreateGrant", KeyId=key_id, Name="n", **TO_ALICE)["GrantToken"] for _ in range(20)}
    assert len(tokens) == 20
    for token in tokens:
        assert 1 <= len(token) <= 8192
        assert key_id.encode() not in parse_base64(token)


def test_token_with_any_bit_flipped_is_refused(road: Road, key_id: str, token: str) -> None:
    ticket = parse_base64(token)
    for bit in range(len(ticket) * 8):
        flipped = bytearray(ticket)
        flipped[bit // 8] ^= 1 << bit % 8
        altered = render_base64(bytes(flipped))
        assert refused(road, "DescribeKey", KeyId=key_id, GrantTokens=[altered]) == INVALID
    for altered in (
        token[:-1],
        token + "=",
        token + "AAAA",
        token + "\n",
        " " + token,
        token.rstrip("=") + "===",
    ):
        assert refused(road, "DescribeKey", KeyId=key_id, GrantTokens=[altered]) == INVALID
        assert refused(road, "RetireGrant", GrantToken=altered) == INVALID


def test_token_with_any_letter_changed_is_refused(road: Road, key_id: str, token: str) -> None:
    for position in range(len(token)):
        for letter in ("A", "b", "/", "=", "é"):
            altered = token[:position] + letter + token[position + 1 :]
            if altered != token:
                assert refused(road, "DescribeKey", KeyId=key_id, GrantTokens=[altered]) == INVALID


def test_marker_is_no_token_and_token_no_marker(road: Road, key_id: str, token: str) -> None:
    for _ in range(2):
        road.call("CreateGrant", KeyId=key_id, **TO_ALICE)
    marker = road.call("ListGrants", KeyId=key_id, Limit=1)["NextMarker"]
    as_token = render_base64(parse_base64(marker, b"-_"))
    assert refused(road, "DescribeKey", KeyId=key_id, GrantTokens=[as_token]) == INVALID
    as_marker = render_base64(parse_base64(token), b"-_")
    code, _ = refused(road, "ListGrants", KeyId=key_id, Marker=as_marker)
    assert code == "InvalidMarkerException"


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(forged=st.binary(max_size=300).map(render_base64) | st.text(min_size=1, max_size=300))
def test_token_of_any_other_text_is_refused(road: Road, key_id: str, forged: str) -> None:
    if not forged:
        return
    for operation, members in (
        ("DescribeKey", {"KeyId": key_id, "GrantTokens": [forged]}),
        ("RetireGrant", {"GrantToken": forged}),
    ):
        code, _ = refused(road, operation, **members)
        assert code in ("InvalidGrantTokenException", "SerializationException")


def test_verified_tokens_name_their_grants_to_the_call(road: Road) -> None:
    """What the authorization of a request with tokens begins with."""
    key_id = road.create_key()["KeyId"]
    made = [road.call("CreateGrant", KeyId=key_id, **TO_ALICE) for _ in range(2)]
    tokens = [grant["GrantToken"] for grant in made]
    named = road.wait(read_grant_tokens(road.boundary, tokens, Region(REGION)))
    assert [(grant.account_id, grant.region, grant.key_id, grant.grant_id) for grant in named] == [
        (ACCOUNT, REGION, key_id, grant["GrantId"]) for grant in made
    ]
    assert "grant_tokens" in Call.__dataclass_fields__


def test_create_grant_without_a_boundary_makes_no_grant_that_nobody_knows_of(own_road: Road) -> None:
    key_id = own_road.create_key()["KeyId"]
    own_road.running_boundary.kill()
    with pytest.raises(Refusal) as caught:
        own_road.call("CreateGrant", KeyId=key_id, **TO_ALICE)
    assert (caught.value.code, caught.value.status) == ("KMSInternalException", 500)
    own_road.restart_boundary()
    assert own_road.call("ListGrants", KeyId=key_id)["Grants"] == []
    own_road.call("CreateGrant", KeyId=key_id, **TO_ALICE)
