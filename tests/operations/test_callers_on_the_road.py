"""Users, roles and services on the road, with the real store: what they may, also right after a change."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operations.road_callers import (
    NUMBERS,
    PLAINTEXT,
    ROOT,
    Person,
    allowing,
    document,
    new_key,
    new_session,
    new_user,
    trusting,
)
from tests.operations.road_requests import refused
from tests.support.road import ACCOUNT, Road

from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.operations.rules import Rules
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region

INVALID_PRINCIPALS = (
    "MalformedPolicyDocumentException",
    "Policy contains a statement with one or more invalid principals.",
)
LOCKOUT = (
    "MalformedPolicyDocumentException",
    "The new key policy will not allow you to update the key policy in the future.",
)
ABSENT = f"arn:aws:iam::{ACCOUNT}:user/nobody"


@pytest.fixture(scope="module")
def strict_road(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Road]:
    """Principals must exist, as with strict authentication."""
    with Road(tmp_path_factory.mktemp("strict"), Rules(require_policy_principals=True)) as road:
        yield road


def test_user_needs_an_identity_policy_where_the_key_trusts_the_account(road: Road) -> None:
    key, alice = new_key(road), new_user(road)
    assert alice.denied(key) == "because no identity-based policy allows the kms:Encrypt action"
    alice.change(inline_policies={"may": document(allowing("kms:Encrypt"))})
    assert alice.encrypt(key)["KeyId"] == key["Arn"]
    alice.change(inline_policies={"may": document(allowing(), allowing("kms:Enc*", "Deny"))})
    assert alice.denied(key) == "with an explicit deny in an identity-based policy"
    alice.delete()
    assert alice.denied(key) == "because no identity-based policy allows the kms:Encrypt action"


def test_identity_policy_is_powerless_where_the_key_does_not_trust_the_account(road: Road) -> None:
    alice, bob = new_user(road, document(allowing("*"))), new_user(road)
    key = new_key(
        road,
        document(allowing("kms:PutKeyPolicy", Principal={"AWS": ROOT}), allowing(Principal={"AWS": bob.arn})),
    )
    assert alice.denied(key) == "because no resource-based policy allows the kms:Encrypt action"
    assert bob.encrypt(key)["KeyId"] == key["Arn"]


def test_boundary_and_session_policy_limit_a_role(road: Road) -> None:
    limited = new_session(road, document(allowing()), session_policies=(document(allowing("s3:*")),))
    key = new_key(road)
    assert limited.denied(key) == "because no session policy allows the kms:Encrypt action"
    named = new_key(road, trusting(allowing(Principal={"AWS": limited.arn})))
    assert limited.encrypt(named)["KeyId"] == named["Arn"]
    by_role = trusting(allowing(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:role/{limited.entity.name}"}))
    assert limited.denied(new_key(road, by_role)) == "because no session policy allows the kms:Encrypt action"
    bounded = new_user(road, document(allowing()))
    bounded.change(permissions_boundary="arn:aws:iam::aws:policy/AWSKeyManagementServicePowerUser")
    assert bounded.denied(key) == "because no permissions boundary allows the kms:Encrypt action"


def test_user_made_again_under_the_name_is_not_the_one_that_the_policy_names(road: Road) -> None:
    first = new_user(road)
    key = new_key(road, trusting(allowing(Principal={"AWS": first.arn}, Sid="first")))
    assert first.encrypt(key)["KeyId"] == key["Arn"]
    first.delete()
    again = new_user(road, name=first.entity.name)
    assert again.denied(key) == "because no identity-based policy allows the kms:Encrypt action"
    shown = json.loads(road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"])
    assert shown["Statement"][1]["Principal"] == {"AWS": first.entity.unique_id}
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=trusting(allowing(Principal={"AWS": again.arn})))
    assert again.encrypt(key)["KeyId"] == key["Arn"]


def test_get_key_policy_shows_a_renamed_user_under_its_name_of_now(road: Road) -> None:
    user = new_user(road)
    text = trusting(allowing(Principal={"AWS": [ROOT, user.arn]}, Sid="kept"))
    key = new_key(road, text)
    assert road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"] == text
    user.change(name=user.entity.name + "-renamed", path="/moved/")
    shown = json.loads(road.call("GetKeyPolicy", KeyId=key["KeyId"])["Policy"])
    moved = f"arn:aws:iam::{ACCOUNT}:user/moved/{user.entity.name}"
    assert shown["Statement"][1]["Principal"] == {"AWS": [ROOT, moved]}
    assert shown["Statement"][1]["Sid"] == "kept"
    assert user.encrypt(key)["KeyId"] == key["Arn"]  # by its id, whatever it is called


@pytest.mark.parametrize(
    "principal",
    [
        ABSENT,
        f"arn:aws:iam::{ACCOUNT}:role/nobody",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/nobody/s1",
        "arn:aws:iam::900000000009:user/elsewhere",
        "AIDAAAAAAAAAAAAAAAAAA",
        "AROAAAAAAAAAAAAAAAAAA",
    ],
)
def test_key_policy_with_a_principal_that_does_not_exist_is_refused(
    strict_road: Road, road: Road, principal: str
) -> None:
    policy = trusting(allowing(Principal={"AWS": principal}))
    key = new_key(strict_road)
    bypassing = {"Policy": policy, "BypassPolicyLockoutSafetyCheck": True}
    assert refused(strict_road, "CreateKey", **bypassing) == INVALID_PRINCIPALS
    assert refused(strict_road, "PutKeyPolicy", KeyId=key["KeyId"], **bypassing) == INVALID_PRINCIPALS
    assert new_key(road, policy)["KeyId"]  # in development it is taken


def test_name_that_meant_nobody_means_nobody_later(road: Road) -> None:
    name = f"later{next(NUMBERS)}"
    key = new_key(road, trusting(allowing(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:user/{name}"})))
    later = new_user(road, name=name)
    assert later.denied(key) == "because no identity-based policy allows the kms:Encrypt action"


@pytest.mark.parametrize("wrong", ["path", "case"])
def test_principal_with_another_path_or_case_is_nobody(strict_road: Road, wrong: str) -> None:
    user = new_user(strict_road)
    name = user.entity.name
    spelled = f"user/path/{name}" if wrong == "path" else f"user/{name.upper()}"
    policy = trusting(allowing(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:{spelled}"}))
    assert refused(strict_road, "CreateKey", Policy=policy) == INVALID_PRINCIPALS
    assert new_key(strict_road, trusting(allowing(Principal={"AWS": user.arn})))["KeyId"]


@pytest.mark.parametrize("effect", ["Allow", "Deny"])
@pytest.mark.parametrize("named", ["root", "user"])
def test_key_policy_with_a_principal_of_another_partition_is_refused(
    strict_road: Road, effect: str, named: str
) -> None:
    """Nobody who calls in the key's Region has that ARN: a Deny of it would never deny."""
    user = new_user(strict_road)
    arn = (ROOT if named == "root" else user.arn).replace("arn:aws:", "arn:aws-cn:")
    policy = trusting(allowing("kms:Decrypt", effect, Principal={"AWS": arn}))
    assert refused(strict_road, "CreateKey", Policy=policy) == INVALID_PRINCIPALS
    key = new_key(strict_road)
    assert refused(strict_road, "PutKeyPolicy", KeyId=key["KeyId"], Policy=policy) == INVALID_PRINCIPALS


