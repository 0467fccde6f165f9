"""Every sentence of KMS that refuses a caller, in one place, with where it is known from.

The wire's own sentences (framework validation, signatures) live in wire/ and identity/; they are
said before any rule of KMS.

Source tags in the comments:
  [LS]   LocalStack's recorded answers of AWS (tests/aws/services/kms/test_kms.snapshot.json)
  [M]    AWS's service model (documentation of the operation or exception)
  [DG]   AWS KMS Developer Guide
  [GH]   quoted from AWS in public issues
  [2nd]  other emulators that copied AWS (local-kms, moto)
  [FL]   floci-io/floci pull request 3968 (2026-09), whose tests state answers of KMS in us-east-1
  [nv]   the code is AWS's, the sentence is ours: AWS's was not seen
  [own]  our own refusal of something that AWS does and Strongroom does not build
"""

from __future__ import annotations

from strongroom.aws.errors import ApiError


def _validation(message: str) -> ApiError:
    return ApiError("ValidationException", message)


# ---------------------------------------------------------------- which key or alias


def invalid_key_id(given: str) -> ApiError:
    """The text cannot be a key id."""
    return ApiError("NotFoundException", f"Invalid keyId '{given}'")  # [LS]


def invalid_key_id_in_arn(key_id: str) -> ApiError:
    """A key ARN of this Region whose last part cannot be a key id: no quotes here."""
    return ApiError("NotFoundException", f"Invalid keyId {key_id}")  # [FL]


def alias_not_supported() -> ApiError:
    """An alias where the operation takes a key id or key ARN only."""
    return ApiError("InvalidArnException", "Key Aliases are not supported for this operation.")  # [FL]


def invalid_arn(region: str) -> ApiError:
    """An ARN of another Region; AWS repeats only the Region."""
    return ApiError("NotFoundException", f"Invalid arn {region}")  # [LS]


def key_not_found(key_arn: str) -> ApiError:
    """No such KMS key in the account and Region; a bare id is widened to its ARN."""
    return ApiError("NotFoundException", f"Key '{key_arn}' does not exist")  # [LS]


def alias_not_found(alias_arn: str) -> ApiError:
    """No such alias in the account and Region."""
    return ApiError("NotFoundException", f"Alias {alias_arn} is not found.")  # [GH]


def alias_exists(alias_arn: str) -> ApiError:
    """The alias name is taken in the account and Region."""
    return ApiError("AlreadyExistsException", f"An alias with the name {alias_arn} already exists")  # [2nd]


def alias_prefix() -> ApiError:
    """An alias name that does not begin with alias/."""
    return _validation(  # [LS]
        'Alias must start with the prefix "alias/". '
        "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
    )


def reserved_alias() -> ApiError:
    """alias/aws/ belongs to AWS managed keys; sent without a message."""
    return ApiError("NotAuthorizedException", None)  # [2nd]


def alias_target_of_another_kind() -> ApiError:
    """UpdateAlias to a key of another type or usage."""
    return _validation(  # [nv], after UpdateAlias in [M]
        "The current and new KMS key must be the same type and must have the same key usage."
    )


def too_many_aliases(key_arn: str) -> ApiError:
    """50 aliases already point to the key."""
    return limit_exceeded(f"The limit of aliases has been reached for the KMS key {key_arn}.")  # [nv]


# ---------------------------------------------------------------- key state


def disabled(key_arn: str) -> ApiError:
    """The KMS key is disabled."""
    return ApiError("DisabledException", f"{key_arn} is disabled.")  # [LS] [DG 1]


def pending_deletion(key_arn: str) -> ApiError:
    """The KMS key, or its last replica, waits for its deletion."""
    return _invalid_state(f"{key_arn} is pending deletion.")  # [DG 3, 10]


def not_pending_deletion(key_arn: str) -> ApiError:
    """CancelKeyDeletion of a key whose deletion is not scheduled."""
    return _invalid_state(f"{key_arn} is not pending deletion.")  # [DG 4] [2nd]


def pending_import(key_arn: str) -> ApiError:
    """The KMS key has no key material yet, or no longer."""
    return _invalid_state(f"{key_arn} is pending import.")  # [LS]


def unavailable(key_arn: str) -> ApiError:
    """The custom key store of the KMS key cannot be reached."""
    return _invalid_state(f"{key_arn} is unavailable.")  # [DG 11]


def creating(key_arn: str) -> ApiError:
    """The replica is still being made."""
    return _invalid_state(f"{key_arn} is creating.")  # [DG 14]


def updating(key_arn: str) -> ApiError:
    """The primary Region of the multi-Region key is being changed."""
    return _invalid_state(f"{key_arn} is updating.")  # [DG 15]


def _invalid_state(message: str) -> ApiError:
    return ApiError("KMSInvalidStateException", message)


def pending_window_out_of_range(days: int) -> ApiError:
    """ScheduleKeyDeletion takes 7 to 30 days, although the model takes 1 to 365."""
    del days  # AWS does not repeat it
    return _validation("PendingWindowInDays must be between 7 and 30")  # [GH Skyscanner/kms-issuer#8]


