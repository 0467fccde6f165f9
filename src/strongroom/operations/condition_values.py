"""The values of every condition key, for one question to the authorizer.

Tables from a condition key in lower case to what finds its values: KMS's own (kms_condition_keys.py), STS's
(sts_condition_keys.py), AWS's global ones (global_condition_keys.py), IAM's (iam_condition_keys.py), and
those that are looked up in the store (condition_look_ups.py); those of a web identity come with its token. A
key in none of them has no value, as on AWS.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, TypeVar

from strongroom.authorization.letters import lower_ascii
from strongroom.operations.circumstances import Circumstances, NotPrepared, Values
from strongroom.operations.condition_look_ups import LOOK_UPS, PREFIX_LOOK_UPS
from strongroom.operations.global_condition_keys import (
    ABSENT_GLOBAL_KEYS,
    GLOBAL_KEYS,
    GLOBAL_PREFIXES,
)
from strongroom.operations.iam_condition_keys import (
    IAM_ACTIONS,
    IAM_KEYS,
    IAM_PREFIXES,
    OF_THE_ENTITY,
    find_entity,
)
from strongroom.operations.kms_condition_keys import KMS_KEYS, KMS_PREFIXES
from strongroom.operations.sts_condition_keys import ABSENT_STS_KEYS, STS_KEYS

T = TypeVar("T")

_KEYS: Final = {**KMS_KEYS, **STS_KEYS, **GLOBAL_KEYS, **IAM_KEYS}
_PREFIXES: Final = {**KMS_PREFIXES, **GLOBAL_PREFIXES, **IAM_PREFIXES}


_ABSENT: Final = frozenset(map(lower_ascii, (*ABSENT_GLOBAL_KEYS, *ABSENT_STS_KEYS)))
_OWN_NAMESPACES: Final = ("kms:", "aws:")


def is_known(key: str) -> bool:
    """Whether AWS has a condition key of this name, in any letters, as far as it begins with kms: or aws:.

    Other services' keys and those of web identity providers are not ours to know.
    """
    name = lower_ascii(key)
    return (
        not name.startswith(_OWN_NAMESPACES)
        or name in _KEYS
        or name in LOOK_UPS
        or name in _ABSENT
        or _by_prefix(_PREFIXES, name) is not None
        or _by_prefix(PREFIX_LOOK_UPS, name) is not None
    )


class RequestConditions(Circumstances):
    """Implements `authorization.ask.ConditionValues`. Making one does no work; each value is found when it is
    first asked for, and kept, so that a question is decided from one set of values."""

    __slots__ = ()

    def needs_store(self, keys: frozenset[str]) -> bool:
        """As ConditionValues."""
        return _looked_up(keys) != ()

    async def prepare(self, keys: frozenset[str]) -> None:
        """Look up what stands in the store. Raises StoreUnavailable, AmbiguousCondition."""
        for key in _looked_up(keys):
            if (look_up := LOOK_UPS.get(key)) is not None:
                self.known[key] = await look_up(self)
            elif (found := _by_prefix(PREFIX_LOOK_UPS, key)) is not None:
                look_up_named, name = found
                self.known[key] = await look_up_named(self, name)
            elif self.entity is NotPrepared and self.action.startswith(IAM_ACTIONS):
                self.entity = await find_entity(self)

    def values_of(self, key: str) -> Values:
        """As ConditionValues. Raises AmbiguousCondition, NotPrepared."""
        if key in self.known:
            return self.known[key]
        values: Values = None
        if (look := _KEYS.get(key)) is not None:
            values = look(self)
        elif (found := _by_prefix(_PREFIXES, key)) is not None:
            look_named, name = found
            values = look_named(self, name)
        elif key in LOOK_UPS or _by_prefix(PREFIX_LOOK_UPS, key) is not None:
            raise NotPrepared(key)
        self.known[key] = values
        return values


@lru_cache(1024)
def _looked_up(keys: frozenset[str]) -> tuple[str, ...]:
    """Those of a policy's condition keys whose values stand in the store: nearly always none."""
    return tuple(
        key
        for key in keys
        if key in LOOK_UPS or _by_prefix(PREFIX_LOOK_UPS, key) is not None or key.startswith(OF_THE_ENTITY)
    )


def _by_prefix(table: Mapping[str, T], key: str) -> tuple[T, str] | None:
    """What a table has for a key's first part, and the rest: the name of a tag, of an encryption context."""
    for prefix, look in table.items():
        if key.startswith(prefix):
            return look, key[len(prefix) :]
    return None
