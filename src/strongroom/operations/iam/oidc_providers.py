"""OpenID Connect providers: whose web identities roles may trust.

Only what the provider is is kept here: no connection is made to it, so an absent ThumbprintList stays empty.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated import iam_shapes
from strongroom.operations.context import Call
from strongroom.operations.entities import arn_of, render_tags
from strongroom.operations.entity_tags import merge_tags
from strongroom.operations.iam_operation import iam_operation
from strongroom.operations.oidc_provider_lookup import find_provider, name_of_url, require_provider
from strongroom.operations.operation import Access, EntityTarget, on_account, records
from strongroom.resources.iam import EntityKind, IdPrefix, OidcProvider, new_unique_id
from strongroom.store.interface import AlreadyExists, LimitReached

PROVIDERS_MAX: Final = 100
"""Of an account. IAM User Guide, "IAM and AWS STS quotas"."""
CLIENT_IDS_MAX: Final = 100
THUMBPRINTS_MAX: Final = 5


async def create_provider(
    call: Call, request: iam_shapes.CreateOpenIDConnectProviderRequest
) -> iam_shapes.CreateOpenIDConnectProviderResponse:
    name = name_of_url(request.url)
    thumbprints = tuple(request.thumbprint_list or ())
    _require_thumbprint_count(thumbprints)
    client_ids = tuple(dict.fromkeys(request.client_id_list or ()))
    _require_client_id_count(client_ids)
    provider = OidcProvider(
        account_id=call.account_id,
        name=name,
        unique_id=new_unique_id(IdPrefix.POLICY),
        created_at=call.rooms.clock.now().replace(microsecond=0),
        tags=merge_tags(EntityKind.OIDC_PROVIDER, {}, request.tags),
        client_ids=client_ids,
        thumbprints=thumbprints,
    )
    try:
        await call.rooms.store.insert_entity(provider, of_account_max=PROVIDERS_MAX)
    except AlreadyExists:
        raise iam_entity_refusals.provider_already_exists(request.url) from None
    except LimitReached:
        raise iam_entity_refusals.quota_exceeded("OpenIdConnectProvidersPerAccount", PROVIDERS_MAX) from None
    return iam_shapes.CreateOpenIDConnectProviderResponse(
        open_id_connect_provider_arn=arn_of(call, provider), tags=render_tags(provider.tags)
    )


async def get_provider(
    call: Call, request: iam_shapes.GetOpenIDConnectProviderRequest
) -> iam_shapes.GetOpenIDConnectProviderResponse:
    """The URL is shown without its scheme, as AWS does. floci-io/floci#2106, and Terraform's provider."""
    provider = await require_provider(call, request.open_id_connect_provider_arn)
    return iam_shapes.GetOpenIDConnectProviderResponse(
        url=provider.name,
        client_id_list=list(provider.client_ids),
        thumbprint_list=list(provider.thumbprints),
        create_date=provider.created_at.timestamp(),
        tags=render_tags(provider.tags) or [],
    )


async def delete_provider(call: Call, request: iam_shapes.DeleteOpenIDConnectProviderRequest) -> None:
    provider = await find_provider(call, request.open_id_connect_provider_arn)
    if provider is None:
        raise iam_entity_refusals.provider_not_there_to_delete(request.open_id_connect_provider_arn)
    await call.rooms.store.delete_entity(provider)


async def list_providers(
    call: Call, request: iam_shapes.ListOpenIDConnectProvidersRequest
) -> iam_shapes.ListOpenIDConnectProvidersResponse:
    found = await call.rooms.store.list_entities(OidcProvider, call.account_id, "/", None, PROVIDERS_MAX)
    return iam_shapes.ListOpenIDConnectProvidersResponse(
        open_id_connect_provider_list=[
            iam_shapes.OpenIDConnectProviderListEntry(arn=arn_of(call, provider)) for provider in found
        ]
    )


