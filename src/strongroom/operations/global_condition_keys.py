"""AWS's global condition keys, as far as a request to Strongroom has them.

Source: IAM User Guide, "AWS global condition context keys" (reference_policies_condition-keys), whose
"Availability" says when a key is there; for the principal's, "Principal key values"
(reference_policies_variables).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import (
    Circumstances,
    Look,
    Values,
    render,
    render_instant,
    value_named,
)
from strongroom.operations.iam_condition_keys import (
    IAM_ACTIONS,
    entity_tag,
    request_tag_keys,
    request_tags,
)
from strongroom.resources.identifiers import global_region_of

ABSENT_GLOBAL_KEYS: Final[Mapping[str, str]] = {
    key: reason
    for reason, keys in {
        "there are no organizations": (
            "aws:PrincipalOrgID aws:PrincipalOrgPaths aws:ResourceOrgID aws:ResourceOrgPaths aws:SourceOrgID"
            " aws:SourceOrgPaths aws:VpceOrgID aws:VpceOrgPaths aws:AssumedRoot"
        ),
        "there are no VPC endpoints": (
            "aws:SourceVpc aws:SourceVpcArn aws:SourceVpce aws:VpceAccount aws:VpcSourceIp"
        ),
        "there are no MFA devices": "aws:MultiFactorAuthAge",
        "set by a service of AWS that is not part of Strongroom": (
            "aws:CalledViaAWSMCP aws:ChatbotSourceArn aws:Ec2InstanceSourcePrivateIPv4"
            " aws:Ec2InstanceSourceVpc aws:IsMcpServiceAction aws:SignInSessionArn aws:ViaAWSMCPService"
            " codebuild:BuildArn codebuild:ProjectArn ec2:RoleDelivery ec2:SourceInstanceArn"
            " glue:CredentialIssuingService glue:RoleAssumedBy identitystore:UserId"
            " lambda:SourceFunctionArn ssm:SourceInstanceArn"
        ),
    }.items()
    for key in keys.split()
}
"""Why no request has them. What a policy says of them is decided as for any absent key."""

_PRINCIPAL_TYPES = {
    PrincipalType.ROOT: "Account",
    PrincipalType.IAM_USER: "User",
    PrincipalType.ASSUMED_ROLE: "AssumedRole",
}
_TAGGING_ACTIONS = frozenset({"kms:CreateKey", "kms:TagResource"})


def _principal_account(asked: Circumstances) -> Values:
    return render(asked.principal.account_id or None)


def _principal_type(asked: Circumstances) -> Values:
    return render(_PRINCIPAL_TYPES.get(asked.principal.type))


def _user_id(asked: Circumstances) -> Values:
    """The account id of a root, AIDA... of a user, AROA...:session of a role."""
    principal = asked.principal
    return None if principal.type is PrincipalType.AWS_SERVICE else (principal.principal_id,)


def _user_name(asked: Circumstances) -> Values:
    """Only users have one; also in sessions from GetSessionToken."""
    principal = asked.principal
    return (principal.arn.rsplit("/", 1)[1],) if principal.type is PrincipalType.IAM_USER else None


def _is_service(asked: Circumstances) -> Values:
    return render(asked.principal.type is PrincipalType.AWS_SERVICE)


def _service_name(asked: Circumstances) -> Values:
    principal = asked.principal
    return (principal.arn,) if principal.type is PrincipalType.AWS_SERVICE else None


def _issued_at(asked: Circumstances) -> Values:
    session = asked.principal.session
    return None if session is None else render_instant(session.issued_at)


def _source_identity(asked: Circumstances) -> Values:
    session = asked.principal.session
    return None if session is None else render(session.source_identity)


def _federated_provider(asked: Circumstances) -> Values:
    session = asked.principal.session
    return None if session is None else render(session.federated_provider)


def _mfa_present(asked: Circumstances) -> Values:
    """With temporary credentials only, a service's for its caller among them; not for federated ones."""
    session, forwarding = asked.principal.session, asked.principal.forwarding
    if session is not None and session.federated_provider is not None:
        return None
    return None if session is None and forwarding is None else ("false",)


