"""What tags an entity of IAM may carry.

Keys of users and roles have no case: a key that differs from one that is there in case only takes its place,
and is kept as it was written. Those of policies and providers do (`cased`).

Source: IAM User Guide, "Tags for AWS Identity and Access Management resources" (id_tags, "Case sensitivity").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from strongroom.aws import iam_refusals
from strongroom.aws.generated.iam_shapes import Tag
from strongroom.operations.iam_quotas import TAGS_PER_ENTITY
from strongroom.operations.tag_rules import RESERVED_PREFIX


def require_tags(tags: Sequence[Tag] | None, *, cased: bool = False) -> None:
    """What a request's tags can be wrong about by themselves. Raises InvalidInput."""
    if not tags:
        return
    if any(tag.key.lower().startswith(RESERVED_PREFIX) for tag in tags):
        raise iam_refusals.reserved_tag_keys()
    if len({_fold(tag.key, cased) for tag in tags}) < len(tags):
        raise iam_refusals.duplicate_tag_keys()


def merge_tags(
    existing: Mapping[str, str], tags: Sequence[Tag] | None, quota: str, *, cased: bool = False
) -> dict[str, str]:
    """The tags of an entity after `tags` were put on it. Raises LimitExceeded for `quota`: TagsPerUser."""
    added = {tag.key: tag.value for tag in tags or ()}
    merged = {**remove_tags(existing, added, cased=cased), **added}
    if len(merged) > TAGS_PER_ENTITY:
        raise iam_refusals.limit_exceeded(quota, TAGS_PER_ENTITY)
    return merged


def remove_tags(existing: Mapping[str, str], keys: Iterable[str], *, cased: bool = False) -> dict[str, str]:
    """The tags that are left; keys that are not there are no error."""
    gone = {_fold(key, cased) for key in keys}
    return {key: value for key, value in existing.items() if _fold(key, cased) not in gone}


def sorted_tags(tags: Mapping[str, str]) -> list[Tag]:
    """As List...Tags answers: "sorted by tag key"."""
    return [Tag(key=key, value=tags[key]) for key in sorted(tags)]


def _fold(key: str, cased: bool) -> str:
    return key if cased else key.lower()