async def add_client_id(call: Call, request: iam_shapes.AddClientIDToOpenIDConnectProviderRequest) -> None:
    """One that is there already is no error."""
    provider = await require_provider(call, request.open_id_connect_provider_arn)
    client_ids = tuple(dict.fromkeys((*provider.client_ids, request.client_id)))
    _require_client_id_count(client_ids)
    await call.rooms.store.update_entity(replace(provider, client_ids=client_ids))


async def remove_client_id(
    call: Call, request: iam_shapes.RemoveClientIDFromOpenIDConnectProviderRequest
) -> None:
    """One that is not there is no error."""
    provider = await require_provider(call, request.open_id_connect_provider_arn)
    left = tuple(one for one in provider.client_ids if one != request.client_id)
    await call.rooms.store.update_entity(replace(provider, client_ids=left))


async def update_thumbprint(
    call: Call, request: iam_shapes.UpdateOpenIDConnectProviderThumbprintRequest
) -> None:
    provider = await require_provider(call, request.open_id_connect_provider_arn)
    thumbprints = tuple(request.thumbprint_list)
    _require_thumbprint_count(thumbprints)
    await call.rooms.store.update_entity(replace(provider, thumbprints=thumbprints))


def _require_thumbprint_count(thumbprints: tuple[str, ...]) -> None:
    if len(thumbprints) > THUMBPRINTS_MAX:
        raise iam_entity_refusals.too_many_thumbprints()


def _require_client_id_count(client_ids: tuple[str, ...]) -> None:
    if len(client_ids) > CLIENT_IDS_MAX:
        raise iam_entity_refusals.quota_exceeded("ClientIdsPerOpenIdConnectProvider", CLIENT_IDS_MAX)


def _on_provider(action: str) -> Access:
    return (EntityTarget(f"iam:{action}", EntityKind.OIDC_PROVIDER, "open_id_connect_provider_arn"),)


OPERATIONS = (
    iam_operation(
        "CreateOpenIDConnectProvider",
        access=(
            EntityTarget("iam:CreateOpenIDConnectProvider", EntityKind.OIDC_PROVIDER, "url"),
            EntityTarget("iam:TagOpenIDConnectProvider", EntityKind.OIDC_PROVIDER, "url", given="tags"),
        ),
        read_only=False,
        records=records("url", "client_id_list", "thumbprint_list", "tags"),
        response_records=("open_id_connect_provider_arn", "tags"),
        run=create_provider,
    ),
    iam_operation(
        "GetOpenIDConnectProvider",
        access=_on_provider("GetOpenIDConnectProvider"),
        read_only=True,
        records=records("open_id_connect_provider_arn"),
        response_records=(),
        run=get_provider,
    ),
    iam_operation(
        "DeleteOpenIDConnectProvider",
        access=_on_provider("DeleteOpenIDConnectProvider"),
        read_only=False,
        records=records("open_id_connect_provider_arn"),
        response_records=(),
        run=delete_provider,
    ),
    iam_operation(
        "ListOpenIDConnectProviders",
        access=on_account("iam:ListOpenIDConnectProviders"),
        read_only=True,
        records=(),
        response_records=(),
        run=list_providers,
    ),
    iam_operation(
        "AddClientIDToOpenIDConnectProvider",
        access=_on_provider("AddClientIDToOpenIDConnectProvider"),
        read_only=False,
        records=records("open_id_connect_provider_arn", "client_id"),
        response_records=(),
        run=add_client_id,
    ),
    iam_operation(
        "RemoveClientIDFromOpenIDConnectProvider",
        access=_on_provider("RemoveClientIDFromOpenIDConnectProvider"),
        read_only=False,
        records=records("open_id_connect_provider_arn", "client_id"),
        response_records=(),
        run=remove_client_id,
    ),
    iam_operation(
        "UpdateOpenIDConnectProviderThumbprint",
        access=_on_provider("UpdateOpenIDConnectProviderThumbprint"),
        read_only=False,
        records=records("open_id_connect_provider_arn", "thumbprint_list"),
        response_records=(),
        run=update_thumbprint,
    ),
)