def _source_ip(asked: Circumstances) -> Values:
    """The peer of the connection, never what a header says. Through a service, the caller's is not known."""
    return None if asked.principal.forwarding is not None else render(asked.http.source_ip or None)


def _header(name: bytes) -> Look:
    def look(asked: Circumstances) -> Values:
        value = asked.http.fields.get(name)
        return None if value is None else (value.decode("latin-1"),)

    return look


def _requested_region(asked: Circumstances) -> Values:
    """ReplicateKey needs kms:CreateKey and kms:TagResource in the replica's Region. IAM has one Region."""
    if asked.action.startswith(IAM_ACTIONS):
        return (global_region_of(asked.authenticated.region),)
    if asked.is_about_new_key:
        return (getattr(asked.request, "replica_region", asked.authenticated.region),)
    return (asked.authenticated.region,)


def _resource_account(asked: Circumstances) -> Values:
    return _principal_account(asked) if asked.key is None else (asked.key.account_id,)


def _called_via(asked: Circumstances) -> Values:
    forwarding = asked.principal.forwarding
    return None if forwarding is None else (forwarding.service_principal,)


def _tag_pairs(asked: Circumstances) -> list[tuple[str, str]]:
    if asked.action.startswith(IAM_ACTIONS):
        return request_tags(asked.request)
    if asked.action not in _TAGGING_ACTIONS:
        return []
    return [(tag.tag_key, tag.tag_value) for tag in asked.request.tags or ()]


def _tag_keys(asked: Circumstances) -> Values:
    if asked.action.startswith(IAM_ACTIONS):
        return request_tag_keys(asked.request)
    if asked.action == "kms:UntagResource":
        return tuple(asked.request.tag_keys) or None
    return tuple(key for key, _ in _tag_pairs(asked)) or None


def request_tag(asked: Circumstances, lower_name: str) -> Values:
    """aws:RequestTag/<key>. The key's case does not count, the value's does."""
    return value_named(_tag_pairs(asked), lower_name)


def resource_tag(asked: Circumstances, lower_name: str) -> Values:
    """aws:ResourceTag/<key>: what the resource is tagged with, or will be ("in requests that create a
    resource with an attached tag")."""
    if asked.action.startswith(IAM_ACTIONS):
        return entity_tag(asked, lower_name)
    if asked.key is not None:
        return value_named(asked.key.tags.items(), lower_name)
    return value_named(_tag_pairs(asked), lower_name)


GLOBAL_KEYS: Final[Mapping[str, Look]] = {
    "aws:calledvia": _called_via,
    "aws:calledviafirst": _called_via,
    "aws:calledvialast": _called_via,
    "aws:currenttime": lambda asked: render_instant(asked.now),
    "aws:epochtime": lambda asked: render(int(asked.now.timestamp())),
    "aws:federatedprovider": _federated_provider,
    "aws:multifactorauthpresent": _mfa_present,
    "aws:principalaccount": _principal_account,
    "aws:principalisawsservice": _is_service,
    "aws:principalservicename": _service_name,
    "aws:principalservicenameslist": _service_name,
    "aws:principaltype": _principal_type,
    "aws:referer": _header(b"referer"),
    "aws:requestedregion": _requested_region,
    "aws:resourceaccount": _resource_account,
    "aws:securetransport": lambda asked: render(asked.http.secure),
    "aws:sourceaccount": lambda asked: render(asked.principal.source_account),
    "aws:sourcearn": lambda asked: render(asked.principal.source_arn),
    "aws:sourceidentity": _source_identity,
    "aws:sourceip": _source_ip,
    "aws:tagkeys": _tag_keys,
    "aws:tokenissuetime": _issued_at,
    "aws:useragent": _header(b"user-agent"),
    "aws:userid": _user_id,
    "aws:username": _user_name,
    "aws:viaawsservice": lambda asked: render(asked.principal.forwarding is not None),
}
GLOBAL_PREFIXES: Final[Mapping[str, Callable[[Circumstances, str], Values]]] = {
    "aws:requesttag/": request_tag,
    "aws:resourcetag/": resource_tag,
}
