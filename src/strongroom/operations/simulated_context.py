"""The context entries of a simulation: condition keys and their values, each of a type.

Source: IAM API reference, ContextEntry. Values that are not of their type are refused: a simulation that
passed them over would say something about another request.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from strongroom.authorization.value_readers import (
    read_address,
    read_binary,
    read_date,
    read_number,
)
from strongroom.aws import iam_entity_refusals
from strongroom.aws.generated.iam_enums import ContextKeyTypeEnum
from strongroom.aws.generated.iam_shapes import ContextEntry

_LIST: Final = "List"


_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    "string": lambda text: True,
    "numeric": lambda text: read_number(text) is not None,
    "boolean": lambda text: text.lower() in ("true", "false"),
    "ip": lambda text: read_address(text) is not None,
    "binary": lambda text: read_binary(text) is not None,
    "date": lambda text: read_date(text) is not None,
}


def context_values(entries: Sequence[ContextEntry] | None) -> dict[str, tuple[str, ...]]:
    """The values by key in lower case. Raises ApiError InvalidInput."""
    found: dict[str, tuple[str, ...]] = {}
    for entry in entries or ():
        if entry.context_key_name is None:
            raise iam_entity_refusals.unsupported_simulation("a context entry has no ContextKeyName")
        name = entry.context_key_name
        if name.lower() in found:
            raise iam_entity_refusals.unsupported_simulation(f"{name} is given twice")
        found[name.lower()] = _values_of(name, entry)
    return found


def _values_of(name: str, entry: ContextEntry) -> tuple[str, ...]:
    values = tuple(entry.context_key_values or ())
    type_name = (entry.context_key_type or ContextKeyTypeEnum.STRING).value
    is_list = type_name.endswith(_LIST)
    if not is_list and len(values) != 1:
        raise iam_entity_refusals.unsupported_simulation(f"{name} of type {type_name} must have one value")
    is_one = _CHECKS[type_name.removesuffix(_LIST)]
    if not all(is_one(value) for value in values):
        raise iam_entity_refusals.unsupported_simulation(f"{name} has a value that is no {type_name}")
    if type_name.startswith("boolean"):
        return tuple(value.lower() for value in values)
    return values
