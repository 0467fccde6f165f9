"""The tables [cloudhsm_clusters."cluster-…"] of a configuration file: PKCS#11 tokens that stand for clusters.

Raises ValueError with words that finish the sentence "Setting cloudhsm_clusters ...".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from strongroom.resources.identifiers import CUSTOMER_ACCOUNT_ID, REGION, AccountId, Region
from strongroom.setting_values import PARSERS, quoted

CLUSTERS_MAX: Final = 16
THREADS_MAX: Final = 64
_CLUSTER_ID = re.compile(r"cluster-[2-7a-zA-Z]{11,16}", re.ASCII)
"""As the API takes it: of another one, nobody could make a custom key store."""
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_LOADER_VARIABLES = ("LD_", "PYTHON", "MALLOC_", "GLIBC_")
_TEXT_CHARACTERS_MAX: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSettings:
    """One token. No member holds a secret: the PIN is the KeyStorePassword of the custom key store."""

    module: Path
    """The PKCS#11 module: a shared library."""
    token_label: str
    region: Region
    trust_anchor_file: Path
    """The certificate (PEM) that a custom key store of the cluster must name."""
    account_id: AccountId | None = None
    """Whose cluster it is; None: the account of the server."""
    user: str | None = None
    """For modules that take `USER:PASSWORD` as the PIN, as that of AWS CloudHSM does (`kmsuser`)."""
    init_arguments: str = ""
    """The reserved argument of C_Initialize, for modules that want one."""
    threads: int = 8
    """How many calls of the module may be under way at once; 1 for a module that bears no threads."""
    environment: tuple[tuple[str, str], ...] = ()
    """Variables that the module looks for, such as SOFTHSM2_CONF."""

    def render_start(self) -> bytes:
        """The `I` packet of the cluster's process. Shape: lines NAME TAB VALUE."""
        lines = {
            "module": str(self.module),
            "token_label": self.token_label,
            "user": self.user or "",
            "init_arguments": self.init_arguments,
            "threads": str(self.threads),
            **{f"environment.{name}": value for name, value in self.environment},
        }
        return "\n".join(f"{name}\t{value}" for name, value in lines.items()).encode("utf-8")


def parse_clusters(value: object) -> Mapping[str, ClusterSettings]:
    """The tables by cluster id. Raises ValueError."""
    if not isinstance(value, Mapping) or not 1 <= len(value) <= CLUSTERS_MAX:
        raise ValueError(
            f"must be 1 to {CLUSTERS_MAX} tables in a configuration file, each named by its cluster id"
        )
    clusters: dict[str, ClusterSettings] = {}
    for cluster_id, table in value.items():
        if not isinstance(cluster_id, str) or _CLUSTER_ID.fullmatch(cluster_id) is None:
            raise ValueError(
                f"has {quoted(cluster_id)}: a cluster id is cluster- and 11 to 16 "
                "letters and digits from 2 to 7"
            )
        clusters[cluster_id] = _parse_cluster(cluster_id, table)
    tokens = [(cluster.module, cluster.token_label, cluster.environment) for cluster in clusters.values()]
    if len(set(tokens)) != len(tokens):
        raise ValueError("names one token twice")
    return clusters


def _parse_cluster(cluster_id: str, table: object) -> ClusterSettings:
    if not isinstance(table, Mapping):
        raise ValueError(f"has {cluster_id}, which must be a table")
    for name in table:
        if name not in _PARSERS:
            raise ValueError(f"has in {cluster_id} no setting {quoted(name)}; it knows {', '.join(_PARSERS)}")
    for name in ("module", "token_label", "region", "trust_anchor_file"):
        if name not in table:
            raise ValueError(f"needs {name} for {cluster_id}")
    parsed: dict[str, Any] = {}
    for name, one in table.items():
        try:
            parsed[name] = _PARSERS[name](one)
        except ValueError as reason:
            raise ValueError(f"has for {cluster_id} {name}, which {reason}") from None
    return ClusterSettings(**parsed)


def _parse_text(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= _TEXT_CHARACTERS_MAX or not value.isprintable():
        raise ValueError(f"must be text of 1 to {_TEXT_CHARACTERS_MAX} printable characters")
    return value


def _parse_label(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode("utf-8")) <= 32 or not value.isprintable():
        raise ValueError("must be a label of 1 to 32 bytes")
    return value


def _parse_region(value: object) -> Region:
    if not isinstance(value, str) or REGION.fullmatch(value) is None:
        raise ValueError("must be a Region name such as eu-central-1")
    return Region(value)


def _parse_account(value: object) -> AccountId:
    if not isinstance(value, str) or CUSTOMER_ACCOUNT_ID.fullmatch(value) is None:
        raise ValueError("must be an account id of 12 digits")
    return AccountId(value)


def _parse_threads(value: object) -> int:
    if type(value) is not int or not 1 <= value <= THREADS_MAX:
        raise ValueError(f"must be a number from 1 to {THREADS_MAX}")
    return value


def _parse_environment(value: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, Mapping):
        raise ValueError("must be a table of variables and values")
    for name in value:
        if (
            not isinstance(name, str)
            or _VARIABLE.fullmatch(name) is None
            or name.startswith(_LOADER_VARIABLES)
        ):
            raise ValueError(f"has {quoted(name)}, which is no variable for a PKCS#11 module")
    return tuple((name, _parse_text(one)) for name, one in value.items())


_PARSERS: Final[Mapping[str, Callable[[object], Any]]] = {
    "module": PARSERS["tls_key_file"],
    "token_label": _parse_label,
    "region": _parse_region,
    "trust_anchor_file": PARSERS["tls_certificate_file"],
    "account_id": _parse_account,
    "user": _parse_text,
    "init_arguments": _parse_text,
    "threads": _parse_threads,
    "environment": _parse_environment,
}
