"""Files by which others are known: certificates, authorities, key sets. Read, or refused with a sentence."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.attestation.verification import AttestationVerifier
from strongroom.config import Settings
from strongroom.external_key_store.backend import build_tls_context, show_certificate
from strongroom.external_key_store.https_client import HttpsClient
from strongroom.federation.key_sets import KeySets, KeySetUnavailable
from strongroom.hsm.backend import ClusterPlace, load_trust_anchor
from strongroom.processes.errors import StartRefused
from strongroom.renewed_files import OpenFile, RenewedFiles
from strongroom.wire.tls import TlsFiles
from strongroom.wire.tls import build_tls_context as build_server_tls

if TYPE_CHECKING:
    from strongroom.wire.http_front import HttpFront

ROOT_CERTIFICATE_BYTES_MAX = 1 << 16


def load_attestation_roots(settings: Settings) -> AttestationVerifier:
    """The verifier of attestation documents. Raises: StartRefused."""
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


def load_cluster_places(settings: Settings) -> dict[str, ClusterPlace]:
    """Whose the HSM clusters are, and their trust anchors. Raises: StartRefused."""
    places: dict[str, ClusterPlace] = {}
    for name, cluster in settings.cloudhsm_clusters.items():
        file = cluster.trust_anchor_file
        try:
            anchor = load_trust_anchor(file)
        except OSError as error:
            raise StartRefused(f"Cannot read trust_anchor_file {file} of {name}: {error.strerror}.") from None
        except ValueError:
            raise StartRefused(f"trust_anchor_file {file} of {name} must be a certificate in PEM.") from None
        places[name] = ClusterPlace(cluster.account_id or settings.account_id, cluster.region, anchor)
    return places


def build_proxy_client_tls(settings: Settings) -> ssl.SSLContext:
    """How external key store proxies are spoken to. Raises: StartRefused."""
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


def proxy_client_tls_when_needed(settings: Settings) -> Callable[[], ssl.SSLContext]:
    """Made at the first use, for it takes memory; at once where it is of files, which a confined process
    cannot open."""
    if not settings.xks_client_files:
        return partial(build_proxy_client_tls, settings)
    context = build_proxy_client_tls(settings)
    return lambda: context


def renewals_of(
    settings: Settings, client: HttpsClient, front: HttpFront | None, open_file: OpenFile
) -> list[RenewedFiles]:
    """What a process of requests or of jobs reads again."""
    renewals = []
    if front is not None and settings.tls_files:
        renewals.append(renewed_server_files(settings.tls_files, front, open_file))
    if settings.xks_client_files:
        renewals.append(_renewed_proxy_client_files(settings, client, open_file))
    return renewals


def renewed_server_files(files: Sequence[Path], front: HttpFront, open_file: OpenFile) -> RenewedFiles:
    """What a front speaks TLS with, read again. Shape of `files`: as `tls_files` of its settings."""
    return RenewedFiles(files, open_file, lambda paths: front.renew_tls(TlsFiles(*paths)))


def _renewed_proxy_client_files(settings: Settings, client: HttpsClient, open_file: OpenFile) -> RenewedFiles:
    def use(paths: list[Path]) -> None:
        context = build_tls_context(None if settings.xks_ca_file is None else paths[0])
        if settings.xks_client_certificate_file is not None:
            show_certificate(context, *paths[-2:])
        client.renew_tls(context)

    return RenewedFiles(settings.xks_client_files, open_file, use)


def require_server_files(settings: Settings) -> None:
    """The certificate and the key that clients are spoken to with. Raises: StartRefused."""
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if certificate is None or key is None:
        return
    for name, file in (("tls_certificate_file", certificate), ("tls_key_file", key)):
        try:
            file.open("rb").close()
        except OSError as error:
            raise StartRefused(f"Cannot read {name} {file}: {error.strerror}.") from None
    try:
        build_server_tls(TlsFiles(certificate, key))
    except (OSError, ssl.SSLError):
        raise StartRefused(
            f"tls_certificate_file {certificate} and tls_key_file {key} cannot be used: they must be a "
            "certificate with its chain and its private key without a passphrase, in PEM."
        ) from None


def require_proxy_files(settings: Settings) -> None:
    """The certificates of our own external key store proxy, if there is one. Raises: StartRefused."""
    proxy = settings.xks_proxy
    if proxy is None:
        return
    try:
        build_server_tls(TlsFiles(*proxy.tls_files))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "not what it should be, in PEM"
        raise StartRefused(
            "The XKS proxy cannot use its tls_certificate_file, tls_key_file or client_ca_file: "
            f"{reason or type(error).__name__}."
        ) from None


def require_oidc_keys(settings: Settings) -> None:
    """The key sets of web identity issuers can be read. Raises: StartRefused."""
    try:
        asyncio.run(KeySets(dict(settings.oidc_issuers)).require_all())
    except KeySetUnavailable as error:
        raise StartRefused(str(error)) from None
