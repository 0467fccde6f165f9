"""Settings of the server: read once at start, from four places, the nearer one winning.

    flag  >  environment STRONGROOM_*  >  TOML file  >  default of the mode

A setting that nobody knows, or a value out of its range, refuses to start: a server that guesses
what its operator meant about security guesses wrong. The root user's secret access key is not a
setting: see cli/root_secret.py.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NoReturn, TypeAlias

from strongroom.cluster_settings import ClusterSettings, parse_clusters
from strongroom.proxy_settings import ProxySettings, parse_xks_proxy
from strongroom.resources.identifiers import AccessKeyId, AccountId, Region
from strongroom.setting_values import PARSERS, RequestQuotaSetting, quoted
from strongroom.token_settings import TokenSettings, parse_pkcs11

Mode: TypeAlias = Literal["dev", "serve"]
Auth: TypeAlias = Literal["open", "strict"]
AuditMode: TypeAlias = Literal["durable", "batched"]

ROOT_SECRET_VARIABLE = "STRONGROOM_ROOT_SECRET_ACCESS_KEY"  # noqa: S105  the name, not the secret
ROOT_SECRET_FD_VARIABLE = "STRONGROOM_ROOT_SECRET_FD"  # noqa: S105
ENVIRONMENT_PREFIX = "STRONGROOM_"
FILE_BYTES_MAX = 1 << 20
DEFAULT_ACCOUNT_ID = AccountId("000000000000")
ALL_PARSERS: Mapping[str, Callable[[object], Any]] = {
    **PARSERS,
    "xks_proxy": parse_xks_proxy,
    "cloudhsm_clusters": parse_clusters,
    "pkcs11": parse_pkcs11,
}
"""Every setting but `mode`, with what turns text or a TOML value into it."""


class ConfigurationError(Exception):
    """A setting is unknown, malformed, or does not go with another. One sentence, fit to be printed."""

    exit_code = 253


class FlagError(ConfigurationError):
    """The same, when the value came from the command line."""

    exit_code = 252


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How this server runs. No member holds a secret, so a repr of it may be logged."""

    mode: Mode
    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free port."""
    data_directory: Path | None
    """None: a temporary directory that is removed at exit (development only)."""
    seal_key_file: Path | None
    """Opens the root key. None only while `data_directory` is None: it will be inside."""
    seal_passphrase_file: Path | None = None
    """A passphrase that opens the seal at the start: a file for the server's user alone, or /dev/fd/N."""
    seal_pkcs11_module: Path | None = None
    """The library of the PKCS #11 token that opens the seal at the start."""
    seal_pkcs11_pin_file: Path | None = None
    """The token's PIN, in a file for the server's user alone."""
    seal_pkcs11_arguments: str | None = None
    """What the library needs to start (NSS)."""
    seal_pkcs11_environment: tuple[tuple[str, str], ...] = ()
    """What the library reads from its environment, such as SOFTHSM2_CONF."""
    seal_kms_endpoint: str | None = None
    """Another KMS that opens the seal at the start, such as https://kms.eu-central-1.amazonaws.com."""
    seal_kms_credentials_file: Path | None = None
    """Whom that KMS is called as: the section [default], as AWS's tools have it."""
    seal_kms_ca_file: Path | None = None
    """Certificate authorities (PEM) of that KMS, instead of the system's."""
    deletion_ledger_file: Path | None = None
    """What was deleted, for a restore; None: in the data directory. Better on another disk."""
    auth: Auth
    """`open` takes every signature for that of the account's root user (development only)."""
    account_id: AccountId = DEFAULT_ACCOUNT_ID
    workers: int
    audit: AuditMode
    """`durable`: no answer before its record is on disk. `batched`: on disk within 5 ms."""
    spare_boundary: bool | None = None
    """Whether a second boundary, tested and without a key, waits for the first to die: 35 MB, for a return
    within milliseconds. None: in production, and wherever an operator had to open the seal."""
    regions: tuple[Region, ...] | None = None
    """The Regions that are served; None: every Region."""
    root_access_key_id: AccessKeyId | None = None
    signature_skew_seconds: int = 300
    attestation_roots: tuple[tuple[str, Path], ...] = ()
    """Root certificates (PEM) of attestation documents, by the label that the audit trail will show.

    Empty: a request with a Recipient is refused.
    """
    oidc_issuers: tuple[tuple[str, Path], ...] = ()
    """The issuers whose web identity tokens can be verified: URL, and the file with its JSON Web Key Set."""
    domain_key_rotation_hours: int = 24
    """How long a domain key wraps exported key tokens before another one follows; 0: none does."""
    backup_retention_days: int = 35
    """How long backups may be restored: retired domain keys are kept so long."""
    rotate_new_keys: bool = True
    """New customer managed symmetric keys rotate every year; AWS's own default is that they do not."""
    keys_max: int = 100_000
    """Customer managed keys of an account in a Region, in any state."""
    request_quotas: RequestQuotaSetting = "off"
    """`aws`: AWS's request quotas of each Region. A table: requests per second by group; none for others."""
    xks_ca_file: Path | None = None
    """Certificate authorities (PEM) of external key store proxies, instead of the system's."""
    xks_private_addresses: bool = False
    """Whether external key store proxies may have addresses that are not public: anybody who may create a
    custom key store could have this server connect to hosts of its own network."""
    xks_port: int = 443
    """The TCP port of external key store proxies; XksProxyUriEndpoint has none."""
    xks_timeout_milliseconds: int = 250
    """For one request to an external key store proxy in all: name, connection, TLS, answer. AWS's is 250."""
    boundary_user: str | None = None
    """The user that the boundary runs as, when the server is started as root; it must be had. None: a user id
    that nobody else has, if it can be had."""
    require_mlock: bool = False
    """Refuse to start unless the boundary's memory can be kept out of swap."""
    approved_only: bool = False
    """Refuse key specs whose algorithms are not FIPS-approved. That does not make a validated module."""
    xks_client_certificate_file: Path | None = None
    """Shown to external key store proxies that ask for a certificate (PEM, with its chain)."""
    xks_client_key_file: Path | None = None
    xks_health_check_seconds: int = 300
    """How often connected external key stores are asked for their health."""
    xks_proxy: ProxySettings | None = None
    """Some keys of this server offered as external keys to other services; None: none are."""
    cloudhsm_clusters: Mapping[str, ClusterSettings] = field(default_factory=dict)
    """PKCS#11 tokens that custom key stores of type AWS_CLOUDHSM can have, by cluster id."""
    pkcs11: TokenSettings | None = None
    """The PKCS#11 token that holds all keys; None: they are in the boundary's memory."""
    body_bytes_max: int = 524_288
    """The largest legal request carries an attestation document of 349,528 bytes in base64."""
    header_bytes_max: int = 65_536
    connections_max: int = 1024
    """Open connections of one worker."""
    request_timeout_seconds: int = 30
    keep_alive_seconds: int = 75
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None

    def in_directory(self, data_directory: Path) -> Settings:
        """The same settings once the data directory is known."""
        seal_key_file = self.seal_key_file or data_directory / "seal.key"
        return replace(self, data_directory=data_directory, seal_key_file=seal_key_file)

    @property
    def secure(self) -> bool:
        """Whether the server speaks TLS."""
        return self.tls_certificate_file is not None

    @property
    def tls_files(self) -> tuple[Path, ...]:
        """Certificate and key of the server, if it has them."""
        return _given(self.tls_certificate_file, self.tls_key_file)

    @property
    def xks_client_files(self) -> tuple[Path, ...]:
        """Authorities, certificate and key with which external key store proxies are spoken to, if given."""
        return _given(self.xks_ca_file, self.xks_client_certificate_file, self.xks_client_key_file)


