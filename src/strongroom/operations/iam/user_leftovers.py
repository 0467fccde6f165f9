"""What a user has on AWS and never here: a password, MFA devices, certificates, SSH keys, other credentials.

Tools that read or delete a user (Terraform's force_destroy, aws-nuke) ask for all of them, so they are
answered truly: there are none.
"""

from __future__ import annotations

from strongroom.aws import iam_refusals
from strongroom.aws.generated import iam_shapes as shapes
from strongroom.operations.context import Call
from strongroom.operations.entities import named_or_calling_user
from strongroom.operations.entity_pages import read_marker
from strongroom.operations.operation import EntityTarget, Operation, records
from strongroom.resources.iam import EntityKind

_ROOT = "root"


async def list_mfa_devices(
    call: Call, request: shapes.ListMFADevicesRequest
) -> shapes.ListMFADevicesResponse:
    await _require_none(call, "ListMFADevices", request)
    return shapes.ListMFADevicesResponse(mfa_devices=[], is_truncated=False)


async def list_signing_certificates(
    call: Call, request: shapes.ListSigningCertificatesRequest
) -> shapes.ListSigningCertificatesResponse:
    await _require_none(call, "ListSigningCertificates", request)
    return shapes.ListSigningCertificatesResponse(certificates=[], is_truncated=False)


async def list_ssh_public_keys(
    call: Call, request: shapes.ListSSHPublicKeysRequest
) -> shapes.ListSSHPublicKeysResponse:
    await _require_none(call, "ListSSHPublicKeys", request)
    return shapes.ListSSHPublicKeysResponse(ssh_public_keys=[], is_truncated=False)


async def list_service_specific_credentials(
    call: Call, request: shapes.ListServiceSpecificCredentialsRequest
) -> shapes.ListServiceSpecificCredentialsResponse:
    """With AllUsers, of every user of the account: none either."""
    await _require_none(call, "ListServiceSpecificCredentials", request)
    return shapes.ListServiceSpecificCredentialsResponse(service_specific_credentials=[], is_truncated=False)


async def get_login_profile(
    call: Call, request: shapes.GetLoginProfileRequest
) -> shapes.GetLoginProfileResponse:
    user = await named_or_calling_user(call, request.user_name)
    raise iam_refusals.no_such_login_profile(_ROOT if user is None else user.name)


async def _require_none(
    call: Call,
    listing: str,
    request: shapes.ListMFADevicesRequest
    | shapes.ListSigningCertificatesRequest
    | shapes.ListSSHPublicKeysRequest
    | shapes.ListServiceSpecificCredentialsRequest,
) -> None:
    """The user must be there, and no marker of this listing was ever given. Raises NoSuchEntity,
    ValidationError."""
    await named_or_calling_user(call, request.user_name)
    await read_marker(call, listing, request.marker)


def _of_user(action: str) -> tuple[EntityTarget, ...]:
    return (EntityTarget(action, EntityKind.USER, "user_name", is_caller_if_absent=True),)


LIST_MFA_DEVICES = Operation(
    service="iam",
    name="ListMFADevices",
    input=shapes.ListMFADevicesRequest,
    output=shapes.ListMFADevicesResponse,
    check=None,
    access=_of_user("iam:ListMFADevices"),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "max_items"),
    response_records=(),
    run=list_mfa_devices,
)

LIST_SIGNING_CERTIFICATES = Operation(
    service="iam",
    name="ListSigningCertificates",
    input=shapes.ListSigningCertificatesRequest,
    output=shapes.ListSigningCertificatesResponse,
    check=None,
    access=_of_user("iam:ListSigningCertificates"),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "max_items"),
    response_records=(),
    run=list_signing_certificates,
)

LIST_SSH_PUBLIC_KEYS = Operation(
    service="iam",
    name="ListSSHPublicKeys",
    input=shapes.ListSSHPublicKeysRequest,
    output=shapes.ListSSHPublicKeysResponse,
    check=None,
    access=_of_user("iam:ListSSHPublicKeys"),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "max_items"),
    response_records=(),
    run=list_ssh_public_keys,
)

LIST_SERVICE_SPECIFIC_CREDENTIALS = Operation(
    service="iam",
    name="ListServiceSpecificCredentials",
    input=shapes.ListServiceSpecificCredentialsRequest,
    output=shapes.ListServiceSpecificCredentialsResponse,
    check=None,
    access=_of_user("iam:ListServiceSpecificCredentials"),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name", "service_name", "all_users", "max_items"),
    response_records=(),
    run=list_service_specific_credentials,
)

GET_LOGIN_PROFILE = Operation(
    service="iam",
    name="GetLoginProfile",
    input=shapes.GetLoginProfileRequest,
    output=shapes.GetLoginProfileResponse,
    check=None,
    access=_of_user("iam:GetLoginProfile"),
    states=None,
    usage=None,
    read_only=True,
    records=records("user_name"),
    response_records=(),
    run=get_login_profile,
)

OPERATIONS = (
    LIST_MFA_DEVICES,
    LIST_SIGNING_CERTIFICATES,
    LIST_SSH_PUBLIC_KEYS,
    LIST_SERVICE_SPECIFIC_CREDENTIALS,
    GET_LOGIN_PROFILE,
)