def test_request_with_more_names_than_policies_are_compared_with_is_denied(road: Road) -> None:
    asking = {"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "forbidden"}}
    key = new_key(road, trusting(allowing("kms:Encrypt", "Deny", Principal="*", Condition=asking)))
    alice = new_user(road, document(allowing()))
    many = {f"n{number}": "" for number in range(200)}
    assert alice.encrypt(key, EncryptionContext={"n": ""})["KeyId"] == key["Arn"]
    assert alice.refused("Encrypt", KeyId=key["Arn"], Plaintext=PLAINTEXT, EncryptionContext=many)[0] == (
        "AccessDeniedException"
    )
    plain = new_key(road)  # where no policy asks, there is nothing to compare
    assert alice.encrypt(plain, EncryptionContext=many)["KeyId"] == plain["Arn"]


def test_replica_has_principals_of_its_own_policy(strict_road: Road) -> None:
    user = new_user(strict_road)
    primary = new_key(strict_road, trusting(allowing(Principal={"AWS": user.arn})), MultiRegion=True)
    strict_road.call("ReplicateKey", KeyId=primary["KeyId"], ReplicaRegion="eu-west-1")
    store = strict_road.store
    found = {
        key.region: dict(key.policy_principals)
        for key in strict_road.wait(store.list_related_keys(AccountId(ACCOUNT), primary["KeyId"]))
    }
    assert found == {"eu-central-1": {user.arn: user.entity.unique_id}, "eu-west-1": {}}
    wrong = {"Policy": trusting(allowing(Principal={"AWS": ABSENT})), "ReplicaRegion": "eu-west-2"}
    assert refused(strict_road, "ReplicateKey", KeyId=primary["KeyId"], **wrong) == INVALID_PRINCIPALS


def test_lockout_of_a_user_is_refused_and_the_operator_told_why(
    road: Road, caplog: pytest.LogCaptureFixture
) -> None:
    alice = new_user(road, document(allowing()))
    key = new_key(road)
    policy = document(
        allowing("kms:Put*", Principal={"AWS": "900000000009"}),
        allowing("kms:Encrypt", Principal={"AWS": ROOT}),
    )
    with caplog.at_level("INFO", logger="strongroom.key_policies"):
        assert alice.refused("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy) == LOCKOUT
    (told,) = [record.getMessage() for record in caplog.records]
    assert alice.arn in told
    assert "statement 1 does not name the caller" in told
    assert "statement 2 is not about kms:PutKeyPolicy on this key" in told
    alice.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy, BypassPolicyLockoutSafetyCheck=True)


def test_lockout_check_takes_a_policy_that_names_the_user_or_trusts_the_account(road: Road) -> None:
    alice = new_user(road, document(allowing()))
    for principal in (alice.arn, ROOT, ACCOUNT, "*"):
        given = document(allowing(Principal={"AWS": principal}))
        assert alice.call("CreateKey", Policy=given)["KeyMetadata"]["KeyId"]


def test_condition_of_a_key_policy_is_judged_by_the_request(road: Road) -> None:
    condition = {"StringEquals": {"kms:EncryptionContext:app": "demo"}}
    alice = new_user(road)
    key = new_key(road, trusting(allowing("kms:Encrypt", Principal={"AWS": alice.arn}, Condition=condition)))
    assert alice.encrypt(key, EncryptionContext={"app": "demo"})["KeyId"] == key["Arn"]
    no_policy = "because no identity-based policy allows the kms:Encrypt action"
    assert alice.denied(key, EncryptionContext={"app": "other"}) == no_policy
    assert alice.denied(key) == no_policy
    assert alice.encrypt(key, EncryptionContext={"app": "demo"})["KeyId"] == key["Arn"]
    doubled = {"app": "demo", "App": "other"}
    assert alice.denied(key, EncryptionContext=doubled) == no_policy


def test_grant_permits_at_once_and_no_longer_than_it_lasts(road: Road) -> None:
    alice, key = new_user(road), new_key(road)
    made = road.call(
        "CreateGrant",
        KeyId=key["KeyId"],
        GranteePrincipal=alice.arn,
        Operations=["Encrypt", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"tenant": "7"}},
    )
    blob = alice.encrypt(key, EncryptionContext={"tenant": "7", "more": "x"})["CiphertextBlob"]
    opened = alice.call("Decrypt", CiphertextBlob=blob, EncryptionContext={"tenant": "7", "more": "x"})
    assert opened["Plaintext"] == PLAINTEXT
    assert alice.denied(key, EncryptionContext={"tenant": "8"}).startswith("because no identity-based")
    assert alice.denied(key).startswith("because no identity-based")
    alice.change(inline_policies={"no": document(allowing("kms:Encrypt", "Deny"))})
    assert alice.denied(key, EncryptionContext={"tenant": "7"}).startswith("with an explicit deny")
    alice.change(inline_policies={})
    assert alice.encrypt(key, EncryptionContext={"tenant": "7"})["KeyId"] == key["Arn"]
    road.call("RevokeGrant", KeyId=key["KeyId"], GrantId=made["GrantId"])
    assert alice.denied(key, EncryptionContext={"tenant": "7"}).startswith("because no identity-based")


