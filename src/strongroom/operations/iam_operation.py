"""How an operation of IAM is declared: shapes from the model, no key, no state, no usage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from strongroom.aws.query_services import IAM
from strongroom.operations.operation import Access, Operation, Recorded


def iam_operation(
    name: str,
    *,
    access: Access,
    read_only: bool,
    records: tuple[Recorded, ...],
    response_records: tuple[str, ...],
    run: Callable[[Any, Any], Awaitable[msgspec.Struct | None]],
) -> Operation:
    """An operation of IAM. As `Operation`, it has no defaults."""
    input_shape, output_shape = IAM.operations[name]
    return Operation(
        service="iam",
        name=name,
        input=input_shape,
        output=output_shape,
        check=None,
        access=access,
        states=None,
        usage=None,
        read_only=read_only,
        records=records,
        response_records=response_records,
        run=run,
    )
