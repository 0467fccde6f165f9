"""Sentences that were recorded from AWS, letter by letter, and what holds for all of them."""

from __future__ import annotations

import inspect

import pytest

from strongroom.aws import refusals
from strongroom.aws.errors import ApiError

KEY_ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ALIAS_ARN = "arn:aws:kms:eu-central-1:111122223333:alias/x"
ROOT = "arn:aws:iam::111122223333:root"
RESOURCE_FORM = "because no resource-based policy allows the kms:Decrypt action"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (refusals.invalid_key_id("key_id"), "NotFoundException", "Invalid keyId 'key_id'"),
        (refusals.invalid_arn("us-east-1"), "NotFoundException", "Invalid arn us-east-1"),
        (refusals.key_not_found(KEY_ARN), "NotFoundException", f"Key '{KEY_ARN}' does not exist"),
        (refusals.alias_not_found(ALIAS_ARN), "NotFoundException", f"Alias {ALIAS_ARN} is not found."),
        (refusals.disabled(KEY_ARN), "DisabledException", f"{KEY_ARN} is disabled."),
        (refusals.pending_import(KEY_ARN), "KMSInvalidStateException", f"{KEY_ARN} is pending import."),
        (refusals.invalid_ciphertext(), "InvalidCiphertextException", None),
        (
            refusals.incorrect_key(),
            "IncorrectKeyException",
            "The key ID in the request does not identify a CMK that can perform this operation.",
        ),
        (
            refusals.invalid_key_usage(KEY_ARN, "SIGN_VERIFY", "Encrypt"),
            "InvalidKeyUsageException",
            f"{KEY_ARN} key usage is SIGN_VERIFY which is not valid for Encrypt.",
        ),
        (
            refusals.algorithm_incompatible("HMAC_SHA_256", "HMAC_224"),
            "InvalidKeyUsageException",
            "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224.",
        ),
        (refusals.number_of_bytes_required(), "ValidationException", "NumberOfBytes is required."),
        (
            refusals.key_spec_or_number_of_bytes(),
            "ValidationException",
            "Please specify either number of bytes or key spec.",
        ),
        (
            refusals.usage_incompatible("KEY_AGREEMENT", "RSA_2048"),
            "ValidationException",
            "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
        ),
        (
            refusals.dry_run_succeeded(),
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        ),
        (refusals.too_many_tags(), "TagException", "Too many tags"),
        (refusals.duplicate_tag_keys(), "TagException", "Duplicate tag keys"),
        (refusals.reserved_tags(), "TagException", "Tags beginning with aws: are reserved"),
        (
            refusals.origin_not_valid(KEY_ARN, "AWS_KMS"),
            "UnsupportedOperationException",
            f"{KEY_ARN} origin is AWS_KMS which is not valid for this operation.",
        ),
        (
            refusals.access_denied_by_resource(ROOT, "kms:Decrypt", KEY_ARN),
            "AccessDeniedException",
            f"User: {ROOT} is not authorized to perform: kms:Decrypt on resource: {KEY_ARN} {RESOURCE_FORM}",
        ),
        (
            refusals.ciphertext_key_inaccessible(),
            "AccessDeniedException",
            "The ciphertext refers to a customer master key that does not exist, does not exist in this "
            "region, or you are not allowed to access.",
        ),
    ],
    ids=lambda value: value.code if isinstance(value, ApiError) else "",
)
def test_refusal_recorded_from_aws_is_said_letter_by_letter(
    error: ApiError, code: str, message: str | None
) -> None:
    """Source: the tags in aws/refusals.py; [LS] and [GH] only."""
    assert (error.code, error.message, error.status) == (code, message, 400)


@pytest.mark.parametrize(
    ("member", "camel"),
    [("key_id", "keyId"), ("ciphertext_blob", "ciphertextBlob"), ("KeyId", "keyId"), ("marker", "marker")],
)
def test_null_member_is_named_in_lower_camel_case(member: str, camel: str) -> None:
    assert refusals.null_member(member).message == (
        f"1 validation error detected: Value null at '{camel}' failed to satisfy constraint: "
        "Member must not be null"
    )


def test_refusals_every_one_is_a_client_error_but_the_services_own_faults() -> None:
    faults = {"internal", "dependency_timeout", "key_unavailable"}
    found = {
        name: make
        for name, make in vars(refusals).items()
        if inspect.isfunction(make) and not name.startswith("_")
    }
    assert len(found) > 50
    for name, make in found.items():
        error = make(*("x" for _ in inspect.signature(make).parameters))
        assert isinstance(error, ApiError)
        assert error.status == (500 if name in faults else 400), name
        assert make.__doc__, name
