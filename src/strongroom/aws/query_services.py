"""IAM and STS as their models have them: the two services that speak AWS Query, as one kind of data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from strongroom.aws.constraint import ShapeConstraint
from strongroom.aws.generated import iam_constraints, sts_constraints


@dataclass(frozen=True, slots=True)
class QueryService:
    """What the codec, the dispatcher and the tables need to know of one service.

    Shape: `operations` are those with shapes (operation -> input, output or None), `all_operations` the names
    of every one that AWS has. `error_statuses` gives the HTTP status of each error of the model. Outputs of
    the shapes named in `percent_encoded` are written percent-encoded.
    """

    name: str
    version: str
    namespace: str
    operations: Mapping[str, tuple[type[msgspec.Struct], type[msgspec.Struct] | None]]
    all_operations: frozenset[str]
    shapes: Mapping[str, ShapeConstraint]
    error_statuses: Mapping[str, int]
    percent_encoded: frozenset[str]


IAM = QueryService(
    name="iam",
    version=iam_constraints.VERSION,
    namespace="https://iam.amazonaws.com/doc/2010-05-08/",
    operations=iam_constraints.OPERATIONS,
    all_operations=iam_constraints.ALL_OPERATIONS,
    shapes=iam_constraints.SHAPES,
    error_statuses=iam_constraints.ERROR_STATUSES,
    # Source: the pages of GetRole, GetPolicyVersion and others: "the policy returned is URL-encoded compliant
    # with RFC 3986". botocore decodes exactly this shape (handlers.py, decode_quoted_jsondoc).
    percent_encoded=frozenset({"policyDocumentType"}),
)

STS = QueryService(
    name="sts",
    version=sts_constraints.VERSION,
    namespace="https://sts.amazonaws.com/doc/2011-06-15/",
    operations=sts_constraints.OPERATIONS,
    all_operations=sts_constraints.ALL_OPERATIONS,
    shapes=sts_constraints.SHAPES,
    error_statuses=sts_constraints.ERROR_STATUSES,
    percent_encoded=frozenset(),
)

QUERY_SERVICES: Mapping[str, QueryService] = {"iam": IAM, "sts": STS}