def test_grant_to_a_role_is_its_sessions_and_dies_with_the_role(road: Road) -> None:
    worker, key = new_session(road), new_key(road)
    role_arn = f"arn:aws:iam::{ACCOUNT}:role/{worker.entity.name}"
    road.call("CreateGrant", KeyId=key["KeyId"], GranteePrincipal=role_arn, Operations=["Encrypt"])
    assert worker.encrypt(key)["KeyId"] == key["Arn"]
    worker.delete()
    assert worker.denied(key).startswith("because no identity-based")


def test_grant_of_re_encrypt_looks_at_each_sides_encryption_context(road: Road) -> None:
    alice, source, destination = new_user(road), new_key(road), new_key(road)
    for key, operation, tenant in ((source, "ReEncryptFrom", "1"), (destination, "ReEncryptTo", "2")):
        road.call(
            "CreateGrant",
            KeyId=key["KeyId"],
            GranteePrincipal=alice.arn,
            Operations=[operation],
            Constraints={"EncryptionContextEquals": {"tenant": tenant}},
        )
    blob = road.call(
        "Encrypt", KeyId=source["KeyId"], Plaintext=PLAINTEXT, EncryptionContext={"tenant": "1"}
    )["CiphertextBlob"]
    members = {
        "CiphertextBlob": blob,
        "SourceKeyId": source["Arn"],
        "DestinationKeyId": destination["Arn"],
        "SourceEncryptionContext": {"tenant": "1"},
    }
    moved = alice.call("ReEncrypt", **members, DestinationEncryptionContext={"tenant": "2"})
    assert moved["KeyId"] == destination["Arn"]
    for wrong in ({"tenant": "1"}, {}):
        code, sentence = alice.refused("ReEncrypt", **members, DestinationEncryptionContext=wrong)
        assert code == "AccessDeniedException"
        assert sentence is not None
        assert "kms:ReEncryptTo" in sentence


