"""What tags an entity of IAM may carry, and how they are shown.

Sources: IAM User Guide, "Tagging IAM resources"; answers of AWS recorded in February 2026
(aws/iam_entity_refusals.py, [LS]).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated.iam_shapes import Tag
from strongroom.resources.iam import EntityKind

TAGS_MAX: Final = 50
RESERVED_PREFIX: Final = "aws:"

_CASELESS: Final = frozenset({EntityKind.USER, EntityKind.ROLE})
"""Whose tag keys are the same whatever their case. [LS]"""


def _compared(kind: EntityKind, key: str) -> str:
    return key.lower() if kind in _CASELESS else key


def merge_tags(kind: EntityKind, existing: Mapping[str, str], added: Sequence[Tag] | None) -> dict[str, str]:
    """The tags of an entity after `added` were put on it; a key that is there is replaced.

    Raises ApiError: InvalidInput, LimitExceeded.
    """
    added = added or ()
    keys = {_compared(kind, tag.key) for tag in added}
    if len(keys) < len(added):
        raise iam_entity_refusals.duplicate_tag_keys(in_any_case=kind in _CASELESS)
    if any(tag.key.lower().startswith(RESERVED_PREFIX) for tag in added):
        raise iam_entity_refusals.reserved_tag_keys()
    spelled = {_compared(kind, key): key for key in existing}
    merged = dict(existing)
    for tag in added:
        known = spelled.get(_compared(kind, tag.key))
        if known is not None and known != tag.key:
            del merged[known]
        merged[tag.key] = tag.value
    if len(merged) > TAGS_MAX:
        raise iam_entity_refusals.too_many_tags()
    return merged


def without_tags(kind: EntityKind, existing: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    """The tags that are left; keys that are not there do no harm."""
    gone = {_compared(kind, key) for key in keys}
    return {key: value for key, value in existing.items() if _compared(kind, key) not in gone}


def sorted_tags(tags: Mapping[str, str]) -> list[Tag]:
    """As the operations that list tags order them: short keys first, then by their letters. [LS]"""
    return [Tag(key=key, value=tags[key]) for key in sorted(tags, key=lambda one: (len(one), one))]