# ---------------------------------------------------------------- kind of key, algorithm, ciphertext


def invalid_key_usage(key_arn: str, usage: str, operation: str) -> ApiError:
    """The key is for something else than the operation does."""
    return ApiError(  # [LS]
        "InvalidKeyUsageException", f"{key_arn} key usage is {usage} which is not valid for {operation}."
    )


def algorithm_incompatible(algorithm: str, key_spec: str) -> ApiError:
    """The key cannot do the algorithm."""
    return ApiError(  # [LS]
        "InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {key_spec}."
    )


def incorrect_key() -> ApiError:
    """Decrypt or ReEncrypt with a KMS key that did not make the ciphertext, or cannot decrypt at all."""
    return ApiError(  # [LS]
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )


def invalid_ciphertext() -> ApiError:
    """Every failed decryption, whatever the reason: sent without a message, so it tells nothing."""
    return ApiError("InvalidCiphertextException", None)  # [LS]


def ciphertext_key_inaccessible() -> ApiError:
    """A ciphertext named the key, and the key is not there, or not in this Region, or not allowed."""
    return ApiError(  # [GH]
        "AccessDeniedException",
        "The ciphertext refers to a customer master key that does not exist, does not exist in this "
        "region, or you are not allowed to access.",
    )


def encryption_context_too_long(bytes_max: int) -> ApiError:
    """The encryption context's canonical form is longer than what can be authenticated."""
    return _validation(f"The encryption context must not be longer than {bytes_max} bytes.")  # [nv]


def encryption_context_not_utf8() -> ApiError:
    """The encryption context holds a lone surrogate, which has no UTF-8 form."""
    return _validation("The encryption context must be valid UTF-8.")  # [nv]


def null_member(member: str) -> ApiError:
    """A member that this request needs is absent; `member` in snake_case or as the model spells it."""
    first, *rest = member.split("_")
    camel = first[:1].lower() + first[1:] + "".join(part.capitalize() for part in rest)
    return _validation(  # [2nd], the framework's form
        f"1 validation error detected: Value null at '{camel}' failed to satisfy constraint: "
        "Member must not be null"
    )


# ---------------------------------------------------------------- data keys and random bytes


def number_of_bytes_required() -> ApiError:
    """GenerateRandom without NumberOfBytes."""
    return _validation("NumberOfBytes is required.")  # [LS]


def key_spec_or_number_of_bytes() -> ApiError:
    """GenerateDataKey takes exactly one of KeySpec and NumberOfBytes."""
    return _validation("Please specify either number of bytes or key spec.")  # [GH nsmithuk/local-kms#6]


# ---------------------------------------------------------------- CreateKey


def key_usage_required() -> ApiError:
    """CreateKey of anything but SYMMETRIC_DEFAULT without KeyUsage."""
    return _validation(  # [LS]
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
    )


def usage_incompatible(usage: str, key_spec: str) -> ApiError:
    """CreateKey with a usage that keys of the spec do not have."""
    return _validation(f"KeyUsage {usage} is not compatible with KeySpec {key_spec}")  # [LS]


def key_spec_twice() -> ApiError:
    """CreateKey with KeySpec and its deprecated name in one request."""
    return _validation(  # [2nd]
        "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. "
        "CustomerMasterKeySpec is deprecated."
    )


def custom_key_store_not_found(custom_key_store_id: str) -> ApiError:
    """No custom key store of that id in the account and Region."""
    return ApiError(  # [nv]
        "CustomKeyStoreNotFoundException", f"Custom key store with ID {custom_key_store_id} cannot be found."
    )


def xks_key_id_needs_external_key_store() -> ApiError:
    """CreateKey with XksKeyId for a key that is not in an external key store."""
    return _validation("XksKeyId is valid only for KMS keys with an Origin of EXTERNAL_KEY_STORE.")  # [nv]


# ---------------------------------------------------------------- tags


def too_many_tags() -> ApiError:
    """More than 50 tags on a key."""
    return ApiError("TagException", "Too many tags")  # [LS]


def duplicate_tag_keys() -> ApiError:
    """One tag key twice in one request."""
    return ApiError("TagException", "Duplicate tag keys")  # [LS]


def reserved_tags() -> ApiError:
    """Tag keys that begin with aws:, in any case of letters."""
    return ApiError("TagException", "Tags beginning with aws: are reserved")  # [LS]


# ---------------------------------------------------------------- key policies


def malformed_policy(reason: str) -> ApiError:
    """The key policy is not one; `reason` never repeats policy text at length."""
    return ApiError("MalformedPolicyDocumentException", reason)  # [nv]; code in [M]


def invalid_policy_principals() -> ApiError:
    """The key policy names a principal that is not the form of one (or that does not exist)."""
    return ApiError(  # [GH, many]
        "MalformedPolicyDocumentException",
        "Policy contains a statement with one or more invalid principals.",
    )