def test_child_grant_is_made_by_a_grantee_and_no_wider(road: Road) -> None:
    alice, bob, key = new_user(road), new_user(road), new_key(road)
    road.call(
        "CreateGrant",
        KeyId=key["KeyId"],
        GranteePrincipal=alice.arn,
        Operations=["CreateGrant", "Encrypt"],
        Constraints={"EncryptionContextSubset": {"tenant": "7"}},
    )
    child = {"KeyId": key["Arn"], "GranteePrincipal": bob.arn}
    narrow = {"EncryptionContextSubset": {"tenant": "7", "app": "x"}}
    assert alice.call("CreateGrant", **child, Operations=["Encrypt"], Constraints=narrow)["GrantId"]
    assert bob.encrypt(key, EncryptionContext={"tenant": "7", "app": "x"})["KeyId"] == key["Arn"]
    assert bob.denied(key, EncryptionContext={"tenant": "7"}).startswith("because no identity-based")
    for wider in (
        {"Operations": ["Encrypt", "Decrypt"], "Constraints": narrow},
        {"Operations": ["Encrypt"]},
        {"Operations": ["Encrypt"], "Constraints": {"EncryptionContextSubset": {"app": "x"}}},
    ):
        assert alice.refused("CreateGrant", **child, **wider)[0] == "AccessDeniedException"


def test_grants_name_principals_that_exist(strict_road: Road) -> None:
    user, key = new_user(strict_road), new_key(strict_road)
    for members in (
        {"GranteePrincipal": ABSENT},
        {"GranteePrincipal": user.arn, "RetiringPrincipal": ABSENT},
    ):
        given = {"KeyId": key["KeyId"], "Operations": ["Decrypt"], **members}
        assert refused(strict_road, "CreateGrant", **given) == (
            "InvalidArnException",
            f"ARN does not refer to a valid principal: {ABSENT}",
        )
    made: dict[str, Any] = {
        "GranteePrincipal": user.arn,
        "RetiringPrincipal": user.arn,
        "Operations": ["Decrypt"],
    }
    grant_id = strict_road.call("CreateGrant", KeyId=key["KeyId"], **made)["GrantId"]
    (stored,) = strict_road.wait(
        strict_road.store.list_grants_to(Region("eu-central-1"), key["KeyId"], user.arn)
    )
    assert (stored.grant_id, stored.grantee_id, stored.retiring_id) == (
        grant_id,
        user.entity.unique_id,
        user.entity.unique_id,
    )


