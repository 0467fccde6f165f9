"""Who is calling, proven by the caller with a presigned request to STS, as Vault's and EKS's logins do it.

The client signs `sts:GetCallerIdentity` with its own credentials and sends us the signed query; we send it
on and believe what STS answers. Its secret never comes here. The header `x-storage-server` is part of what is
signed and names us, so what was signed for another service is of no use here, nor ours there.
"""

from __future__ import annotations

import urllib.error
import urllib.request
from dataclasses import dataclass, field
from urllib.parse import parse_qs
from xml.etree import ElementTree

QUERY_CHARACTERS_MAX = 8192
LIFETIME_SECONDS_MAX = 900


class UnknownCaller(Exception):
    """The proof is none."""


@dataclass(frozen=True)
class Caller:
    """A user, role session or root, as STS knows it."""

    account_id: str
    user_id: str
    """UserId of GetCallerIdentity."""
    arn: str
    session: str | None = field(repr=False)
    """`<access key id>/<session token>` of temporary credentials: a role's rights are its session's."""

    def forwarding_headers(self) -> dict[str, str]:
        """How Strongroom is told for whom a request is made."""
        headers = {"X-Strongroom-Acting-For": f"{self.account_id}/{self.user_id}"}
        if self.session is not None:
            headers["X-Strongroom-Acting-For-Session"] = self.session
        return headers


class Callers:
    """Asks STS. `endpoint` is STS's; `server_name` is ours."""

    def __init__(self, endpoint: str, server_name: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._server_name = server_name

    def identify(self, query: str) -> Caller:
        """The caller who signed this query. Raises UnknownCaller."""
        signed = _require_caller_identity(query)
        request = urllib.request.Request(  # noqa: S310  (our own endpoint)
            f"{self._endpoint}/?{query}", headers={"x-storage-server": self._server_name}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                document = ElementTree.fromstring(answer.read(65536))  # noqa: S314  (our own STS's)
        except (urllib.error.HTTPError, ElementTree.ParseError) as error:
            raise UnknownCaller("STS does not know the caller.") from error
        found = {name: document.findtext(f".//{{*}}{name}") or "" for name in ("Account", "UserId", "Arn")}
        if not all(found.values()):
            raise UnknownCaller("STS does not know the caller.")
        token, access_key_id = signed["X-Amz-Security-Token"], signed["X-Amz-Credential"].split("/")[0]
        session = f"{access_key_id}/{token}" if token else None
        return Caller(found["Account"], found["UserId"], found["Arn"], session)


def _require_caller_identity(query: str) -> dict[str, str]:
    """Only this one question is passed on to STS, and only where it was signed for us."""
    if len(query) > QUERY_CHARACTERS_MAX or not query.isascii() or not query.isprintable() or " " in query:
        raise UnknownCaller("The proof is malformed.")
    parameters = parse_qs(query, keep_blank_values=True)
    names = ("Action", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Credential", "X-Amz-Security-Token")
    told = {name: parameters.get(name, [""]) for name in names}
    if any(len(values) != 1 for values in told.values()):
        raise UnknownCaller("The proof says something twice.")
    signed = {name: values[0] for name, values in told.items()}
    expires = signed["X-Amz-Expires"]
    if (
        signed["Action"] != "GetCallerIdentity"
        or "x-storage-server" not in signed["X-Amz-SignedHeaders"].split(";")
        or not (expires.isdigit() and int(expires) <= LIFETIME_SECONDS_MAX)
    ):
        raise UnknownCaller("The proof is not a GetCallerIdentity signed for this server.")
    return signed
