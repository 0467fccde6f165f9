"""What is judged of a signed request before its body is read: is it for an operation that there is here?"""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.aws import query_refusals, refusals, signature_refusals
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.identity.principal import AuthenticatedRequest
from strongroom.operations.iam_partitions import iam_partitions, require_iam_may_be_asked
from strongroom.operations.plan import Plan
from strongroom.operations.rules import Rules
from strongroom.operations.session_limits import require_session_may_call
from strongroom.resources.identifiers import Region


class Admission:
    """The part of the road between the signature and the request's members.

    `regions` are those that KMS is served in, None for all.
    """

    def __init__(
        self, not_built: Iterable[tuple[str, str]], regions: frozenset[Region] | None, rules: Rules
    ) -> None:
        self._not_built = frozenset(not_built)
        self._regions = regions
        self._iam_partitions = iam_partitions(regions, rules)

    def require_plan(
        self, plan: Plan | None, service: str, name: str, authenticated: AuthenticatedRequest
    ) -> Plan:
        """The operation that the caller may go on to. Raises ApiError."""
        if plan is None:
            if service in QUERY_SERVICES:  # whether AWS has it or not
                raise query_refusals.unknown_action(service, name)
            if (service, name) in self._not_built:
                raise refusals.not_built(name)
            raise refusals.unknown_operation()
        # IAM and STS are global: SDKs sign for us-east-1, or for whatever Region they are set to.
        if self._regions is not None and service == "kms" and authenticated.region not in self._regions:
            raise signature_refusals.wrong_scope([signature_refusals.region_sentence()])
        if authenticated.service != service:
            raise signature_refusals.wrong_scope([signature_refusals.service_sentence(service)])
        require_iam_may_be_asked(self._iam_partitions, plan.operation, authenticated)
        if authenticated.principal.session is not None:
            require_session_may_call(authenticated.principal, plan.operation)
        return plan
