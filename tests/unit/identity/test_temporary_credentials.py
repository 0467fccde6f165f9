"""Temporary credentials as STS gets them: once, hidden from every repr, and only for their access key."""

from __future__ import annotations

import base64
import re
import string
from datetime import UTC, datetime, timedelta

import pytest
from tests.unit.identity.sessions import ROLE_ID, role_session, user_session
from tests.unit.identity.signed_requests import ACCOUNT, Desk, result_of

from strongroom.identity.principal import PrincipalType
from strongroom.identity.session_token import SessionTooLarge
from strongroom.identity.temporary_credentials import (
    TOKEN_CHARACTERS_MAX,
    SessionTokenRefused,
    TemporaryCredentials,
    make_temporary_credentials,
    open_session_token,
    packed_policy_size,
)
from strongroom.resources.iam import IdPrefix, new_unique_id
from strongroom.resources.identifiers import AccessKeyId

NOW = 1795705200.75
POLICY = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}]}'


def refused(desk: Desk, access_key_id: str, token: bytes) -> bool:
    with pytest.raises(SessionTokenRefused):
        result_of(open_session_token(desk.signing_keys, AccessKeyId(access_key_id), token))
    return True


def test_make_temporary_credentials_says_all_of_the_session() -> None:
    desk = Desk(NOW)
    made = role_session(
        desk,
        policies=(POLICY,),
        policy_arns=("arn:aws:iam::aws:policy/ReadOnlyAccess",),
        tags={"team": "Ärzte"},
        transitive_tag_keys=("team",),
        source_identity="alice",
        federated_provider="arn:aws:iam::111122223333:oidc-provider/example.com",
    )
    issued_at = datetime(2026, 11, 26, 15, 0, tzinfo=UTC)
    assert made.expiration == issued_at + timedelta(hours=1)
    assert re.fullmatch("ASIA[A-Z2-7]{16}", made.access_key_id)
    assert len(made.secret_access_key) == 40
    credential = result_of(
        open_session_token(desk.signing_keys, made.access_key_id, made.session_token.encode())
    )
    assert (credential.kind, credential.account_id, credential.unique_id) == (
        PrincipalType.ASSUMED_ROLE,
        ACCOUNT,
        ROLE_ID,
    )
    session = credential.session
    assert (session.issued_at, session.expires_at) == (issued_at, made.expiration)
    assert session.policies == (POLICY,)
    assert session.policy_arns == ("arn:aws:iam::aws:policy/ReadOnlyAccess",)
    assert session.tags == {"team": "Ärzte"}
    assert session.transitive_tag_keys == ("team",)
    assert (session.source_identity, session.session_name) == ("alice", "build-7")
    assert session.federated_provider == "arn:aws:iam::111122223333:oidc-provider/example.com"


def test_make_temporary_credentials_twice_has_nothing_in_common() -> None:
    desk = Desk(NOW)
    first, second = role_session(desk), role_session(desk)
    for name in ("access_key_id", "secret_access_key", "session_token"):
        assert getattr(first, name) != getattr(second, name)
    assert first.secret_access_key not in first.session_token
    assert first.secret_access_key.encode() not in base64.b64decode(first.session_token)


def test_temporary_credentials_show_no_secret_in_their_repr() -> None:
    made = role_session(Desk(NOW))
    for shown in (repr(made), str(made), f"{made}"):
        assert made.access_key_id in shown
        assert made.secret_access_key not in shown
        assert made.session_token not in shown


def test_open_session_token_of_another_access_key_or_server_is_refused() -> None:
    desk = Desk(NOW)
    made, other = role_session(desk), role_session(desk)
    token = made.session_token.encode()
    assert refused(desk, other.access_key_id, token)
    assert refused(desk, made.access_key_id.lower(), token)
    assert refused(Desk(NOW), made.access_key_id, token)


def test_open_session_token_altered_anywhere_is_refused() -> None:
    desk = Desk(NOW)
    made = user_session(desk)
    token = made.session_token.encode()
    for at in range(len(token)):
        for letter in (b"A", b"B"):
            if token[at : at + 1] != letter:
                assert refused(desk, made.access_key_id, token[:at] + letter + token[at + 1 :])
    for other in (b"", b"=", token[:-1], token + b"=", token + b"AAAA", b" " + token, token + b"\n"):
        assert refused(desk, made.access_key_id, other)


