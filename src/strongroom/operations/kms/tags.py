"""TagResource, UntagResource, ListResourceTags."""

from __future__ import annotations

from dataclasses import replace

from strongroom.aws.generated.shapes import (
    ListResourceTagsRequest,
    ListResourceTagsResponse,
    Tag,
    TagResourceRequest,
    UntagResourceRequest,
)
from strongroom.operations.context import Call
from strongroom.operations.operation import Operation, on_key, records
from strongroom.operations.pagination import cut_page, parse_marker, render_marker
from strongroom.operations.tag_rules import merge_tags, require_unreserved
from strongroom.resources.key_state import ANY_STATE, CHANGEABLE

LIST_TAGS_LIMIT_DEFAULT = 50
"""ListResourceTags API reference: "between 1 and 50 ... If you do not include a value, it defaults to 50"."""


async def tag_resource(call: Call, request: TagResourceRequest) -> None:
    merged = merge_tags(call.key.tags, request.tags)
    if merged != call.key.tags:
        await call.rooms.store.update_key(replace(call.key, tags=merged))


async def untag_resource(call: Call, request: UntagResourceRequest) -> None:
    require_unreserved(request.tag_keys)
    removed = set(request.tag_keys)
    remaining = {key: value for key, value in call.key.tags.items() if key not in removed}
    if len(remaining) < len(call.key.tags):
        await call.rooms.store.update_key(replace(call.key, tags=remaining))


async def list_resource_tags(call: Call, request: ListResourceTagsRequest) -> ListResourceTagsResponse:
    after = await parse_marker(call, "ListResourceTags", request.marker, call.key.arn)
    limit = request.limit or LIST_TAGS_LIMIT_DEFAULT
    tags = sorted((key, value) for key, value in call.key.tags.items() if after is None or key > after)
    page, more = cut_page(tags, limit)
    return ListResourceTagsResponse(
        tags=[Tag(tag_key=key, tag_value=value) for key, value in page],
        next_marker=await render_marker(call, "ListResourceTags", page[-1][0], call.key.arn)
        if more
        else None,
        truncated=more,
    )


TAG_RESOURCE = Operation(
    service="kms",
    name="TagResource",
    input=TagResourceRequest,
    output=None,
    check=None,
    access=on_key("kms:TagResource"),
    states=CHANGEABLE,
    usage=None,
    read_only=False,
    records=records("key_id", "tags"),
    response_records=(),
    run=tag_resource,
)

UNTAG_RESOURCE = Operation(
    service="kms",
    name="UntagResource",
    input=UntagResourceRequest,
    output=None,
    check=None,
    access=on_key("kms:UntagResource"),
    states=CHANGEABLE,
    usage=None,
    read_only=False,
    records=records("key_id", "tag_keys"),
    response_records=(),
    run=untag_resource,
)

LIST_RESOURCE_TAGS = Operation(
    service="kms",
    name="ListResourceTags",
    input=ListResourceTagsRequest,
    output=ListResourceTagsResponse,
    check=None,
    access=on_key("kms:ListResourceTags"),
    states=ANY_STATE,
    usage=None,
    read_only=True,
    records=records("key_id", "limit", "marker"),
    response_records=(),
    run=list_resource_tags,
)

OPERATIONS = (TAG_RESOURCE, UNTAG_RESOURCE, LIST_RESOURCE_TAGS)
