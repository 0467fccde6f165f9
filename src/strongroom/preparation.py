"""What must hold before a server starts: its data in this version's form, and every file it was told of.

Each refusal is a sentence for the operator, and comes before anything is written.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from strongroom.boundary.domain_key_anchor import parse_anchor, parse_vouched
from strongroom.boundary.key_hierarchy import Token, is_in_pkcs11_token, parse_token
from strongroom.boundary.seal_format import parse_seal
from strongroom.clock import HostClock
from strongroom.config import Settings
from strongroom.operations.last_usage import TRACKING_STARTED_SETTING
from strongroom.processes.contexts import PrepareContext
from strongroom.processes.data_directory import ANCHOR_FILE, SEAL_RECORD_FILE, read_domain_key_anchor
from strongroom.processes.errors import StartRefused
from strongroom.store.interface import StoreUnavailable
from strongroom.store.opening import load_domain_key_tokens, open_store, prepare_database, remove_log
from strongroom.store.stamps import Stamps, new_stamp_words
from strongroom.trust_files import (
    build_proxy_client_tls,
    load_attestation_roots,
    load_cluster_places,
    require_oidc_keys,
    require_proxy_files,
    require_server_files,
)

DATABASE_FILE = "strongroom.db"
ROOT_ACCESS_KEY_SETTING = "root_access_key_id"


def require_seal_record(data_directory: Path) -> None:
    """Where there are keys, the seal record must be theirs: another root key opens none, and what a server
    made under it meanwhile would be lost when the right one is brought back.

    Raises: StartRefused.
    """
    record = data_directory / SEAL_RECORD_FILE
    path = data_directory / DATABASE_FILE
    try:
        root_key_ids = {parse_token(token).header.wrapping_key_id for token in load_domain_key_tokens(path)}
        content = record.read_bytes() if record.exists() else b""
        slots = parse_seal(content) if content else ()
    except (OSError, StoreUnavailable, ValueError):
        return  # the start itself says what is wrong with the directory, the record or the database
    if root_key_ids and not slots:
        raise StartRefused(
            f"The seal record {record} is missing, and without it the keys in {path} cannot be opened: "
            "bring it back from a backup. Nothing was changed."
        )
    for number, slot in enumerate(slots, 1):
        if root_key_ids and slot.check not in root_key_ids:
            raise StartRefused(
                f"Slot {number} of the seal record {record} is of another root key than the keys in {path}: "
                "bring the record back that belongs to them, from the same backup. Nothing was changed."
            )


def require_newest_domain_keys(data_directory: Path) -> None:
    """The database must have the newest domain keys that are known: one without them is an older one.

    The anchor is not authenticated here: the boundary does that, and keeps to it whatever this says.
    Raises: StartRefused.
    """
    path = data_directory / DATABASE_FILE
    anchor = read_domain_key_anchor(data_directory)
    if not anchor:
        return
    newest: dict[str, int] = {}
    try:
        vouched = parse_vouched(parse_anchor(anchor)[0])
        for token in load_domain_key_tokens(path):
            header = parse_token(token).header
            newest[header.region] = max(newest.get(header.region, 0), header.generation)
    except (OSError, StoreUnavailable, ValueError, RecursionError):
        return  # the start itself says what is wrong
    for region, known in vouched.items():
        if newest.get(region, 0) < known.newest:
            raise StartRefused(
                f"The database {path} is an older one: it lacks domain key {known.newest} of {region}, which "
                f"{data_directory / ANCHOR_FILE} knows. Put an older database in place with strongroom "
                "restore: it deletes again what was deleted since. Nothing was changed."
            )


def require_same_module(settings: Settings, data_directory: Path) -> None:
    """The newest domain keys must be where the settings say: in a PKCS#11 token, or in none.

    Made for the other, no key opens, and those that a server makes meanwhile do not open afterwards.
    Raises: StartRefused.
    """
    path = data_directory / DATABASE_FILE
    newest: dict[str, Token] = {}
    try:
        for token in map(parse_token, load_domain_key_tokens(path)):
            known = newest.get(token.header.region)
            if known is None or known.header.generation < token.header.generation:
                newest[token.header.region] = token
    except (OSError, StoreUnavailable, ValueError):
        return  # the start itself says what is wrong
    for token in newest.values():
        if is_in_pkcs11_token(token) is (settings.pkcs11 is None):
            raise StartRefused(
                f"The keys in {path} are in a PKCS#11 token, and the settings name none: bring the table "
                "[pkcs11] back. Nothing was changed."
                if settings.pkcs11 is None
                else f"The keys in {path} were made without a PKCS#11 token, and do not open with one: leave "
                "the table [pkcs11] out, or name a new data directory. Nothing was changed."
            )


def run_prepare(context: PrepareContext) -> None:
    """Raises: StartRefused."""
    settings = context.settings
    assert settings.data_directory is not None  # noqa: S101  (a running server has one)
    path = settings.data_directory / DATABASE_FILE
    load_attestation_roots(settings)  # before anything is written
    load_cluster_places(settings)
    build_proxy_client_tls(settings)
    require_server_files(settings)
    require_proxy_files(settings)
    require_oidc_keys(settings)
    try:
        prepare_database(path)
        asyncio.run(_begin_tracking_usage(path))
        if settings.auth == "strict" and settings.root_access_key_id is None:
            asyncio.run(_require_a_root_access_key(path))
    except StoreUnavailable as error:
        raise StartRefused(f"The database {path} cannot be used: {error}.") from None


def run_finish(settings: Settings) -> None:
    """Leave the database as one file, when all others have ended."""
    assert settings.data_directory is not None  # noqa: S101  (a server that ran had one)
    remove_log(settings.data_directory / DATABASE_FILE)


async def _begin_tracking_usage(path: Path) -> None:
    """Keys that are older than this database's tracking may have been used before it began."""
    store = open_store(path, Stamps(new_stamp_words()), HostClock())
    try:
        if await store.find_setting(TRACKING_STARTED_SETTING) is None:
            await store.put_setting(TRACKING_STARTED_SETTING, repr(HostClock().epoch_seconds()))
    finally:
        store.close()


async def _require_a_root_access_key(path: Path) -> None:
    store = open_store(path, Stamps(new_stamp_words()), HostClock())
    try:
        if await store.find_setting(ROOT_ACCESS_KEY_SETTING) is None:
            raise StartRefused(
                "Nobody could sign a request: for the first start, set STRONGROOM_ROOT_ACCESS_KEY_ID and "
                "STRONGROOM_ROOT_SECRET_ACCESS_KEY in the environment."
            )
    finally:
        store.close()
