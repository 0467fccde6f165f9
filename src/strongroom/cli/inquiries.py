"""`strongroom explain`, `who-can` and `policy test`: who may, answered from the database and the audit trail.

They read beside a running server and change nothing.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from strongroom.administration.policy_trial import Trial
    from strongroom.administration.who_can import Holders
    from strongroom.store.sql_store import SqlStore

T = TypeVar("T")

POLICY_FILE_BYTES_MAX = 256 * 1024
"""Of 32,768 characters, each escaped, and some white space."""


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


def who_can(data_directory: Path, key: str, action: str, as_json: bool) -> int:
    """`strongroom who-can`. Raises: InquiryFailed."""
    from strongroom.administration.key_finding import NoSuchKey, find_key
    from strongroom.administration.who_can import NotAKeyAction, key_action, list_holders
    from strongroom.cli.who_can_text import holders_as_json, render_holders

    async def ask(store: SqlStore) -> tuple[str, str, Holders]:
        found = await find_key(store, key)
        return found.arn, key_action(action).name, await list_holders(store, found, action)

    try:
        arn, name, holders = _inquire(data_directory, ask)
    except (NoSuchKey, NotAKeyAction) as error:
        raise InquiryFailed(str(error)) from None
    if as_json:
        print(json.dumps({"key": arn, "action": name, **holders_as_json(holders)}, indent=2))
    else:
        print("\n".join(render_holders(arn, name, holders)))
    return 0


def test_policy(data_directory: Path, key: str, policy_file: Path, days: int, as_json: bool) -> int:
    """`strongroom policy test`: 1 when somebody would lose something. Raises: InquiryFailed."""
    from strongroom.administration.key_finding import NoSuchKey, find_key
    from strongroom.administration.policy_trial import try_key_policy
    from strongroom.audit.reader import read_records
    from strongroom.aws.errors import ApiError
    from strongroom.cli.policy_test_text import render_trial, trial_as_json

    try:
        policy = _read_policy(policy_file)
    except OSError as error:
        raise InquiryFailed(f"Cannot read {policy_file}: {error.strerror}.") from None
    audit = data_directory / "audit"

    async def ask(store: SqlStore) -> Trial:
        found = await find_key(store, key)
        records = read_records(audit, found.key_id.encode())
        issuing = read_records(audit, b'"sts.amazonaws.com"')
        since = datetime.now(UTC) - timedelta(days=days)
        return await try_key_policy(store, found, policy, records, issuing, since)

    try:
        trial = _inquire(data_directory, ask)
    except NoSuchKey as error:
        raise InquiryFailed(str(error)) from None
    except ApiError as refused:
        raise InquiryFailed(f"{policy_file} would be refused: {refused.message or refused.code}") from None
    shown = trial_as_json(trial, days)
    print(json.dumps(shown, indent=2) if as_json else "\n".join(render_trial(trial, days)))
    return 0 if trial.passes else 1


def _read_policy(path: Path) -> str:
    """The text of a key policy. Raises: OSError, InquiryFailed."""
    with path.open("rb") as stream:
        content = stream.read(POLICY_FILE_BYTES_MAX + 1)
    if len(content) > POLICY_FILE_BYTES_MAX:
        raise InquiryFailed(f"{path} is no key policy: one has at most 32768 characters.")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise InquiryFailed(f"{path} is no key policy: it is not text in UTF-8.") from None


def _inquire(data_directory: Path, ask: Callable[[SqlStore], Awaitable[T]]) -> T:
    """The answer to a question of the database and the audit trail."""
    from strongroom.clock import HostClock
    from strongroom.preparation import DATABASE_FILE
    from strongroom.store.interface import StoreUnavailable
    from strongroom.store.opening import open_store_to_look

    async def looking() -> T:
        store = open_store_to_look(data_directory / DATABASE_FILE, HostClock())
        try:
            return await ask(store)
        finally:
            store.close()

    import asyncio  # late, so that other commands are quick

    try:
        return asyncio.run(looking())
    except StoreUnavailable as error:
        raise InquiryFailed(f"Cannot read the database in {data_directory}: {error}.") from None
    except OSError as error:
        raise InquiryFailed(
            f"Cannot read the audit trail in {data_directory / 'audit'}: {error.strerror}."
        ) from None
