"""The strict authenticator and temporary credentials: who they stand for, and when they stop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.credentials import Credentials
from tests.unit.identity.sessions import (
    HOUR,
    ROLE,
    ROLE_ID,
    credentials_of,
    role_session,
    root_session,
    sign_with,
    user_session,
)
from tests.unit.identity.signed_requests import (
    ACCESS_KEY_ID,
    ACCOUNT,
    ALICE,
    SECRET,
    Desk,
    FixedClock,
    header,
    identity,
    refusal_of,
    replace,
    sign,
    signed_at,
    with_header,
)

from strongroom.aws.signature_refusals import as_query_error
from strongroom.identity.authenticate import StrictAuthenticator
from strongroom.identity.http_request import HttpRequest
from strongroom.identity.principal import PrincipalType
from strongroom.identity.temporary_credentials import TemporaryCredentials
from strongroom.resources.iam import EntityKind
from strongroom.resources.identifiers import AccountId

INVALID = ("UnrecognizedClientException", "The security token included in the request is invalid")
UNKNOWN = ("UnrecognizedClientException", "The security token included in the request is invalid.")
EXPIRED = ("ExpiredTokenException", "The security token included in the request is expired")
MISMATCH = "InvalidSignatureException"


def desk_now() -> Desk:
    """A desk whose clock stands at the present, which botocore signs for; it knows alice and ROLE."""
    desk = Desk(signed_at(sign()))
    desk.access_keys.put(ROLE)
    return desk


def refused(desk: Desk, request: HttpRequest) -> tuple[str, str | None]:
    error = refusal_of(desk, request)
    assert error.status == 400
    return error.code, error.message


def with_token(made: TemporaryCredentials, token: str | None) -> Credentials:
    return Credentials(made.access_key_id, made.secret_access_key, token)


def test_authenticate_role_session_is_the_assumed_role() -> None:
    desk = desk_now()
    made = role_session(desk, tags={"team": "blue"}, source_identity="alice")
    for region, partition in (("eu-central-1", "aws"), ("cn-north-1", "aws-cn")):
        request = sign_with(made, region=region)
        for _ in range(2):
            principal = desk.authenticate(request).principal
            assert principal.type is PrincipalType.ASSUMED_ROLE
            assert principal.arn == f"arn:{partition}:sts::{ACCOUNT}:assumed-role/Deploy/build-7"
            assert principal.role_arn == f"arn:{partition}:iam::{ACCOUNT}:role/ci/Deploy"
            assert principal.principal_id == f"{ROLE_ID}:build-7"
            assert (principal.unique_id, principal.account_id) == (ROLE_ID, ACCOUNT)
            assert principal.access_key_id == made.access_key_id
            assert principal.session is not None
            assert principal.session.tags == {"team": "blue"}
            assert principal.session.source_identity == "alice"
            assert principal.session.expires_at == made.expiration


def test_authenticate_user_and_root_sessions_are_who_asked_for_them() -> None:
    desk = desk_now()
    made = user_session(desk)
    user = desk.authenticate(sign_with(made)).principal
    assert user.type is PrincipalType.IAM_USER
    assert user.arn == f"arn:aws:iam::{ACCOUNT}:user/alice"
    assert (user.principal_id, user.unique_id) == (ALICE.unique_id, ALICE.unique_id)
    assert (user.access_key_id, user.role_arn) == (made.access_key_id, "")
    assert user.session is not None
    root = desk.authenticate(sign_with(root_session(desk))).principal
    assert root.type is PrincipalType.ROOT
    assert root.arn == f"arn:aws:iam::{ACCOUNT}:root"
    assert root.unique_id == root.principal_id == ACCOUNT
    assert root.session is not None


def test_authenticate_repeat_session_opens_its_token_once_and_answers_the_same() -> None:
    desk = desk_now()
    made = role_session(desk)
    answers = [desk.authenticate(sign_with(made, body=b"%d" % n)) for n in range(5)]
    assert all(answer is answers[0] for answer in answers)
    assert desk.signing_keys.opened == 1
    assert len(desk.signing_keys.derived) == 1
    assert desk.access_keys.asked == []


def test_authenticate_presigned_session_is_taken_and_bound_to_its_token() -> None:
    desk = desk_now()
    made, other = role_session(desk), role_session(desk)
    request = sign(
        b"", (), method="GET", url="https://h/?Action=A", service="sts",
        credentials=credentials_of(made), presigned_seconds=60,
    )  # fmt: skip
    assert desk.authenticate(request).principal.unique_id == ROLE_ID
    path, _, query = request.target.partition(b"?")
    parts = query.split(b"&")
    without = [part for part in parts if not part.startswith(b"X-Amz-Security-Token")]
    assert len(without) == len(parts) - 1
    assert refused(desk, replace(request, target=path + b"?" + b"&".join(without))) == UNKNOWN
    twice = with_header(request, b"x-amz-security-token", other.session_token.encode())
    assert refused(desk, twice)[0] == MISMATCH


def test_refusal_of_a_session_without_its_token() -> None:
    desk = desk_now()
    made = role_session(desk)
    assert refused(desk, sign(credentials=with_token(made, None))) == UNKNOWN
    good = sign_with(made)
    desk.authenticate(good)
    assert refused(desk, with_header(good, b"x-amz-security-token", None))[0] in (MISMATCH, UNKNOWN[0])


def test_refusal_of_a_stolen_token_with_another_key() -> None:
    """A token is of no use without the secret that belongs to it."""
    desk = desk_now()
    victim, thief = role_session(desk), role_session(desk)
    for made in (victim, thief):
        desk.authenticate(sign_with(made))  # both are known
    stolen = victim.session_token
    assert refused(desk, sign(credentials=with_token(thief, stolen))) == INVALID
    long_term = Credentials(ACCESS_KEY_ID, SECRET, stolen)
    assert refused(desk, sign(credentials=long_term)) == INVALID
    guessed = Credentials(victim.access_key_id, thief.secret_access_key, stolen)
    assert refused(desk, sign(credentials=guessed))[0] == MISMATCH
    swapped = with_header(sign_with(thief), b"x-amz-security-token", stolen.encode())
    assert refused(desk, swapped) == INVALID


def test_refusal_of_a_token_of_another_server() -> None:
    desk, other = desk_now(), desk_now()
    request = sign_with(role_session(other))
    other.authenticate(request)
    assert refused(desk, request) == INVALID
    assert not desk.authenticator._scopes


def test_refusal_of_a_token_that_is_not_signed() -> None:
    desk = desk_now()
    made = role_session(desk)
    unsigned = with_header(
        sign(credentials=with_token(made, None)), b"x-amz-security-token", made.session_token.encode()
    )
    for _ in range(2):
        assert refused(desk, unsigned) == (
            MISMATCH,
            "'X-Amz-Security-Token' must be a 'SignedHeader' in the AWS Authorization.",
        )
        desk.authenticate(sign_with(made))


def test_refusal_of_a_token_altered_at_any_character_short_and_long() -> None:
    """INVARIANT I2: a caller that is known is judged as a new one."""
    known = desk_now()
    request = sign_with(role_session(known))
    known.authenticate(request)
    token = header(request, b"x-amz-security-token")
    for at in range(len(token)):
        letter = b"A" if token[at : at + 1] != b"A" else b"B"
        changed = with_header(request, b"x-amz-security-token", token[:at] + letter + token[at + 1 :])
        assert refused(known, changed) == INVALID
    for other in (b"", token[:-1], token + b"A", token + b",", b"x"):
        assert refused(known, with_header(request, b"x-amz-security-token", other)) == INVALID
    known.authenticate(request)


def test_refusal_of_a_session_whose_time_is_over_by_the_services_clock() -> None:
    """The skew of signatures is the host's; the end of a session can be tried by moving the service's."""
    desk = desk_now()
    service_clock = FixedClock(desk.clock.at)
    strict = StrictAuthenticator(desk.access_keys, desk.signing_keys, desk.clock, service_clock=service_clock)
    desk.authenticator = strict
    made = role_session(desk, service_clock)
    request = sign_with(made)
    short = sign_with(made, body=b"2")
    desk.authenticate(request)
    service_clock.at = made.expiration.timestamp() - 0.001
    desk.authenticate(short)
    service_clock.at = made.expiration.timestamp()
    for late in (request, short):
        assert refused(desk, late) == EXPIRED
    fresh = StrictAuthenticator(desk.access_keys, desk.signing_keys, desk.clock, service_clock=service_clock)
    error = refusal_of(fresh, request)
    assert (error.code, error.message) == EXPIRED
    query = as_query_error(error, False)
    assert (query.code, query.status) == ("ExpiredToken", 403)
    forged = replace(request, body=b"forged")  # whoever cannot sign learns nothing of the session
    assert refused(desk, forged)[0] == MISMATCH
    service_clock.at -= 1
    desk.authenticate(request)


def test_refusal_of_a_session_of_a_role_or_user_that_is_gone() -> None:
    """INVARIANT I6: at once, however well it is known."""
    desk = desk_now()
    for made, one in ((role_session(desk), ROLE), (user_session(desk), ALICE)):
        request = sign_with(made)
        desk.authenticate(request)
        del desk.access_keys.identities[one.account_id, one.unique_id]
        assert refused(desk, request) == UNKNOWN
        again = identity(one.name, one.unique_id[:-1] + "Z", one.kind, one.path)
        desk.access_keys.put(again)  # the same name, made anew: somebody else
        assert refused(desk, request) == UNKNOWN
        desk.access_keys.put(one)
        desk.authenticate(request)


def test_refusal_of_a_session_whose_id_is_of_another_kind_or_account() -> None:
    desk = desk_now()
    request = sign_with(role_session(desk))
    desk.authenticate(request)
    desk.access_keys.put(identity("Deploy", ROLE_ID, EntityKind.USER))
    assert refused(desk, request) == UNKNOWN
    elsewhere = role_session(desk, account_id=AccountId("999999999999"))
    assert refused(desk, sign_with(elsewhere)) == UNKNOWN


def test_authenticate_renamed_user_is_called_by_the_present_name() -> None:
    desk = desk_now()
    long_term, session = sign(), sign_with(user_session(desk))
    first = [desk.authenticate(request) for request in (long_term, session)]
    desk.access_keys.put(identity("alicia", ALICE.unique_id, path="/staff/"))
    for request, before in zip((long_term, session), first, strict=True):
        for _ in range(2):
            now = desk.authenticate(request)
            assert now.principal.arn == f"arn:aws:iam::{ACCOUNT}:user/staff/alicia"
            assert now.principal.unique_id == before.principal.unique_id
    desk.access_keys.put(ALICE)
    assert desk.authenticate(long_term).principal.arn.endswith("user/alice")


def test_authenticate_identity_changed_otherwise_keeps_its_answer() -> None:
    """What is kept for the same caller (records, decisions) need not be made anew for a new tag."""
    desk = desk_now()
    request = sign()
    before = desk.authenticate(request)
    desk.access_keys.put(identity("alice", ALICE.unique_id))
    assert desk.authenticate(request) is before


def test_refusal_of_a_long_term_key_of_a_user_that_is_gone() -> None:
    desk = desk_now()
    request = sign()
    desk.authenticate(request)
    del desk.access_keys.identities[ACCOUNT, ALICE.unique_id]
    assert refused(desk, request) == UNKNOWN
    assert refused(desk, replace(request, body=b"forged"))[0] == MISMATCH


def test_refusal_of_tokens_leaves_nothing_in_memory() -> None:
    """INVARIANT I5: only what carried a good signature is remembered."""
    desk = desk_now()
    made = role_session(desk)
    for n in range(1, 20):
        wrong = Credentials(made.access_key_id, "wrong", made.session_token)
        assert refused(desk, sign(credentials=wrong, region=f"us-east-{n}"))[0] == MISMATCH
    assert not desk.authenticator._scopes
    assert not desk.authenticator._prefixes


def test_session_in_memory_tells_no_token_by_its_repr() -> None:
    desk = desk_now()
    made = role_session(desk)
    desk.authenticate(sign_with(made))
    shown = repr(desk.authenticator._scopes.values()) + repr(desk.authenticator._prefixes)
    assert made.session_token not in shown
    assert made.secret_access_key not in shown
    assert "token of" not in shown


@pytest.mark.parametrize("seconds", [900, HOUR, 36 * HOUR])
def test_make_temporary_credentials_ends_when_it_says(seconds: int) -> None:
    desk = desk_now()
    made = role_session(desk, duration_seconds=seconds)
    session = desk.authenticate(sign_with(made)).principal.session
    assert session is not None
    assert session.expires_at - session.issued_at == timedelta(seconds=seconds)
    assert session.expires_at == made.expiration