def test_open_session_token_in_another_spelling_of_base64_is_refused() -> None:
    """No two texts are the same token: what is remembered by its text is remembered once."""
    desk = Desk(NOW)
    for extra in range(3):  # until one ends with padding, whose idle bits could be anything
        made = role_session(desk, session_name="build" + "x" * extra)
        token = made.session_token
        assert refused(desk, made.access_key_id, token.rstrip("=").encode() + b"====")
        for letter in string.ascii_letters:
            other = token.rstrip("=")[:-1] + letter + "=" * token.count("=")
            if other != token:
                assert refused(desk, made.access_key_id, other.encode())


def test_open_session_token_too_long_to_be_one_asks_nobody() -> None:
    desk = Desk(NOW)
    assert refused(desk, "ASIAIOSFODNN7EXAMPLE", b"A" * (TOKEN_CHARACTERS_MAX + 4))
    assert desk.signing_keys.opened == 0


def test_open_session_token_that_is_a_ticket_of_another_purpose_is_refused() -> None:
    desk = Desk(NOW)
    ticket = result_of(desk.signing_keys.make_ticket("grant token", b"ASIAIOSFODNN7EXAMPLE", b"x"))
    assert refused(desk, "ASIAIOSFODNN7EXAMPLE", base64.b64encode(ticket))


def test_make_temporary_credentials_takes_the_largest_session_that_aws_takes_of_each_kind() -> None:
    """A session policy of 2048 characters that hardly packs, ten policy ARNs, fifty tags."""
    desk = Desk(NOW)
    policy = "".join(new_unique_id(IdPrefix.ROLE) for _ in range(97))[:2048]
    arns = tuple(f"arn:aws:iam::111122223333:policy/team/{new_unique_id(IdPrefix.POLICY)}" for _ in range(10))
    tags = {f"cost-center-{n}": new_unique_id(IdPrefix.USER) for n in range(50)}
    made = role_session(desk, policies=(policy,), policy_arns=arns, tags=tags)
    assert len(made.session_token) <= TOKEN_CHARACTERS_MAX
    assert made.packed_policy_size is not None
    assert 40 < made.packed_policy_size <= 100
    opened = result_of(open_session_token(desk.signing_keys, made.access_key_id, made.session_token.encode()))
    assert opened.session.policies == (policy,)
    assert opened.session.tags == tags


def test_make_temporary_credentials_of_more_than_fits_is_refused() -> None:
    desk = Desk(NOW)
    tags = {new_unique_id(IdPrefix.USER) * 6: new_unique_id(IdPrefix.USER) * 12 for _ in range(50)}
    scattered = {key: "".join(new_unique_id(IdPrefix.ROLE) for _ in range(12)) for key in tags}
    with pytest.raises(SessionTooLarge):
        role_session(desk, tags=scattered)
    with pytest.raises(SessionTooLarge):
        role_session(desk, tags={str(n): "x" * 250 for n in range(400)})


def test_make_temporary_credentials_fills_its_room_and_always_fits_a_token() -> None:
    """PACKED_BYTES_MAX leaves enough for everything else, at its longest."""
    desk = Desk(NOW)
    tags: dict[str, str] = {}
    made: TemporaryCredentials | None = None
    while True:
        tags[f"k{len(tags)}"] = "".join(new_unique_id(IdPrefix.ROLE) for _ in range(12))
        size = packed_policy_size((), (), tags)
        assert size is not None
        if size > 100:
            break
        made = role_session(
            desk,
            tags=dict(tags),
            session_name="s" * 64,
            source_identity=new_unique_id(IdPrefix.USER) * 3,
            federated_provider="arn:aws:iam::111122223333:oidc-provider/" + new_unique_id(IdPrefix.ROLE) * 10,
        )
    assert made is not None
    assert made.packed_policy_size is not None
    assert made.packed_policy_size > 90


def test_packed_policy_size_of_nothing_is_none() -> None:
    assert packed_policy_size((), (), {}) is None
    assert role_session(Desk(NOW)).packed_policy_size is None
    assert packed_policy_size((POLICY,), (), {}) == 3


def test_make_temporary_credentials_of_a_service_is_refused() -> None:
    desk = Desk(NOW)
    with pytest.raises(ValueError, match="not a session"):
        result_of(
            make_temporary_credentials(
                desk.signing_keys,
                desk.clock,
                kind=PrincipalType.AWS_SERVICE,
                account_id=ACCOUNT,
                unique_id="s3",
                duration_seconds=900,
            )
        )