def test_grant_is_retired_by_its_retiring_user_and_by_whom_the_account_lets(road: Road) -> None:
    alice, bob, key = new_user(road), new_user(road), new_key(road)

    def made(**members: str) -> dict[str, str]:
        given: dict[str, Any] = {"GranteePrincipal": bob.arn, "Operations": ["Decrypt"], **members}
        created = road.call("CreateGrant", KeyId=key["KeyId"], **given)
        return {"KeyId": key["Arn"], "GrantId": created["GrantId"]}

    by_alice, plain = made(RetiringPrincipal=alice.arn), made()
    assert bob.refused("RetireGrant", **by_alice)[0] == "AccessDeniedException"
    assert alice.call("RetireGrant", **by_alice) == {}
    assert alice.refused("RetireGrant", **plain)[0] == "AccessDeniedException"
    alice.change(inline_policies={"may": document(allowing("kms:RetireGrant"))})
    assert alice.call("RetireGrant", **plain) == {}


def test_user_of_another_account_needs_both_sides_and_hears_no_more(road: Road) -> None:
    elsewhere = "900000003001"
    carol = new_user(road, account=elsewhere)
    key = new_key(road, trusting(allowing("kms:Encrypt", Principal={"AWS": elsewhere})))
    denied = "because no resource-based policy allows the kms:Encrypt action"
    absent = {"Arn": f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/00000000-0000-4000-8000-000000000000"}
    assert carol.denied(key) == denied
    assert carol.denied(absent) == denied
    carol.change(inline_policies={"may": document(allowing())})
    assert carol.encrypt(key)["KeyId"] == key["Arn"]
    assert carol.denied(absent) == denied
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=trusting())
    assert carol.denied(key) == denied


def test_actions_without_a_key_and_aliases_need_identity_policies(road: Road) -> None:
    alice = new_user(road, document(allowing(["kms:CreateKey", "kms:ListAliases"])))
    key = alice.call("CreateKey")["KeyMetadata"]
    assert alice.refused("ListKeys")[0] == "AccessDeniedException"
    name = {"AliasName": f"alias/a{next(NUMBERS)}", "TargetKeyId": key["KeyId"]}
    assert alice.refused("CreateAlias", **name)[0] == "AccessDeniedException"
    only_alias = {"Resource": f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/*"}
    alice.change(inline_policies={"may": document(allowing("kms:CreateAlias", **only_alias))})
    code, sentence = alice.refused("CreateAlias", **name)
    assert code == "AccessDeniedException"
    assert sentence is not None
    assert key["Arn"] in sentence  # the alias is allowed, the key is not
    alice.change(inline_policies={"may": document(allowing("kms:CreateAlias"))})
    assert alice.call("CreateAlias", **name) == {}
    tagged = {"Tags": [{"TagKey": "a", "TagValue": "b"}]}
    alice.change(inline_policies={"may": document(allowing("kms:CreateKey"))})
    code, sentence = alice.refused("CreateKey", **tagged)
    assert sentence is not None
    assert "kms:TagResource" in sentence


def test_service_may_what_the_key_policy_or_a_grant_lets_it(road: Road) -> None:
    principal = AuthenticatedPrincipal(
        PrincipalType.AWS_SERVICE,
        AccountId(""),
        "s3.amazonaws.com",
        "s3.amazonaws.com",
        AccessKeyId("AKIASERVICE000000001"),
    )
    service = Person(road, None, road.callers.add(principal), principal.arn)
    key = new_key(road)
    assert service.denied(key) == "because no resource-based policy allows the kms:Encrypt action"
    policy = trusting(allowing("kms:Encrypt", Principal={"Service": "s3.amazonaws.com"}))
    road.call("PutKeyPolicy", KeyId=key["KeyId"], Policy=policy)
    assert service.encrypt(key)["KeyId"] == key["Arn"]


def test_decrypt_that_is_denied_by_the_ciphertexts_key_tells_nothing_of_it(road: Road) -> None:
    alice, key = new_user(road), new_key(road)
    blob = road.call("Encrypt", KeyId=key["KeyId"], Plaintext=PLAINTEXT)["CiphertextBlob"]
    code, sentence = alice.refused("Decrypt", CiphertextBlob=blob)
    assert code == "AccessDeniedException"
    assert sentence is not None
    assert sentence.startswith("The ciphertext refers to a customer master key that does not exist")
