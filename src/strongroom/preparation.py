"""What must hold before a server starts: its data in this version's form, and every file it was told of.

Each refusal is a sentence for the operator, and comes before anything is written.
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from strongroom.attestation.verification import AttestationVerifier
from strongroom.clock import HostClock
from strongroom.config import Settings
from strongroom.external_key_store.backend import (
    build_tls_context,
    show_certificate,
)
from strongroom.federation.key_sets import KeySets, KeySetUnavailable
from strongroom.operations.last_usage import TRACKING_STARTED_SETTING
from strongroom.processes.contexts import (
    PrepareContext,
)
from strongroom.processes.data_directory import SEAL_RECORD_FILE
from strongroom.processes.errors import StartRefused
from strongroom.proxy_settings import ProxySettings
from strongroom.store.interface import StoreUnavailable
from strongroom.store.opening import has_domain_keys, open_store, prepare_database
from strongroom.store.stamps import Stamps, new_stamp_words
from strongroom.wire.http_front import TlsFiles
from strongroom.wire.http_front import build_tls_context as build_server_tls

DATABASE_FILE = "strongroom.db"
ROOT_ACCESS_KEY_SETTING = "root_access_key_id"
ROOT_CERTIFICATE_BYTES_MAX = 1 << 16


def require_seal_record(data_directory: Path) -> None:
    """Where there are keys, a lost seal record must come back from a backup: a new root key opens none.

    Raises: StartRefused.
    """
    record = data_directory / SEAL_RECORD_FILE
    path = data_directory / DATABASE_FILE
    try:
        is_lost = not (record.exists() and record.stat().st_size) and has_domain_keys(path)
    except (OSError, StoreUnavailable):
        return  # the start itself says what is wrong with the directory or the database
    if is_lost:
        raise StartRefused(
            f"The seal record {record} is missing, and without it the keys in {path} cannot be opened: "
            "bring it back from a backup. Nothing was changed."
        )


def run_prepare(context: PrepareContext) -> None:
    settings = context.settings
    assert settings.data_directory is not None  # noqa: S101  (a running server has one)
    path = settings.data_directory / DATABASE_FILE
    load_attestation_roots(settings)  # before anything is written
    build_proxy_tls(settings)
    _require_proxy_files(settings)
    _require_oidc_keys(settings)
    try:
        prepare_database(path)
        asyncio.run(_begin_tracking_usage(path))
        if settings.auth == "strict" and settings.root_access_key_id is None:
            asyncio.run(_require_a_root_access_key(path))
    except StoreUnavailable as error:
        raise StartRefused(f"The database {path} cannot be used: {error}.") from None


async def _begin_tracking_usage(path: Path) -> None:
    """Keys that are older than this database's tracking may have been used before it began."""
    store = open_store(path, Stamps(new_stamp_words()), HostClock())
    try:
        if await store.find_setting(TRACKING_STARTED_SETTING) is None:
            await store.put_setting(TRACKING_STARTED_SETTING, repr(HostClock().epoch_seconds()))
    finally:
        store.close()


def load_attestation_roots(settings: Settings) -> AttestationVerifier:
    """Raises: StartRefused."""
    roots: dict[str, bytes] = {}
    for label, file in settings.attestation_roots:
        try:
            with file.open("rb") as stream:
                roots[label] = stream.read(ROOT_CERTIFICATE_BYTES_MAX + 1)
            AttestationVerifier({label: roots[label]})
        except OSError as error:
            raise StartRefused(f"Cannot read the attestation root {file}: {error.strerror}.") from None
        except ValueError:
            raise StartRefused(
                f"The attestation root {file} must be one certificate in PEM, of an elliptic curve key."
            ) from None
    return AttestationVerifier(roots)


def build_proxy_tls(settings: Settings) -> ssl.SSLContext:
    """Raises: StartRefused."""
    file = settings.xks_ca_file
    try:
        context = build_tls_context(file)
    except ssl.SSLError:
        raise StartRefused(
            f"The certificate authorities in {file} cannot be used: xks_ca_file must be certificates in PEM."
        ) from None
    except OSError as error:
        raise StartRefused(f"Cannot read xks_ca_file {file}: {error.strerror}.") from None
    certificate, key = settings.xks_client_certificate_file, settings.xks_client_key_file
    if certificate is None or key is None:
        return context
    try:
        show_certificate(context, certificate, key)
    except ssl.SSLError:
        raise StartRefused(
            f"xks_client_certificate_file {certificate} and xks_client_key_file {key} cannot be used: they "
            "must be a certificate with its chain and its private key without a passphrase, in PEM."
        ) from None
    except OSError as error:
        raise StartRefused(
            f"Cannot read xks_client_certificate_file {certificate} or xks_client_key_file {key}: "
            f"{error.strerror}."
        ) from None
    return context


def _require_proxy_files(settings: Settings) -> None:
    """Raises: StartRefused."""
    proxy = settings.xks_proxy
    if proxy is None:
        return
    try:
        build_server_tls(proxy_tls_files(proxy))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "not what it should be, in PEM"
        raise StartRefused(
            "The XKS proxy cannot use its tls_certificate_file, tls_key_file or client_ca_file: "
            f"{reason or type(error).__name__}."
        ) from None


def proxy_tls_files(proxy: ProxySettings) -> TlsFiles:
    return TlsFiles(proxy.tls_certificate_file, proxy.tls_key_file, proxy.client_ca_file)


def _require_oidc_keys(settings: Settings) -> None:
    """Raises: StartRefused."""
    try:
        KeySets(dict(settings.oidc_issuers)).require_all()
    except KeySetUnavailable as error:
        raise StartRefused(str(error)) from None


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
