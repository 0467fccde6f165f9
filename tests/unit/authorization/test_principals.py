"""Whom a statement is about. Source: IAM User Guide, "Principal" and "NotPrincipal"."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.authorization.policies import OTHER, OWNER, policy, root, root_arn, statement

from strongroom.authorization.policy_parser import parse_document
from strongroom.authorization.principals import Caller, PrincipalMatch, caller_of
from strongroom.authorization.statements import compile_policy
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType, Session
from strongroom.resources.identifiers import AccessKeyId, AccountId

USER = f"arn:aws:iam::{OWNER}:user/division/alice"
ROLE = f"arn:aws:iam::{OWNER}:role/path/app"
SESSION = f"arn:aws:sts::{OWNER}:assumed-role/app/web-1"
OTHER_SESSION = f"arn:aws:sts::{OWNER}:assumed-role/app/web-2"
PROVIDER = f"arn:aws:iam::{OWNER}:oidc-provider/token.example"
ALICE_ID = "AIDAALICEALICEALICE1"
APP_ID = "AROAAPPAPPAPPAPPAPP1"
BOUND = {USER: ALICE_ID, ROLE: APP_ID, SESSION: APP_ID}


def principal(kind: PrincipalType, arn: str, unique_id: str, session: Session | None = None) -> Caller:
    return caller_of(
        AuthenticatedPrincipal(
            kind, AccountId(OWNER), arn, unique_id, AccessKeyId("AKIAIOSFODNN7EXAMPLE"), unique_id, session
        )
    )


ALICE = principal(PrincipalType.IAM_USER, USER, ALICE_ID)
NEW_ALICE = principal(PrincipalType.IAM_USER, USER, "AIDAALICEALICEALICE2")
APP = principal(PrincipalType.ASSUMED_ROLE, SESSION, APP_ID)
NEW_APP = principal(PrincipalType.ASSUMED_ROLE, SESSION, "AROAAPPAPPAPPAPPAPP2")
ROOT = caller_of(root(OWNER))
STRANGER = caller_of(root(OTHER))
S3 = caller_of(
    AuthenticatedPrincipal(
        PrincipalType.AWS_SERVICE, AccountId(""), "s3.amazonaws.com", "", AccessKeyId("AKIAIOSFODNN7EXAMPLE")
    )
)
CALLERS = {
    "root": ROOT,
    "alice": ALICE,
    "new-alice": NEW_ALICE,
    "app": APP,
    "new-app": NEW_APP,
    "s3": S3,
    "stranger": STRANGER,
}


def match(value: Any, caller: Caller, element: str = "Principal", bound: dict[str, str] = BOUND) -> str:
    effect = "Allow" if element == "Principal" else "Deny"
    document = parse_document(policy(statement(effect, **{element: value})))
    return compile_policy(document, bound).statements[0].principal_match(caller).name


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("*", dict.fromkeys(CALLERS, "ANYONE"), id="everyone"),
        pytest.param({"AWS": "*"}, dict.fromkeys(CALLERS, "ANYONE"), id="everyone-AWS"),
        pytest.param(
            {"AWS": OWNER},
            dict.fromkeys(("root", "alice", "new-alice", "app", "new-app"), "ACCOUNT"),
            id="account-number",
        ),
        pytest.param(
            {"AWS": root_arn(OWNER)},
            dict.fromkeys(("root", "alice", "new-alice", "app", "new-app"), "ACCOUNT"),
            id="account-root",
        ),
        pytest.param({"AWS": root_arn(OWNER).replace("aws", "aws-cn")}, {}, id="other-partition"),
        pytest.param({"AWS": USER}, {"alice": "USER"}, id="user-not-one-made-again"),
        pytest.param({"AWS": ALICE_ID}, {"alice": "USER"}, id="user-by-unique-id"),
        pytest.param({"AWS": ROLE}, {"app": "ROLE"}, id="role-has-its-sessions"),
        pytest.param({"AWS": APP_ID}, {"app": "ROLE"}, id="role-by-unique-id"),
        pytest.param({"AWS": SESSION}, {"app": "SESSION"}, id="session"),
        pytest.param({"AWS": OTHER_SESSION}, {}, id="another-session"),
        pytest.param({"AWS": f"arn:aws:iam::{OWNER}:user/division/alic"}, {}, id="moto-substring-of-a-user"),
        pytest.param({"AWS": f"arn:aws:iam::{OWNER}:user/alice"}, {}, id="path-counts"),
        pytest.param({"Service": "s3.amazonaws.com"}, {"s3": "SERVICE"}, id="service"),
        pytest.param({"Service": ["sns.amazonaws.com"]}, {}, id="another-service"),
        pytest.param(
            {"Federated": [OWNER, USER, "s3.amazonaws.com"]}, {}, id="federated-names-no-other-kind"
        ),
        pytest.param({"CanonicalUser": OWNER}, {}, id="canonical-names-no-other-kind"),
        pytest.param({"AWS": [OWNER, USER, SESSION, ROLE]}, None, id="strongest-name-counts"),
    ],
)
def test_principal_names_the_right_callers(value: Any, expected: dict[str, str] | None) -> None:
    if expected is None:
        assert (match(value, ALICE), match(value, APP), match(value, NEW_APP)) == (
            "USER",
            "SESSION",
            "ACCOUNT",
        )
        return
    assert {name: match(value, caller) for name, caller in CALLERS.items()} == (
        dict.fromkeys(CALLERS, "NONE") | expected
    )


def test_principal_unbound_arn_means_nobody() -> None:
    for arn in (USER, ROLE, SESSION):
        for caller in CALLERS.values():
            assert match({"AWS": arn}, caller, bound={}) == "NONE"
            assert match({"AWS": arn}, caller, bound={arn: ""}) == "NONE"


def test_principal_role_bound_to_a_user_id_is_not_taken_for_a_session() -> None:
    assert match({"AWS": SESSION}, ALICE, bound={SESSION: ALICE_ID}) == "NONE"


def test_principal_web_identity_is_named_by_its_provider() -> None:
    """Source: "OIDC session principals"."""
    web = Session(None, None, federated_provider=PROVIDER)  # type: ignore[arg-type]
    asking = principal(PrincipalType.ASSUMED_ROLE, "token.example:subject", "", web)
    named = {"Federated": PROVIDER}
    assert match(named, asking) == "FEDERATED"
    assert match(named, APP) == "NONE"
    assert match({"Federated": PROVIDER + "2"}, asking) == "NONE"
    assert match({"AWS": PROVIDER.replace("oidc-provider", "role")}, asking) == "NONE"
    assert match(named, asking, "NotPrincipal") == "NONE"


@pytest.mark.parametrize(
    ("value", "left_out"),
    [
        pytest.param("*", set(CALLERS), id="everyone"),
        pytest.param({"AWS": OWNER}, {"root"}, id="account-leaves-out-its-root-only"),
        pytest.param({"AWS": USER}, set(), id="user-without-its-account"),
        pytest.param({"AWS": [USER, OWNER]}, {"root", "alice"}, id="user-and-account"),
        pytest.param({"AWS": [USER, root_arn(OWNER)]}, {"root", "alice"}, id="user-and-root"),
        pytest.param({"AWS": [ROLE, OWNER]}, {"root"}, id="role-without-its-session"),
        pytest.param({"AWS": [SESSION, OWNER]}, {"root"}, id="session-without-its-role"),
        pytest.param({"AWS": [SESSION, ROLE, OWNER]}, {"root", "app"}, id="session-role-and-account"),
        pytest.param({"Service": "s3.amazonaws.com"}, {"s3"}, id="service"),
        pytest.param({"AWS": OTHER}, {"stranger"}, id="another-account"),
    ],
)
def test_not_principal_leaves_out_who_is_listed_wholly(value: Any, left_out: set[str]) -> None:
    """Source: "NotPrincipal": "include the ARN for a user's account, or include both the ARN for a role and
    the ARN for the account"; the guide's example lists a session's, its role's and its account's."""
    assert {name for name, one in CALLERS.items() if match(value, one, "NotPrincipal") == "NONE"} == left_out
    assert {match(value, one, "NotPrincipal") for one in CALLERS.values()} <= {"NONE", "ANYONE"}


def test_caller_of_keeps_texts_apart() -> None:
    assert (APP.unique_id, APP.session_name, APP.service) == (APP_ID, "web-1", "")
    assert (ROOT.unique_id, ROOT.root_arn) == ("", root_arn(OWNER))
    assert (S3.service, S3.account_id, S3.root_arn) == ("s3.amazonaws.com", "", "")


def test_identity_policy_statement_is_about_whom_it_is_attached_to() -> None:
    from tests.unit.authorization.requests import only

    assert only().principal_match(ALICE) is PrincipalMatch.ANYONE
