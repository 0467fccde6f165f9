"""The table [xks_proxy] of a configuration file: which keys are offered as external keys, where and to whom.

Raises ValueError with words that finish the sentence "Setting xks_proxy ...", as setting_values.py does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.resources.identifiers import REGION, KeyId, Region, is_key_id, parse_kms_arn
from strongroom.resources.proxied_key import EXTERNAL_KEY_ID, USAGES, ProxiedKey
from strongroom.setting_values import PARSERS, REQUEST_RATE_MAX, quoted

API_PATH: Final = "/kms/xks/v1"
URI_PATH_CHARACTERS_MAX: Final = 128
KEYS_MAX: Final = 10_000
_PREFIX = re.compile(r"(/[A-Za-z0-9_-]+)*", re.ASCII)
_CLIENT_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySettings:
    """How the external key store proxy runs. No member holds a secret."""

    tls_certificate_file: Path
    tls_key_file: Path
    keys: Mapping[str, ProxiedKey]
    """By external key id."""
    region: Region
    """Of keys that are named by their id alone, and of the proxy's own health checks."""
    host: str = "127.0.0.1"
    port: int = 8443
    uri_path_prefix: str = ""
    client_ca_file: Path | None = None
    """Certificate authorities (PEM) of clients: with them, no client is served without a certificate."""
    client_names: tuple[str, ...] = ()
    """The common names that a client's certificate may have."""
    requests_per_second: float | None = None
    """Of each credential; beyond it a request gets ThrottlingException. None: as many as it can."""

    @property
    def uri_path(self) -> str:
        """XksProxyUriPath."""
        return self.uri_path_prefix + API_PATH

    @property
    def tls_files(self) -> tuple[Path, ...]:
        """Certificate and key of the proxy, and its clients' authorities, if it has them."""
        files = (self.tls_certificate_file, self.tls_key_file)
        return files if self.client_ca_file is None else (*files, self.client_ca_file)


def parse_xks_proxy(value: object) -> ProxySettings:
    """The table, judged as a whole. Raises ValueError."""
    if not isinstance(value, Mapping):
        raise ValueError("must be a table in a configuration file")
    for name in value:
        if name != "keys" and name not in _PARSERS:
            raise ValueError(f"has no setting {quoted(name)}; it knows keys, {', '.join(_PARSERS)}")
    for name in ("tls_certificate_file", "tls_key_file", "keys", "region"):
        if name not in value:
            raise ValueError(f"needs {name}")
    parsed: dict[str, Any] = {}
    for name, parse in _PARSERS.items():
        if name in value:
            try:
                parsed[name] = parse(value[name])
            except ValueError as reason:
                raise ValueError(f"has {name}, which {reason}") from None
    parsed["keys"] = _parse_keys(value["keys"], parsed["region"])
    settings = ProxySettings(**parsed)
    if (settings.client_ca_file is None) != (not settings.client_names):
        raise ValueError("needs client_ca_file and client_names together, or neither")
    return settings


def _parse_prefix(value: object) -> str:
    if not isinstance(value, str) or _PREFIX.fullmatch(value) is None:
        raise ValueError("must be empty or like /tenant-1: letters, digits, dashes, underscores, slashes")
    if len(value + API_PATH) > URI_PATH_CHARACTERS_MAX:
        raise ValueError(f"must have at most {URI_PATH_CHARACTERS_MAX - len(API_PATH)} characters")
    return value


def _parse_region(value: object) -> Region:
    if not isinstance(value, str) or REGION.fullmatch(value) is None:
        raise ValueError("must be a Region name such as eu-central-1")
    return Region(value)


def _parse_requests_per_second(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 1 <= value <= REQUEST_RATE_MAX:
        return float(value)
    raise ValueError(f"must be a number of requests per second from 1 to {REQUEST_RATE_MAX}")


def _parse_client_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("must be a list of names such as cks.kms.eu-central-1.amazonaws.com")
    for name in value:
        if not isinstance(name, str) or _CLIENT_NAME.fullmatch(name) is None:
            raise ValueError("must be a list of names such as cks.kms.eu-central-1.amazonaws.com")
    return tuple(value)


def _parse_keys(value: object, region: Region) -> Mapping[str, ProxiedKey]:
    if not isinstance(value, Mapping) or not 1 <= len(value) <= KEYS_MAX:
        raise ValueError(f"needs in keys 1 to {KEYS_MAX} external key ids, each with a key ARN or key id")
    keys: dict[str, ProxiedKey] = {}
    for external_id, named in value.items():
        if EXTERNAL_KEY_ID.fullmatch(external_id) is None:
            raise ValueError(
                f"has in keys {quoted(external_id)}: an external key id has 1 to 128 letters, digits, dots, "
                "dashes and underscores"
            )
        usages: object = list(USAGES)
        if isinstance(named, Mapping):
            if not named.keys() <= {"key", "usages"} or "key" not in named:
                raise ValueError(f"has for {external_id} a table that is not of key and usages")
            usages = named.get("usages", usages)
            named = named["key"]  # noqa: PLW2901
        if not isinstance(usages, list) or any(usage not in USAGES for usage in usages):
            raise ValueError(f"has for {external_id} usages other than {' and '.join(USAGES)}")
        keys[external_id] = _parse_key(external_id, named, region, tuple(usages))
    return keys


def _parse_key(external_id: str, named: object, region: Region, usages: tuple[str, ...]) -> ProxiedKey:
    arn = parse_kms_arn(named) if isinstance(named, str) and named.startswith("arn:") else None
    if isinstance(named, str) and arn is not None and arn.resource.startswith("key/"):
        key_id = arn.resource.removeprefix("key/")
        if is_key_id(key_id):
            return ProxiedKey(Region(arn.region), KeyId(key_id), usages, named)
    elif isinstance(named, str) and is_key_id(named):
        return ProxiedKey(region, KeyId(named), usages)
    raise ValueError(f"has for {external_id} {quoted(named)}: it must be a key ARN or a key id, no alias")


_PARSERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "host": PARSERS["host"],
    "port": PARSERS["port"],
    "tls_certificate_file": PARSERS["tls_certificate_file"],
    "tls_key_file": PARSERS["tls_key_file"],
    "uri_path_prefix": _parse_prefix,
    "region": _parse_region,
    "client_ca_file": PARSERS["tls_certificate_file"],
    "client_names": _parse_client_names,
    "requests_per_second": _parse_requests_per_second,
}
