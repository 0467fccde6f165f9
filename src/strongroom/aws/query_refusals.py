"""What IAM and STS say of a request that is no good as such, and what they call common errors.

Sentences on members that break the model are made in wire/validation.py.

Sources, as named below:
[SMP]  aws/session-manager-plugin issue 116 and others: an answer of AWS STS, namespace AWSFault included
[CE]   "Common errors" of the IAM and STS API references: names and statuses
[AAL]  aws-azure-login/aws-azure-login pull request 30: AWS STS answers MalformedInput for a DurationSeconds
       that is no number; the sentence was not recorded
[own]  no recorded sentence of AWS was found; ours, in AWS's manner
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError
from strongroom.aws.query_services import QUERY_SERVICES

INVALID_ACTION = "InvalidAction"


def invalid_action(action: str, version: str) -> ApiError:
    """The service has no operation of this name, or this server does not have it (docs/divergences.md)."""
    return ApiError(INVALID_ACTION, f"Could not find operation {action} for version {version}")  # [SMP]


def unknown_action(service: str, action: str) -> ApiError:
    """The same, said by `service`. Source: [SMP]."""
    version = QUERY_SERVICES[service].version
    return invalid_action(action, version)


def malformed_query_string() -> ApiError:
    """The body is no form, is not UTF-8, or has too many fields."""
    return ApiError("MalformedQueryString", "The query string contains a syntax error.")  # [CE], 404 there


def malformed_parameter_name() -> ApiError:
    """A name is used as a value and as a structure, is nested too deep, or has an empty part."""
    return ApiError("MalformedInput", "A parameter name of the request is malformed.")  # [own]


def malformed_value(parameter: str, kind: str) -> ApiError:
    """A value that cannot be read as what the model wants. Secrets: the value is not repeated."""
    return ApiError(
        "MalformedInput", f"The parameter {parameter} is not a valid {kind}."
    )  # [AAL] for the code


def from_a_web_page(field: str) -> ApiError:
    """A development server takes any credentials, so no web page may send it a form."""
    return ApiError(  # [own]
        "AccessDenied", f"Requests from web pages are refused (header field {field}).", 403
    )
