"""What the credentials of GetSessionToken cannot call.

Source: GetSessionToken in the STS API reference: no IAM API operations "unless MFA authentication information
is included in the request", and no STS ones "except AssumeRole or GetCallerIdentity". There is no MFA.
"""

from __future__ import annotations

from typing import Final

from strongroom.aws import sts_refusals
from strongroom.identity.principal import AuthenticatedPrincipal, PrincipalType
from strongroom.operations.operation import Operation

_STS_ALLOWED: Final = frozenset({"AssumeRole", "GetCallerIdentity"})


def require_session_may_call(principal: AuthenticatedPrincipal, operation: Operation) -> None:
    """Refuse IAM, and nearly all of STS, to sessions of users and roots. Roles' are not limited so."""
    if principal.session is None or operation.service == "kms":
        return
    if principal.type not in (PrincipalType.ROOT, PrincipalType.IAM_USER):
        return
    if operation.service == "iam":
        raise sts_refusals.no_iam_with_session_credentials()
    if operation.name not in _STS_ALLOWED:
        raise sts_refusals.not_with_session_credentials(operation.name)
