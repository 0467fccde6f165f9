"""The condition keys of AWS KMS: for which permissions each is there, and with what value.

Sources: AWS KMS Developer Guide, "AWS KMS condition keys" (conditions-kms) and "AWS KMS permissions"
(kms-api-permissions-reference); Service Authorization Reference, list_awskeymanagementservice. Where a
member has a default, its condition key has that default when the request leaves the member out ("This type
of condition works even when the parameter doesn't appear in the request"); ExpirationModel and
BypassPolicyLockoutSafetyCheck are documented as absent then (examples with Null).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from strongroom.authorization.ask import TooMuchToCompare
from strongroom.aws.generated.shapes import CreateKeyRequest
from strongroom.identity.principal import PrincipalType
from strongroom.operations.circumstances import (
    Circumstances,
    Look,
    Values,
    constrained_context_of,
    encryption_context_of,
    render,
    value_named,
)
from strongroom.operations.encryption_context import BYTES_MAX
from strongroom.operations.requested_key import requested_spec, requested_usage
from strongroom.resources.identifiers import parse_kms_arn
from strongroom.resources.key import PENDING_WINDOW_DAYS_DEFAULT, Key
from strongroom.resources.rotation_schedule import ROTATION_PERIOD_DAYS_DEFAULT

CONTEXT_PAIRS_MAX = 128
"""Of an encryption context that a policy asks about."""

_PAIRS = ("kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext")
_DATA_KEYS = ("kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", *_PAIRS)
_WITH_ALGORITHM = {
    "kms:Encrypt": "encryption_algorithm",
    "kms:Decrypt": "encryption_algorithm",
    "kms:ReEncryptFrom": "source_encryption_algorithm",
    "kms:ReEncryptTo": "destination_encryption_algorithm",
}
_NAMING_MEMBERS = {"kms:ReEncryptFrom": "source_key_id", "kms:ReEncryptTo": "destination_key_id"}
_NO_CALLER_ACCOUNT = frozenset({"kms:ListRetirableGrants"})
_NO_VIA_SERVICE = frozenset(
    {
        "kms:ConnectCustomKeyStore",
        "kms:CreateCustomKeyStore",
        "kms:DeleteCustomKeyStore",
        "kms:DescribeCustomKeyStores",
        "kms:DisconnectCustomKeyStore",
        "kms:GenerateRandom",
        "kms:ListRetirableGrants",
        "kms:UpdateCustomKeyStore",
    }
)
_REGISTERS = {f"pcr{number}": number for number in range(32)}
_GRANTS_BY_SERVICES = frozenset({"kms:CreateGrant", "kms:ListGrants", "kms:RevokeGrant"})


def _member(name: str, *actions: str, default: str | None = None) -> Look:
    """A member of the request, for these permissions only."""
    only = frozenset(actions)
    absent = None if default is None else (default,)

    def look(asked: Circumstances) -> Values:
        if asked.action not in only:
            return None
        return render(getattr(asked.request, name, None)) or absent

    return look


def _of_key(of_key: Callable[[Key], object], of_request: Callable[[Any], object], replica: object) -> Look:
    """A property of the key that is asked about, or that is to be made.

    `replica` is what a new replica has; None where it has what its primary key has.
    """

    def look(asked: Circumstances) -> Values:
        if asked.key is not None:
            return render(of_key(asked.key))
        if not asked.is_about_new_key:
            return None
        if isinstance(asked.request, CreateKeyRequest):
            return render(of_request(asked.request))
        return render(of_key(asked.keys[0]) if replica is None else replica)

    return look


def _key_type(key: Key) -> str | None:
    if not key.multi_region:
        return None
    return "REPLICA" if key.is_replica else "PRIMARY"


def _caller_account(asked: Circumstances) -> Values:
    if asked.action in _NO_CALLER_ACCOUNT:
        return None
    return render(asked.principal.account_id or None)


def _via_service(asked: Circumstances) -> Values:
    forwarding = asked.principal.forwarding
    if forwarding is None or asked.action in _NO_VIA_SERVICE:
        return None
    return (f"{forwarding.service}.{forwarding.region}.amazonaws.com",)


def _encryption_algorithm(asked: Circumstances) -> Values:
    if asked.action in _DATA_KEYS:
        return ("SYMMETRIC_DEFAULT",)
    member = _WITH_ALGORITHM.get(asked.action)
    if member is None:
        return None
    return render(getattr(asked.request, member)) or ("SYMMETRIC_DEFAULT",)


def _context(asked: Circumstances) -> Mapping[str, str]:
    """Raises TooMuchToCompare."""
    sent = encryption_context_of(asked.action, asked.request)
    context = sent or constrained_context_of(asked.request, asked.grant) or {}
    if len(context) > CONTEXT_PAIRS_MAX or (
        sum(len(name) + len(value) for name, value in context.items()) > BYTES_MAX  # refused later anyway
    ):
        raise TooMuchToCompare
    return context


def encryption_context_value(asked: Circumstances, lower_name: str) -> Values:
    """kms:EncryptionContext:<name>. The name's case does not count, the value's does.

    Source: conditions-kms, "Case sensitivity of the encryption context condition".
    """
    return value_named(_context(asked).items(), lower_name)


def _context_keys(asked: Circumstances) -> Values:
    return tuple(_context(asked)) or None


def _grant_constraint_type(asked: Circumstances) -> Values:
    """One of two: a request or grant with SourceArn alone has none."""
    if asked.grant is not None:
        constraints: Any = asked.grant.constraints
    else:
        constraints = getattr(asked.request, "constraints", None)
    if constraints is None:
        return None
    if constraints.encryption_context_equals is not None:
        return ("EncryptionContextEquals",)
    return None if constraints.encryption_context_subset is None else ("EncryptionContextSubset",)


def _grant_source_arn(asked: Circumstances) -> Values:
    constraints = getattr(asked.request, "constraints", None)
    return None if constraints is None else render(constraints.source_arn)


def _grant_operations(asked: Circumstances) -> Values:
    if asked.action != "kms:CreateGrant":
        return None
    return tuple(operation.value for operation in asked.request.operations)


def _is_for_aws_resource(asked: Circumstances) -> Values:
    if asked.action not in _GRANTS_BY_SERVICES:
        return None
    principal = asked.principal
    return render(principal.forwarding is not None or principal.type is PrincipalType.AWS_SERVICE)


def _alias_in(named: str) -> str | None:
    """`alias/name`, where a key is named by an alias or an alias ARN."""
    arn = parse_kms_arn(named) if named.startswith("arn:") else None
    resource = named if arn is None else arn.resource
    return resource if resource.startswith("alias/") else None


def _request_alias(asked: Circumstances) -> Values:
    named = getattr(asked.request, _NAMING_MEMBERS.get(asked.action, "key_id"), None)
    if asked.key is None or named is None:
        return None
    return render(_alias_in(named))


def measurement(asked: Circumstances, lower_name: str) -> Values:
    """kms:RecipientAttestation:ImageSha384 and :PCR0 to :PCR31, of a Nitro enclave that was verified.

    In lower-case hexadecimal. Source: conditions-nitro-enclaves.
    """
    recipient = asked.recipient
    if recipient is None:
        return None
    if lower_name == "imagesha384":
        return render(recipient.image_digest)
    number = _REGISTERS.get(lower_name)
    return None if number is None else render(recipient.measurement(number))


_SPEC = _of_key(lambda key: key.key_spec, requested_spec, None)
_USAGE = _of_key(lambda key: key.key_usage, requested_usage, None)

KMS_KEYS: Final[Mapping[str, Look]] = {
    "kms:bypasspolicylockoutsafetycheck": _member(
        "bypass_policy_lockout_safety_check", "kms:CreateKey", "kms:PutKeyPolicy"
    ),
    "kms:calleraccount": _caller_account,
    "kms:customermasterkeyspec": _SPEC,
    "kms:customermasterkeyusage": _USAGE,
    "kms:datakeypairspec": _member("key_pair_spec", *_PAIRS),
    "kms:encapsulationalgorithm": _member("encapsulation_algorithm", "kms:Encapsulate", "kms:Decapsulate"),
    "kms:encryptionalgorithm": _encryption_algorithm,
    "kms:encryptioncontextkeys": _context_keys,
    "kms:expirationmodel": _member("expiration_model", "kms:ImportKeyMaterial"),
    "kms:grantconstraintsourcearn": _grant_source_arn,
    "kms:grantconstrainttype": _grant_constraint_type,
    "kms:grantisforawsresource": _is_for_aws_resource,
    "kms:grantoperations": _grant_operations,
    "kms:granteeprincipal": _member("grantee_principal", "kms:CreateGrant"),
    "kms:granteeserviceprincipal": _member("grantee_service_principal", "kms:CreateGrant"),
    "kms:keyagreementalgorithm": _member("key_agreement_algorithm", "kms:DeriveSharedSecret"),
    "kms:keyorigin": _of_key(lambda key: key.origin, lambda made: made.origin or "AWS_KMS", None),
    "kms:keyspec": _SPEC,
    "kms:keyusage": _USAGE,
    "kms:macalgorithm": _member("mac_algorithm", "kms:GenerateMac", "kms:VerifyMac"),
    "kms:messagetype": _member("message_type", "kms:Sign", "kms:Verify", default="RAW"),
    "kms:multiregion": _of_key(lambda key: key.multi_region, lambda made: bool(made.multi_region), None),
    "kms:multiregionkeytype": _of_key(
        _key_type, lambda made: "PRIMARY" if made.multi_region else None, "REPLICA"
    ),
    "kms:primaryregion": _member("primary_region", "kms:UpdatePrimaryRegion"),
    "kms:replicaregion": _member("replica_region", "kms:ReplicateKey"),
    "kms:requestalias": _request_alias,
    "kms:retiringprincipal": _member("retiring_principal", "kms:CreateGrant"),
    "kms:retiringserviceprincipal": _member("retiring_service_principal", "kms:CreateGrant"),
    "kms:rotationperiodindays": _member(
        "rotation_period_in_days", "kms:EnableKeyRotation", default=str(ROTATION_PERIOD_DAYS_DEFAULT)
    ),
    "kms:schedulekeydeletionpendingwindowindays": _member(
        "pending_window_in_days", "kms:ScheduleKeyDeletion", default=str(PENDING_WINDOW_DAYS_DEFAULT)
    ),
    "kms:signingalgorithm": _member("signing_algorithm", "kms:Sign", "kms:Verify"),
    "kms:validto": _member("valid_to", "kms:ImportKeyMaterial"),
    "kms:viaservice": _via_service,
    "kms:wrappingalgorithm": _member("wrapping_algorithm", "kms:GetParametersForImport"),
    "kms:wrappingkeyspec": _member("wrapping_key_spec", "kms:GetParametersForImport"),
}
KMS_PREFIXES: Final[Mapping[str, Callable[[Circumstances, str], Values]]] = {
    "kms:encryptioncontext:": encryption_context_value,
    "kms:recipientattestation:": measurement,
}
