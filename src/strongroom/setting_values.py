"""What a setting may be: from text or a TOML value to what the server works with.

Every parser raises ValueError with words that finish the sentence "Setting NAME ...".
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from strongroom.resources.identifiers import CUSTOMER_ACCOUNT_ID, REGION, Region
from strongroom.resources.request_quota import GROUPS

RequestQuotaSetting: TypeAlias = Literal["off", "aws"] | Mapping[str, float]


def _parse_text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")
    if not value or any(ord(character) < 32 or ord(character) == 127 for character in value):
        raise ValueError("must be text without control characters, and not empty")
    if any("\ud800" <= character <= "\udfff" for character in value):  # bytes that the locale could not read
        raise ValueError("must be text that this locale can read (LC_ALL=C.UTF-8 reads UTF-8)")
    return value


def _whole_number(least: int, most: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,12}", value, re.ASCII):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise ValueError(f"must be a whole number from {least} to {most}")
        return value

    return parse


def _truth(value: object) -> bool:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value)
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _one_of(*words: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise ValueError("must be " + " or ".join(f'"{word}"' for word in words))
        return value

    return parse


def _matching(pattern: re.Pattern[str], description: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            raise ValueError(f"must be {description}")
        return value

    return parse


def _parse_path(value: object) -> Path:
    return Path(os.path.abspath(os.path.expanduser(_parse_text(value))))


def _parse_regions(value: object) -> tuple[Region, ...]:
    names = [name.strip() for name in value.split(",")] if isinstance(value, str) else value
    description = "must be a list of Region names such as eu-central-1"
    if not isinstance(names, list) or not names:
        raise ValueError(description)
    for name in names:
        if not isinstance(name, str) or REGION.fullmatch(name) is None:
            raise ValueError(description)
    return tuple(dict.fromkeys(names))


REQUEST_RATE_MAX = 1_000_000


def _parse_request_quotas(value: object) -> RequestQuotaSetting:
    if value == "off" or value == "aws":  # noqa: PLR1714  (mypy follows the literals)
        return value
    if not isinstance(value, Mapping) or not value:
        raise ValueError('must be "off", "aws", or in a file a table of groups and requests per second')
    for group, rate in value.items():
        if group not in GROUPS:
            raise ValueError(f"has no group {quoted(group)}")
        is_number = isinstance(rate, int | float) and not isinstance(rate, bool)
        if not is_number or not math.isfinite(rate) or not 0 < rate <= REQUEST_RATE_MAX:
            raise ValueError(f"needs for {group} a number of requests per second up to {REQUEST_RATE_MAX}")
    return {group: float(rate) for group, rate in value.items()}


def _parse_attestation_roots(value: object) -> tuple[tuple[str, Path], ...]:
    """A table, or text: LABEL=FILE,LABEL=FILE."""
    description = 'must be a table of labels and files, or text such as "LABEL=FILE,LABEL=FILE"'
    if isinstance(value, str):
        pairs = [part.strip().partition("=") for part in value.split(",")] if value else []
        if len({label for label, _, _ in pairs}) != len(pairs):
            raise ValueError(description)
        value = {label: file for label, _, file in pairs}
    if not isinstance(value, dict):
        raise ValueError(description)
    if not all(_ROOT_LABEL.fullmatch(label) for label in value):
        raise ValueError("must have labels of 1 to 64 letters, digits, dots, dashes and underscores")
    return tuple((label, _parse_path(file)) for label, file in value.items())


def _parse_oidc_issuers(value: object) -> tuple[tuple[str, Path], ...]:
    """A list of tables with url and jwks_file, or text: URL=FILE,URL=FILE."""
    description = 'must be a list of tables with url and jwks_file, or text such as "URL=FILE,URL=FILE"'
    if isinstance(value, str):
        pairs = [part.strip().partition("=") for part in value.split(",")] if value else []
        value = [{"url": url, "jwks_file": file} for url, _, file in pairs]
    if not isinstance(value, list):
        raise ValueError(description)
    issuers: dict[str, Path] = {}
    for one in value:
        if not isinstance(one, dict) or one.keys() != {"url", "jwks_file"}:
            raise ValueError(description)
        url = one["url"]
        if not isinstance(url, str) or _ISSUER.fullmatch(url) is None:
            raise ValueError("must have URLs that begin with https:// and are written as the tokens' iss is")
        if url in issuers:
            raise ValueError(f"names {url} twice")
        issuers[url] = _parse_path(one["jwks_file"])
    return tuple(issuers.items())


def _parse_environment(value: object) -> tuple[tuple[str, str], ...]:
    """A table, or text: NAME=VALUE,NAME=VALUE."""
    if isinstance(value, str):
        value = {name: text for name, _, text in (part.strip().partition("=") for part in value.split(","))}
    if not isinstance(value, dict) or not all(
        _VARIABLE.fullmatch(name) and isinstance(text, str) and text.isprintable() and "," not in text
        for name, text in value.items()
    ):
        raise ValueError('must be a table of names and values, or text such as "NAME=VALUE,NAME=VALUE"')
    return tuple(value.items())


_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}", re.ASCII)
_ISSUER = re.compile(r"https://(?:(?![?#])[!-~]){1,247}", re.ASCII)
"""OpenID Connect Discovery: https, no query, no fragment; IAM's limit for a provider's URL is 255."""
_ROOT_LABEL = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

PARSERS: Mapping[str, Callable[[object], Any]] = {
    "host": _parse_text,
    "port": _whole_number(0, 65_535),
    "data_directory": _parse_path,
    "seal_key_file": _parse_path,
    "seal_passphrase_file": _parse_path,
    "seal_pkcs11_module": _parse_path,
    "seal_pkcs11_pin_file": _parse_path,
    "seal_pkcs11_arguments": _parse_text,
    "seal_pkcs11_environment": _parse_environment,
    "seal_kms_endpoint": _matching(
        re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}/?", re.ASCII), "such as https://kms.example.com"
    ),
    "seal_kms_credentials_file": _parse_path,
    "seal_kms_ca_file": _parse_path,
    "deletion_ledger_file": _parse_path,
    "auth": _one_of("open", "strict"),
    "account_id": _matching(CUSTOMER_ACCOUNT_ID, "12 decimal digits that do not begin with 000099"),
    "workers": _whole_number(1, 64),
    "audit": _one_of("durable", "batched"),
    "spare_boundary": _truth,
    "regions": _parse_regions,
    "root_access_key_id": _matching(
        re.compile(r"[A-Za-z0-9_]{3,128}", re.ASCII), "3 to 128 letters, digits or underscores"
    ),
    "attestation_roots": _parse_attestation_roots,
    "oidc_issuers": _parse_oidc_issuers,
    "domain_key_rotation_hours": _whole_number(0, 8_760),
    "backup_retention_days": _whole_number(2, 3_650),
    "rotate_new_keys": _truth,
    "keys_max": _whole_number(1, 10_000_000),
    "request_quotas": _parse_request_quotas,
    "signature_skew_seconds": _whole_number(1, 900),
    "xks_ca_file": _parse_path,
    "xks_private_addresses": _truth,
    "xks_client_certificate_file": _parse_path,
    "xks_client_key_file": _parse_path,
    "xks_health_check_seconds": _whole_number(1, 86_400),
    "xks_port": _whole_number(1, 65_535),
    "xks_timeout_milliseconds": _whole_number(50, 10_000),
    "boundary_user": _matching(
        re.compile(r"[a-z_][a-z0-9_-]{0,31}", re.ASCII), "the name of a user of this host"
    ),
    "require_mlock": _truth,
    "approved_only": _truth,
    "body_bytes_max": _whole_number(16_384, 16_777_216),
    "header_bytes_max": _whole_number(4_096, 1_048_576),
    "connections_max": _whole_number(1, 65_536),
    "request_timeout_seconds": _whole_number(1, 600),
    "keep_alive_seconds": _whole_number(1, 3_600),
    "tls_certificate_file": _parse_path,
    "tls_key_file": _parse_path,
}
"""Every setting but `mode`, with what turns text or a TOML value into it. ValueError says what it must be."""


def quoted(value: object) -> str:
    """For a sentence: never longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