def policy_condition_keys_not_permitted(names: str) -> ApiError:
    """Condition keys that mean nothing in a key policy."""
    return ApiError(  # [GH awsdocs/aws-kms-developer-guide#47]
        "MalformedPolicyDocumentException", f"These condition keys are not permitted in a key policy: {names}"
    )


def policy_lockout() -> ApiError:
    """The caller could not put another key policy afterwards."""
    return ApiError(  # [GH]
        "MalformedPolicyDocumentException",
        "The new key policy will not allow you to update the key policy in the future.",
    )


def policy_too_long(bytes_max: int) -> ApiError:
    """The key policy is longer than 32,768 bytes; the exception is the model's, the sentence ours."""
    return limit_exceeded(f"The key policy must not be longer than {bytes_max} bytes.")  # [M] [nv]


def no_such_policy_name() -> ApiError:
    """A KMS key has one policy, named default."""
    return ApiError("NotFoundException", "No such policy exists")  # [2nd]


def ram_policy() -> ApiError:
    """PutKeyPolicy with the name AWS_RAM."""
    return _validation("The AWS_RAM policy can only be managed by the RAM service.")  # [M]


# ---------------------------------------------------------------- access denied


def access_denied_by_resource(principal_arn: str, action: str, resource: str) -> ApiError:
    """No key policy statement allows it."""
    return _access_denied(  # [GH]
        principal_arn, action, resource, f"because no resource-based policy allows the {action} action"
    )


def access_denied_by_identity(principal_arn: str, action: str, resource: str) -> ApiError:
    """No policy of the caller's own account allows it."""
    return _access_denied(  # [GH]
        principal_arn, action, resource, f"because no identity-based policy allows the {action} action"
    )


def explicitly_denied_by_resource(principal_arn: str, action: str, resource: str) -> ApiError:
    """A key policy statement denies it."""
    return _access_denied(  # [GH, other services]
        principal_arn, action, resource, "with an explicit deny in a resource-based policy"
    )


def _access_denied(principal_arn: str, action: str, resource: str, because: str) -> ApiError:
    return ApiError(
        "AccessDeniedException",
        f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource} {because}",
    )


# ---------------------------------------------------------------- the rest


def dry_run_succeeded() -> ApiError:
    """DryRun of a request that would have succeeded: an error, as in AWS."""
    return ApiError(  # [LS]
        "DryRunOperationException", "The request would have succeeded, but the DryRun option is set."
    )


def invalid_marker() -> ApiError:
    """A marker that this listing did not give."""
    return ApiError("InvalidMarkerException", "Could not deserialize marker")  # [nv]; code in [M]


def limit_exceeded(message: str) -> ApiError:
    """A quota is used up."""
    return ApiError("LimitExceededException", message)


def too_many_keys() -> ApiError:
    """The account has as many KMS keys in the Region as its quota allows."""
    return limit_exceeded("The limit of KMS keys in the account and Region has been reached.")  # [nv]


def throttled() -> ApiError:
    """Too many requests in too short a time."""
    return ApiError(  # [DG]
        "ThrottlingException",
        "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    )


def invalid_grant_token() -> ApiError:
    """A grant token that no grant gave."""
    return ApiError(  # [M]
        "InvalidGrantTokenException",
        "The request was rejected because the specified grant token is not valid.",
    )


def unsupported_operation(message: str | None) -> ApiError:
    """The key or a parameter is not one the operation works with; some come without a message [LS]."""
    return ApiError("UnsupportedOperationException", message)


def origin_not_valid(key_arn: str, origin: str) -> ApiError:
    """The key's origin is not one the operation works with."""
    return unsupported_operation(
        f"{key_arn} origin is {origin} which is not valid for this operation."
    )  # [LS]


def unknown_operation() -> ApiError:
    """The request names no operation of this service; sent without a message."""
    return ApiError("UnknownOperationException", None)  # [nv]


def not_built(what: str) -> ApiError:
    """AWS has it, this server does not (docs/divergences.md)."""
    return unsupported_operation(f"{what} is not supported by this server.")  # [own]


def not_in_token(what: str, lacking: str) -> ApiError:
    """What this server does without a PKCS#11 token, and not with the one it has (docs/divergences.md)."""
    return unsupported_operation(
        f"{what} is not supported with keys in a PKCS #11 token: {lacking}."
    )  # [own]


def internal() -> ApiError:
    """Something in the service failed; the request may be tried again."""
    return ApiError(  # [M]
        "KMSInternalException",
        "The request was rejected because an internal exception occurred. The request can be retried.",
        500,
    )


def dependency_timeout() -> ApiError:
    """A part of the service did not answer in time; the request may be tried again."""
    return ApiError(  # [M]
        "DependencyTimeoutException",
        "The system timed out while trying to fulfill the request. You can retry the request.",
        500,
    )


def key_unavailable() -> ApiError:
    """The boundary cannot be reached; the request may be tried again."""
    return ApiError(  # [M]
        "KeyUnavailableException",
        "The request was rejected because the specified KMS key was not available. "
        "You can retry the request.",
        500,
    )
