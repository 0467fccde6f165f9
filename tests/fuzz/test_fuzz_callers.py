"""Whatever is in a session token or in a service's headers, nothing but a refusal comes out."""

from __future__ import annotations

import zlib

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.unit.identity.sessions import role_session
from tests.unit.identity.signed_requests import Desk, result_of
from tests.unit.identity.test_session_token import DOCUMENT, packed

from strongroom.aws.errors import ApiError
from strongroom.identity.forwarding import (
    ACTING_FOR,
    ACTING_FOR_SESSION,
    SOURCE_ACCOUNT,
    SOURCE_ARN,
    parse_represented,
    parse_source,
)
from strongroom.identity.principal import PrincipalType
from strongroom.identity.session_token import TemporaryCredential, parse_session, render_session
from strongroom.identity.temporary_credentials import SessionTokenRefused, open_session_token

FUZZ = settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
MEMBERS = st.sampled_from(
    [*DOCUMENT, "policies", "policy_arns", "tags", "transitive_tags", "source_identity", "provider", "x"]
)
DESK = Desk(1795705200)
MADE = role_session(DESK)
VALUES = st.one_of(
    st.binary(max_size=60),
    st.lists(
        st.sampled_from(
            [b"111122223333", b"/", b":", b"AIDA", b"AROA", b"ASIA", b"X", b" ", b",", b"arn:", b"=", b"\xff"]
        ),
        max_size=7,
    ).map(b"".join),
)


def sound(credential: TemporaryCredential) -> None:
    """What is taken says who it is, and is the same when it is written and read again."""
    assert credential.kind in (PrincipalType.ROOT, PrincipalType.IAM_USER, PrincipalType.ASSUMED_ROLE)
    assert len(credential.account_id) == 12
    assert credential.session.expires_at > credential.session.issued_at
    assert parse_session(render_session(credential)) == credential


@FUZZ
@given(st.binary(max_size=200), st.booleans())
@example(b"\x01", False)
def test_session_of_any_bytes_is_refused(data: bytes, wrap: bool) -> None:
    try:
        sound(parse_session(b"\x01" + zlib.compress(data) if wrap else data))
    except ValueError:
        return


@FUZZ
@given(st.dictionaries(MEMBERS, JSON, max_size=4))
def test_session_of_any_json_is_sound_or_refused(changes: dict[str, object]) -> None:
    try:
        sound(parse_session(packed(msgspec.json.encode(DOCUMENT | changes))))
    except ValueError:
        return


@FUZZ
@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(0, 2), st.binary(max_size=2)), min_size=1, max_size=3
    )
)
def test_session_token_altered_anyhow_is_refused(edits: list[tuple[int, int, bytes]]) -> None:
    token = bytearray(MADE.session_token.encode())
    for place, cut, put in edits:
        at = place % len(token)
        token[at : at + cut] = put
    opening = open_session_token(DESK.signing_keys, MADE.access_key_id, bytes(token))
    try:
        result_of(opening)
    except SessionTokenRefused:
        return
    assert token.decode() == MADE.session_token


@FUZZ
@given(st.dictionaries(st.sampled_from([ACTING_FOR, ACTING_FOR_SESSION, SOURCE_ARN, SOURCE_ACCOUNT]), VALUES))
def test_forwarding_headers_of_any_kind_are_read_or_refused(headers: dict[bytes, bytes]) -> None:
    try:
        named = parse_represented(headers)
        parse_source(headers)
    except ApiError as error:
        refusal: ApiError | None = error
    else:
        refusal = None
    if refusal is not None:
        assert (refusal.code, refusal.status) == ("IncompleteSignatureException", 400)
        return
    if named is not None:
        spelled = f"{named.account_id}/{named.unique_id}"
        if named.session_name is not None:
            spelled += f":{named.session_name}"
        assert headers[ACTING_FOR].decode() == spelled
        assert (named.kind is PrincipalType.ASSUMED_ROLE) == (named.session_name is not None)
        assert named.session_token is not None or named.kind is not PrincipalType.ASSUMED_ROLE
