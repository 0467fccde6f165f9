"""What is judged of a signed request before its body is read: is it for an operation that there is here?"""

from __future__ import annotations

from collections.abc import Iterable

from strongroom.aws import query_refusals, refusals, signature_refusals
from strongroom.aws.query_services import QUERY_SERVICES
from strongroom.identity.principal import AuthenticatedRequest
from strongroom.operations.plan import Plan
from strongroom.operations.session_limits import require_session_may_call
from strongroom.resources.identifiers import Region, partition_of

_DEFAULT_PARTITIONS = frozenset({"aws"})


class Admission:
    """The part of the road between the signature and the request's members.

    `regions` are those that KMS is served in, None for all. `takes_anyone`: nobody's signature is verified
    (development), so nothing can be dodged by naming another partition.
    """

    def __init__(
        self, not_built: Iterable[tuple[str, str]], regions: frozenset[Region] | None, *, takes_anyone: bool
    ) -> None:
        self._not_built = frozenset(not_built)
        self._regions = regions
        self._partitions: frozenset[str] | None
        if regions is not None:
            self._partitions = frozenset(map(partition_of, regions))
        else:
            self._partitions = None if takes_anyone else _DEFAULT_PARTITIONS

    def require_plan(
        self, plan: Plan | None, service: str, name: str, authenticated: AuthenticatedRequest
    ) -> Plan:
        """The operation that the caller may go on to. Raises ApiError."""
        # INVARIANT T1: what a service is trusted with must not become credentials that outlive the trust.
        if service == "iam" and authenticated.principal.forwarding is not None:
            raise signature_refusals.forwarding_to_iam()
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
        if authenticated.principal.session is not None:
            require_session_may_call(authenticated.principal, plan.operation)
        if service in QUERY_SERVICES:
            self._require_partition(plan, authenticated)
        return plan

    def _require_partition(self, plan: Plan, authenticated: AuthenticatedRequest) -> None:
        """INVARIANT T5."""
        served = self._partitions
        if served is not None and plan.operation.access and partition_of(authenticated.region) not in served:
            raise signature_refusals.wrong_scope([signature_refusals.region_sentence()])
