"""OpenID Connect providers: their operations and refusals."""

from __future__ import annotations

from typing import Any

import pytest
from tests.operations.iam_scene import Iam
from tests.support.road import ACCOUNT, Road

URL = "https://oidc.example.com/id/EXAMPLE"
ARN = f"arn:aws:iam::{ACCOUNT}:oidc-provider/oidc.example.com/id/EXAMPLE"
GONE = f"arn:aws:iam::{ACCOUNT}:oidc-provider/gone.example.com"


@pytest.fixture
def iam(own_road: Road) -> Iam:
    return Iam(own_road)


def created(iam: Iam, **members: Any) -> Any:
    return iam.call("CreateOpenIDConnectProvider", **({"Url": URL} | members))


def shown(iam: Iam) -> Any:
    return iam.call("GetOpenIDConnectProvider", OpenIDConnectProviderArn=ARN)


def test_provider_is_made_shown_listed_and_deleted(iam: Iam) -> None:
    tags = [{"Key": "a", "Value": "b"}]
    made = created(iam, ClientIDList=["sts", "sts"], ThumbprintList=["a" * 40], Tags=tags)
    assert made == {"OpenIDConnectProviderArn": ARN, "Tags": tags}
    record = iam.road.last_record
    assert record["requestParameters"] == {
        "url": URL,
        "clientIDList": ["sts", "sts"],
        "thumbprintList": ["a" * 40],
        "tags": [{"key": "a", "value": "b"}],
    }
    provider = shown(iam)
    del provider["CreateDate"]
    assert provider == {
        "Url": "oidc.example.com/id/EXAMPLE",
        "ClientIDList": ["sts"],
        "ThumbprintList": ["a" * 40],
        "Tags": tags,
    }
    assert iam.call("ListOpenIDConnectProviders") == {"OpenIDConnectProviderList": [{"Arn": ARN}]}
    assert iam.call("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=ARN) == {}
    assert iam.refused("DeleteOpenIDConnectProvider", OpenIDConnectProviderArn=ARN) == (
        "NoSuchEntity",
        f"OpenId connect Provider {ARN} cannot be found.",
        404,
    )
    assert iam.call("ListOpenIDConnectProviders") == {"OpenIDConnectProviderList": []}


def test_provider_without_lists_has_empty_ones(iam: Iam) -> None:
    assert created(iam) == {"OpenIDConnectProviderArn": ARN}
    provider = shown(iam)
    assert (provider["ClientIDList"], provider["ThumbprintList"], provider["Tags"]) == ([], [], [])


def test_second_provider_of_a_url_is_refused(iam: Iam) -> None:
    created(iam)
    assert iam.refused("CreateOpenIDConnectProvider", Url=URL) == (
        "EntityAlreadyExists",
        f"Provider with url {URL} already exists.",
        409,
    )


@pytest.mark.parametrize(
    "url",
    [
        "http://oidc.example.com",
        "oidc.example.com",
        "https://",
        "https://oidc.example.com:8443",
        "https://oidc.example.com?x=y",
        "https://oidc.example.com/#x",
        "https://user@oidc.example.com",
        "https://-x.example.com",
        "https://oidc.example.com/a b",
        "https://oidc.example.com\n",
    ],
)
def test_url_that_is_no_issuers_is_refused(iam: Iam, url: str) -> None:
    assert iam.refused("CreateOpenIDConnectProvider", Url=url) == (
        "ValidationError",
        "Invalid Open ID Connect Provider URL",
        400,
    )


def test_client_ids_are_added_and_removed(iam: Iam) -> None:
    created(iam, ClientIDList=["a"])
    on = {"OpenIDConnectProviderArn": ARN}
    for client_id in ("b", "b"):
        iam.call("AddClientIDToOpenIDConnectProvider", ClientID=client_id, **on)
    assert shown(iam)["ClientIDList"] == ["a", "b"]
    for client_id in ("a", "a"):
        iam.call("RemoveClientIDFromOpenIDConnectProvider", ClientID=client_id, **on)
    assert shown(iam)["ClientIDList"] == ["b"]


def test_provider_has_so_many_client_ids_and_thumbprints(iam: Iam) -> None:
    many = [f"id-{number}" for number in range(100)]
    too_many = ("LimitExceeded", "Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: 100", 409)
    assert iam.refused("CreateOpenIDConnectProvider", Url=URL, ClientIDList=[*many, "more"]) == too_many
    created(iam, ClientIDList=many)
    on = {"OpenIDConnectProviderArn": ARN}
    assert iam.refused("AddClientIDToOpenIDConnectProvider", ClientID="more", **on) == too_many
    thumbprints = [f"{number:040}" for number in range(6)]
    too_many = ("InvalidInput", "Thumbprint list must contain fewer than 5 entries.", 400)
    change = "UpdateOpenIDConnectProviderThumbprint"
    assert iam.refused(change, ThumbprintList=thumbprints, **on) == too_many
    iam.call(change, ThumbprintList=thumbprints[:5], **on)
    assert shown(iam)["ThumbprintList"] == thumbprints[:5]
    other = {"Url": "https://x.example.com", "ThumbprintList": thumbprints}
    assert iam.refused("CreateOpenIDConnectProvider", **other) == too_many


def test_account_has_a_hundred_providers(iam: Iam) -> None:
    for number in range(100):
        created(iam, Url=f"https://n{number}.example.com")
    assert iam.refused("CreateOpenIDConnectProvider", Url=URL)[:2] == (
        "LimitExceeded",
        "Cannot exceed quota for OpenIdConnectProvidersPerAccount: 100",
    )
    assert len(iam.call("ListOpenIDConnectProviders")["OpenIDConnectProviderList"]) == 100


def test_provider_that_is_not_there_is_refused(iam: Iam) -> None:
    created(iam)
    theirs = ARN.replace(ACCOUNT, "111122223333")
    more: dict[str, dict[str, Any]] = {
        "GetOpenIDConnectProvider": {},
        "AddClientIDToOpenIDConnectProvider": {"ClientID": "x"},
        "RemoveClientIDFromOpenIDConnectProvider": {"ClientID": "x"},
        "UpdateOpenIDConnectProviderThumbprint": {"ThumbprintList": []},
        "TagOpenIDConnectProvider": {"Tags": [{"Key": "a", "Value": "b"}]},
        "UntagOpenIDConnectProvider": {"TagKeys": ["a"]},
        "ListOpenIDConnectProviderTags": {},
    }
    for arn in (GONE, theirs, ARN.lower()):
        for name, members in more.items():
            assert iam.refused(name, OpenIDConnectProviderArn=arn, **members) == (
                "NoSuchEntity",
                f"OpenIDConnect Provider not found for arn {arn}",
                404,
            )
    role = f"arn:aws:iam::{ACCOUNT}:role/some-role"
    assert iam.refused("GetOpenIDConnectProvider", OpenIDConnectProviderArn=role)[:2] == (
        "InvalidInput",
        f"ARN {role} is not valid.",
    )


def test_tags_of_a_provider_are_put_listed_and_taken_away(iam: Iam) -> None:
    created(iam)
    on = {"OpenIDConnectProviderArn": ARN}
    tags = [{"Key": "k1", "Value": "v1"}, {"Key": "k2", "Value": "v2"}]
    iam.call("TagOpenIDConnectProvider", Tags=tags, **on)
    first = iam.call("ListOpenIDConnectProviderTags", MaxItems=1, **on)
    assert (first["Tags"], first["IsTruncated"]) == (tags[:1], True)
    assert iam.call("ListOpenIDConnectProviderTags", Marker=first["Marker"], **on)["Tags"] == tags[1:]
    iam.call("UntagOpenIDConnectProvider", TagKeys=["k1"], **on)
    assert shown(iam)["Tags"] == tags[1:]
