"""What a session token holds: the same comes out that went in, and nothing else is taken for one."""

from __future__ import annotations

import time
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.identity.sessions import ROLE_ID
from tests.unit.identity.signed_requests import ACCOUNT

from strongroom.identity.principal import PrincipalType, Session
from strongroom.identity.session_token import (
    TEXT_BYTES_MAX,
    SessionTooLarge,
    TemporaryCredential,
    parse_session,
    render_session,
)

ISSUED = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
SESSION = Session(ISSUED, ISSUED + timedelta(hours=1), session_name="build-7")
ROLE_SESSION = TemporaryCredential(PrincipalType.ASSUMED_ROLE, ACCOUNT, ROLE_ID, b"\x02token", SESSION)
DOCUMENT: dict[str, Any] = {
    "kind": "AssumedRole",
    "account": ACCOUNT,
    "id": ROLE_ID,
    "secret": "AnRva2Vu",
    "issued": 1795705200,
    "expires": 1795708800,
    "name": "build-7",
}
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def packed(document: Any) -> bytes:
    text = document if isinstance(document, bytes) else msgspec.json.encode(document)
    return b"\x01" + zlib.compress(text)


@settings(max_examples=200, deadline=None)
@given(
    session=st.builds(
        Session,
        issued_at=st.just(ISSUED),
        expires_at=st.integers(1, 10**8).map(lambda seconds: ISSUED + timedelta(seconds=seconds)),
        policies=st.lists(TEXTS, max_size=2).map(tuple),
        policy_arns=st.lists(TEXTS, max_size=10).map(tuple),
        tags=st.dictionaries(TEXTS, TEXTS, max_size=5),
        transitive_tag_keys=st.lists(TEXTS, max_size=3).map(tuple),
        source_identity=st.none() | TEXTS,
        federated_provider=st.none() | TEXTS,
        session_name=TEXTS.filter(bool),
    ),
    secret_token=st.binary(min_size=1, max_size=300),
)
def test_parse_session_gives_what_was_rendered(session: Session, secret_token: bytes) -> None:
    credential = replace(ROLE_SESSION, secret_token=secret_token, session=session)
    assert parse_session(render_session(credential)) == credential


@pytest.mark.parametrize(
    ("kind", "unique_id"),
    [
        pytest.param(PrincipalType.ROOT, ACCOUNT, id="root"),
        pytest.param(PrincipalType.IAM_USER, "AIDADBQP57FF2AEXAMPLE", id="user"),
    ],
)
def test_parse_session_of_a_root_or_user_has_no_session_name(kind: PrincipalType, unique_id: str) -> None:
    credential = TemporaryCredential(kind, ACCOUNT, unique_id, b"t", replace(SESSION, session_name=None))
    assert parse_session(render_session(credential)) == credential
    with pytest.raises(ValueError, match="not a session"):
        render_session(replace(credential, session=SESSION))


def test_parse_session_reads_the_documented_form() -> None:
    """docs/formats/session-token.md."""
    assert parse_session(packed(DOCUMENT)) == ROLE_SESSION


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"kind": "AWSService"}, id="kind"),
        pytest.param({"kind": "Root"}, id="root with a role's id"),
        pytest.param({"kind": "IAMUser"}, id="user with a role's id"),
        pytest.param({"id": "AIDADBQP57FF2AEXAMPLE"}, id="role with a user's id"),
        pytest.param({"id": ROLE_ID + "\n"}, id="line break after the id"),
        pytest.param({"id": ACCOUNT}, id="role with an account id"),
        pytest.param({"account": "1111222233"}, id="account"),
        pytest.param({"account": "١١١١٢٢٢٢٣٣٣٣"}, id="account in other digits"),
        pytest.param({"secret": ""}, id="no secret"),
        pytest.param({"secret": "*"}, id="secret not base64"),
        pytest.param({"expires": 1795705200}, id="no duration"),
        pytest.param({"expires": 0}, id="ends before it begins"),
        pytest.param({"expires": 253402300800}, id="year 10000"),
        pytest.param({"issued": -1}, id="before 1970"),
        pytest.param({"issued": "1795705200"}, id="instant as text"),
        pytest.param({"issued": 1.5}, id="fraction"),
        pytest.param({"name": ""}, id="empty name"),
        pytest.param({"name": None}, id="role without a name"),
        pytest.param({"tags": []}, id="tags"),
        pytest.param({"policies": [1]}, id="policies"),
        pytest.param({"admin": True}, id="unknown member"),
    ],
)
def test_parse_session_of_anything_else_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="not a session"):
        parse_session(packed(DOCUMENT | changes))


@pytest.mark.parametrize("member", [name for name in DOCUMENT if name != "name"])
def test_parse_session_without_a_member_is_refused(member: str) -> None:
    with pytest.raises(ValueError, match="not a session"):
        parse_session(packed({name: value for name, value in DOCUMENT.items() if name != member}))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x01", id="version alone"),
        pytest.param(b"\x02" + packed(DOCUMENT)[1:], id="another version"),
        pytest.param(b"\x01" + msgspec.json.encode(DOCUMENT), id="not compressed"),
        pytest.param(packed(DOCUMENT)[:-1], id="cut off"),
        pytest.param(packed(DOCUMENT) + b"\x00", id="more after it"),
        pytest.param(packed(DOCUMENT) + zlib.compress(b"x"), id="a second stream"),
        pytest.param(packed(b"[" * 60_000), id="deep"),
        pytest.param(packed(b"\xff"), id="not UTF-8"),
        pytest.param(packed(b"null"), id="null"),
    ],
)
def test_parse_session_of_other_bytes_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="session token"):
        parse_session(data)


def test_parse_session_of_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = b"\x01" + zlib.compress(bytes(200 << 20), 9)
    began = time.process_time()
    with pytest.raises(ValueError, match="not a session token"):
        parse_session(bomb)
    assert time.process_time() - began < 0.1  # to unpack it takes longer


def test_render_session_that_says_too_much_is_refused() -> None:
    tags = {str(n): "x" * 100 for n in range(TEXT_BYTES_MAX // 100)}
    with pytest.raises(SessionTooLarge):
        render_session(replace(ROLE_SESSION, session=replace(SESSION, tags=tags)))


def test_render_session_of_a_service_is_refused() -> None:
    with pytest.raises(ValueError, match="not a session"):
        render_session(replace(ROLE_SESSION, kind=PrincipalType.AWS_SERVICE))


def test_credential_shows_no_secret_token_in_its_repr() -> None:
    assert "token" not in repr(ROLE_SESSION).replace("secret_token", "")