def _given(*files: Path | None) -> tuple[Path, ...]:
    return tuple(file for file in files if file is not None)


def _defaults(mode: Mode) -> dict[str, Any]:
    if mode == "dev":
        return {"data_directory": None, "auth": "open", "workers": 1, "audit": "batched"}
    return {
        "data_directory": Path("/var/lib/strongroom"),
        "seal_key_file": Path("/etc/strongroom/seal.key"),
        "auth": "strict",
        "workers": min(64, len(os.sched_getaffinity(0))),
        "audit": "durable",
    }


def load_settings(
    mode: Mode,
    *,
    flags: Mapping[str, str],
    environment: Mapping[str, str],
    file: Path | None,
    root_secret_given: bool = False,
) -> Settings:
    """Read the settings of a server.

    Shape: `flags` maps names of settings to the text that was given on the command line.
    Raises: ConfigurationError, with a sentence that names the setting and where its value came from.
    """
    values = _defaults(mode)
    values.update(_from_file(file) if file is not None else {})
    if mode == "dev" and "PORT" in environment:  # what launchers of development servers set
        values["port"] = _parse("port", environment["PORT"], "environment variable PORT")
    values.update(_from_environment(environment))
    for name, text in flags.items():
        values[name] = _parse(name, text, f"flag {_flag(name)}", FlagError)
    if values["data_directory"] is not None:
        values.setdefault("seal_key_file", values["data_directory"] / "seal.key")
    values.setdefault("seal_key_file", None)
    settings = Settings(mode=mode, **values)
    _require_consistent(settings, root_secret_given)
    return settings


FLAG_NAMES = {"data_directory": "--data-dir", "account_id": "--account"}


def _flag(name: str) -> str:
    return FLAG_NAMES.get(name, "--" + name.replace("_", "-"))


