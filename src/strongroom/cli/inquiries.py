"""`strongroom explain`, `who-can` and `policy test`: who may, answered from the database and the audit trail.

They read beside a running server and change nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from strongroom.store.sql_store import SqlStore

T = TypeVar("T")


class InquiryFailed(Exception):
    """The question has no answer; the text says why."""

    exit_code = 255


def explain(data_directory: Path, request_id: str, as_json: bool) -> int:
    """`strongroom explain`. Raises: InquiryFailed."""
    from strongroom.administration.why import Report, explain_record, find_record
    from strongroom.cli.explain_text import render_report

    audit = data_directory / "audit"

    async def ask(store: SqlStore) -> Report:
        record = find_record(audit, request_id) if request_id else None
        if record is None:
            raise InquiryFailed(
                f"No request {request_id!r} is in the audit trail in {audit}. Its id is in the answer's "
                "header x-amzn-RequestId; AWS's clients show it with an error, or with --debug."
            )
        return await explain_record(store, audit, record)

    report = _inquire(data_directory, ask)
    print(json.dumps(report, indent=2) if as_json else "\n".join(render_report(report)))
    return 0


def _inquire(data_directory: Path, ask: Callable[[SqlStore], Awaitable[T]]) -> T:
    """The answer to a question of the database and the audit trail."""
    from strongroom.bootstrap import DATABASE_FILE
    from strongroom.clock import HostClock
    from strongroom.store.interface import StoreUnavailable
    from strongroom.store.opening import open_store_to_look

    async def looking() -> T:
        store = open_store_to_look(data_directory / DATABASE_FILE, HostClock())
        try:
            return await ask(store)
        finally:
            store.close()

    try:
        return asyncio.run(looking())
    except StoreUnavailable as error:
        raise InquiryFailed(f"Cannot read the database in {data_directory}: {error}.") from None
    except OSError as error:
        raise InquiryFailed(
            f"Cannot read the audit trail in {data_directory / 'audit'}: {error.strerror}."
        ) from None
