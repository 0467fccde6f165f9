"""What tags a KMS key may carry; CreateKey and TagResource share the rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from strongroom.aws import refusals
from strongroom.aws.generated.shapes import Tag

TAGS_MAX = 50
RESERVED_PREFIX = "aws:"


def require_unreserved(tag_keys: Iterable[str]) -> None:
    """Tags that begin with aws: (in any case) belong to AWS. Raises TagException."""
    if any(key.lower().startswith(RESERVED_PREFIX) for key in tag_keys):
        raise refusals.reserved_tags()


def merge_tags(existing: Mapping[str, str], tags: Sequence[Tag]) -> dict[str, str]:
    """The tags of a key after `tags` were put on it. Raises TagException."""
    added = {tag.tag_key: tag.tag_value for tag in tags}
    if len(tags) > TAGS_MAX:
        raise refusals.too_many_tags()
    if len(added) < len(tags):
        raise refusals.duplicate_tag_keys()
    require_unreserved(added)
    merged = {**existing, **added}
    if len(merged) > TAGS_MAX:
        raise refusals.too_many_tags()
    return merged