def _parse(
    name: str, value: object, source: str, error: type[ConfigurationError] = ConfigurationError
) -> Any:
    try:
        return ALL_PARSERS[name](value)
    except ValueError as reason:
        # INVARIANT C1: whoever mixes up the two root variables must not find the secret in a log.
        # Of a table, the reason says which value it is.
        is_shown = name != "root_access_key_id" and not isinstance(value, dict)
        shown = f", not {quoted(value)}" if is_shown else ""
        raise error(f"Setting {name} ({source}) {reason}{shown}.") from None


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable in sorted(environment):
        if not variable.startswith(ENVIRONMENT_PREFIX):
            continue
        if variable in (ROOT_SECRET_VARIABLE, ROOT_SECRET_FD_VARIABLE):
            continue
        name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
        if name not in ALL_PARSERS or variable != ENVIRONMENT_PREFIX + name.upper():
            known = [ENVIRONMENT_PREFIX + known.upper() for known in ALL_PARSERS] + [ROOT_SECRET_VARIABLE]
            _refuse_unknown("environment variable", variable, known)
        values[name] = _parse(name, environment[variable], f"environment variable {variable}")
    return values


def _from_file(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
        if len(content) > FILE_BYTES_MAX:
            raise ConfigurationError(f"The configuration file {file} is larger than {FILE_BYTES_MAX} bytes.")
        table = tomllib.loads(content.decode())
    except OSError as error:
        raise ConfigurationError(f"Cannot read the configuration file {file}: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigurationError(f"The configuration file {file} is not TOML: {error}.") from None
    for name in table:
        if name == "root_secret_access_key":
            raise ConfigurationError(
                f"The root user's secret access key must not be in a file: take it out of {file} and set "
                f"the environment variable {ROOT_SECRET_VARIABLE}."
            )
        if name not in ALL_PARSERS:
            _refuse_unknown(f"setting in {file}:", name, list(ALL_PARSERS))
    return {name: _parse(name, value, f"in {file}") for name, value in table.items()}


def _refuse_unknown(kind: str, name: str, known: Sequence[str]) -> NoReturn:
    import difflib  # late: only a refusal needs it

    closest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
    raise ConfigurationError(f"Unknown {kind} {name}; the closest one there is is {closest[0]}.")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _require_consistent(settings: Settings, root_secret_given: bool) -> None:
    """INVARIANT C2: `serve` starts only with verified signatures, TLS and a seal key kept apart."""
    if (settings.tls_certificate_file is None) != (settings.tls_key_file is None):
        raise ConfigurationError(
            "Settings tls_certificate_file and tls_key_file go together: give both or none."
        )
    if (settings.seal_pkcs11_module is None) != (settings.seal_pkcs11_pin_file is None):
        raise ConfigurationError(
            "Settings seal_pkcs11_module and seal_pkcs11_pin_file go together: give both or none."
        )
    if (settings.seal_kms_endpoint is None) != (settings.seal_kms_credentials_file is None):
        raise ConfigurationError(
            "Settings seal_kms_endpoint and seal_kms_credentials_file go together: give both or none."
        )
    if (settings.xks_client_certificate_file is None) != (settings.xks_client_key_file is None):
        raise ConfigurationError(
            "Settings xks_client_certificate_file and xks_client_key_file go together: give both or none."
        )
    has_root_id = settings.root_access_key_id is not None
    if has_root_id != root_secret_given:
        raise ConfigurationError(
            f"STRONGROOM_ROOT_ACCESS_KEY_ID and {ROOT_SECRET_VARIABLE} go together: give both or none."
        )
    if settings.mode == "dev":
        if settings.auth == "strict" and not has_root_id:
            raise ConfigurationError(
                "Strict authentication needs someone who may come in: set STRONGROOM_ROOT_ACCESS_KEY_ID "
                f"and {ROOT_SECRET_VARIABLE} in the environment."
            )
        return
    if settings.auth != "strict":
        raise ConfigurationError(
            'strongroom serve verifies every signature: auth must be "strict" (strongroom dev may be open).'
        )
    if not settings.secure and not is_loopback(settings.host):
        raise ConfigurationError(
            f"strongroom serve does not answer plain HTTP on {settings.host}, where others could listen: "
            "set tls_certificate_file and tls_key_file, or host to 127.0.0.1."
        )
    if settings.seal_key_file is not None and settings.data_directory is not None:
        require_apart(settings.seal_key_file, settings.data_directory)


def require_apart(seal_key_file: Path, data_directory: Path) -> None:
    """The seal key must not lie in the data directory: who copies the one must not get the other.

    Raises: ConfigurationError.
    """
    if Path(os.path.realpath(seal_key_file)).is_relative_to(os.path.realpath(data_directory)):
        raise ConfigurationError(
            f"The seal key file {seal_key_file} is inside the data directory {data_directory}: "
            "whoever copies the data would hold the key to it. Set seal_key_file to a place outside."
        )
