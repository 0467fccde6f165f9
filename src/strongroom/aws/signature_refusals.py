"""Every sentence said to a caller whose signature is not accepted, and where it comes from.

AWS KMS answers all of these with HTTP 400 and a plain `__type` (no namespace). The figures 403 and 404
of the "Common errors" pages belong to the Query and REST protocols: `as_query_error` gives those.

Sources, as named below:
[KMS-cpp]   github.com/aws/aws-sdk-cpp issue 1681: raw answer of AWS KMS, HTTP 400, x-amz-json-1.1,
            {"__type":"InvalidSignatureException","message":"The request signature we calculated ..."}
[KMS-js]    github.com/aws/aws-sdk-js issue 2340 and aws-sdk-js-v3 issue 6400: AWS KMS, the 5-minute window
[KMS-llm]   github.com/BerriAI/litellm issue 6637: AWS KMS Encrypt, a token that is not the key's
[KMS-java]  github.com/aws/aws-encryption-sdk-java issue 9: AWS KMS, an unknown access key id
[Kinesis]   mhart/kinesalite test/connection.js, recorded from Kinesis (AWS JSON 1.1 as KMS): HTTP 400
[DynamoDB]  mhart/dynalite index.js, raw answers of DynamoDB (2013) and the order of the checks
[EMR]       github.com/aws/aws-sdk-ruby issue 431: AWS JSON 1.1, HTTP 400
[2024]      answers of AWS front ends since 2024 that give the header's digest, not the header
[KMS-boto]  github.com/boto/boto3 issue 1127, getsops/sops issue 621: AWS KMS Decrypt, HTTP 400
[docs]      AWS "Common errors" pages (CloudSearch, RDS, EMR, DocumentDB)
[own]       no recorded sentence of AWS was found; ours, in AWS's manner
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime

from strongroom.aws.errors import ApiError

INCOMPLETE = "IncompleteSignatureException"
INVALID = "InvalidSignatureException"
MISSING = "MissingAuthenticationTokenException"
UNRECOGNIZED = "UnrecognizedClientException"
EXPIRED = "ExpiredTokenException"
ACCESS_DENIED = "AccessDeniedException"

_QUERY_ERRORS = {
    INCOMPLETE: ("IncompleteSignature", 400),
    INVALID: ("SignatureDoesNotMatch", 403),
    MISSING: ("MissingAuthenticationToken", 403),
    UNRECOGNIZED: ("InvalidClientTokenId", 403),
    ACCESS_DENIED: ("AccessDenied", 403),
    "ThrottlingException": ("Throttling", 400),
}
_INTERNAL = "KMSInternalException"


def as_query_error(error: ApiError, is_authenticated: bool) -> ApiError:
    """The same refusal as STS and IAM (AWS Query, XML) name it; any other error unchanged.

    Of callers that are not authenticated, an expired session token is ExpiredToken; a web identity token
    that expired is ExpiredTokenException in STS's own model, and stays it.
    Source: [docs] for names and statuses; SignatureDoesNotMatch 403 as STS answers it.
    """
    if error.code == _INTERNAL:
        return ApiError(
            "InternalFailure",
            "The request processing has failed because of an unknown error, exception or failure.",
            500,
        )
    if error.code == EXPIRED and not is_authenticated:
        return ApiError("ExpiredToken", error.message, 403)
    if error.code not in _QUERY_ERRORS:
        return error
    code, status = _QUERY_ERRORS[error.code]
    return ApiError(code, error.message, status)


def missing_authentication_token() -> ApiError:
    """Neither an Authorization header nor X-Amz-Algorithm. Source: [Kinesis]."""
    return ApiError(MISSING, "Missing Authentication Token")


def signed_twice() -> ApiError:
    """Both forms of a signature in one request. Source: [Kinesis], [DynamoDB]."""
    return ApiError(
        INVALID, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    )


def parameter_without_value(authorization: bytes) -> ApiError:
    """A part of the Authorization header is no key=value pair. Source: [2024], from DynamoDB and others.

    Secrets: the older form repeats the header, which may hold a credential; the digest cannot leak one.
    """
    return ApiError(
        INCOMPLETE,
        "Invalid key=value pair (missing equal-sign) in Authorization header "
        f"(hashed with SHA-256 and encoded with Base64): '{_digest(authorization)}'.",
    )


def incomplete_header(missing: Sequence[str], has_date: bool, authorization: bytes) -> ApiError:
    """Parts of the Authorization header, or the date, are missing: all of them in one message.

    Source: [Kinesis] for sentences and order; [2024] for the digest in place of the header.
    """
    sentences = [f"Authorization header requires '{name}' parameter. " for name in missing]
    if not has_date:
        sentences.append(
            "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
        )
    hashed = f"(Hashed with SHA-256 and encoded with Base64) Authorization={_digest(authorization)}"
    return ApiError(INCOMPLETE, "".join(sentences) + hashed)


def incomplete_query(missing: Sequence[str]) -> ApiError:
    """Parameters of a presigned request are missing or empty. Source: [Kinesis]."""
    sentences = "".join(f"AWS query-string parameters must include '{name}'. " for name in missing)
    return ApiError(INCOMPLETE, sentences + "Re-examine the query-string parameters.")


def malformed_expires() -> ApiError:
    """X-Amz-Expires is no number from 1 to 604800. Source: [own]; the bounds from the SigV4 documentation."""
    return ApiError(INCOMPLETE, "X-Amz-Expires must be a number of seconds from 1 to 604800.")


def malformed_date(text: str) -> ApiError:
    """The request's date is not ISO 8601 basic format. Source: [DynamoDB]."""
    return ApiError(
        INCOMPLETE,
        f"Date must be in ISO-8601 'basic format'. Got '{text[:64]}'. See http://en.wikipedia.org/wiki/ISO_8601",
    )


def signature_expired(signed_at: int, now: int, window_seconds: int) -> ApiError:
    """The date is too old. Units: epoch seconds. Source: [KMS-js]."""
    return ApiError(
        INVALID,
        f"Signature expired: {_instant(signed_at)} is now earlier than {_instant(now - window_seconds)} "
        f"({_instant(now)} - {_window(window_seconds)})",
    )


def signature_not_yet_current(signed_at: int, now: int, window_seconds: int) -> ApiError:
    """The date lies too far ahead. Units: epoch seconds. Source: aws-sdk-go issue 2194 (Kinesis)."""
    return ApiError(
        INVALID,
        f"Signature not yet current: {_instant(signed_at)} is still later than "
        f"{_instant(now + window_seconds)} ({_instant(now)} + {_window(window_seconds)})",
    )


def host_not_signed() -> ApiError:
    """SignedHeaders lacks host. Source: [DynamoDB], with ':authority' as front ends say since HTTP/2."""
    return ApiError(INVALID, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")


def unsupported_algorithm(algorithm: str) -> ApiError:
    """Not AWS4-HMAC-SHA256: SigV4A (AWS4-ECDSA-P256-SHA256), say. Source: [DynamoDB], trailing blank too."""
    return ApiError(
        INCOMPLETE, f"Unsupported AWS 'algorithm': '{algorithm[:64]}' (only AWS4-HMAC-SHA256 for now). "
    )


def malformed_credential(credential: str) -> ApiError:
    """The Credential has not five elements. Source: [DynamoDB]."""
    return ApiError(
        INCOMPLETE,
        "Credential must have exactly 5 slash-delimited elements, "
        f"e.g. keyid/date/region/service/term, got '{credential[:256]}'",
    )


def region_sentence() -> str:
    """Part of `wrong_scope`. Source: STS and Lambda today; [DynamoDB] in 2013 added `, not '<region>'`."""
    return "Credential should be scoped to a valid region. "


def service_sentence(service: str) -> str:
    """Part of `wrong_scope`. Source: [EMR], trailing blank too."""
    return f"Credential should be scoped to correct service: '{service}'. "


def terminator_sentence(terminator: str) -> str:
    """Part of `wrong_scope`. Source: [DynamoDB]."""
    return f"Credential should be scoped with a valid terminator: 'aws4_request', not '{terminator[:64]}'. "


def scope_date_sentence(scope_date: str, signed_at: int) -> str:
    """Part of `wrong_scope`. Units: epoch seconds. Source: [DynamoDB]."""
    instant = _instant(signed_at)
    return (
        "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        f"'{scope_date[:64]}' != '{instant[:8]}', from '{instant}'."
    )


def wrong_scope(sentences: Sequence[str]) -> ApiError:
    """The credential scope is not for this service, Region or day: all faults in one message.

    Source: [DynamoDB], [EMR].
    """
    return ApiError(INVALID, "".join(sentences))


def unrecognized_access_key() -> ApiError:
    """No active access key has this id. Source: [KMS-java], [DynamoDB], final dot included."""
    return ApiError(UNRECOGNIZED, "The security token included in the request is invalid.")


def unrecognized_session_token() -> ApiError:
    """A session token that is not this access key's, or came with a long-term one. Source: [KMS-llm],
    [DynamoDB]: no final dot here."""
    return ApiError(UNRECOGNIZED, "The security token included in the request is invalid")


def expired_session_token() -> ApiError:
    """The session is over. Source: [KMS-boto]; as ExpiredToken from STS and IAM (aws-iot-twinmaker-samples
    issue 147)."""
    return ApiError(EXPIRED, "The security token included in the request is expired")


def header_not_signed(name: str) -> ApiError:
    """A header that must be signed is not. Source: [own], in the manner of the host's sentence."""
    return ApiError(INVALID, f"'{name}' must be a 'SignedHeader' in the AWS Authorization.")


def malformed_forwarding(name: str) -> ApiError:
    """A header in which an integrated service says for whom it calls is not of its form. Source: [own]."""
    return ApiError(INCOMPLETE, f"'{name}' is malformed.")


def forwarding_by_no_service() -> ApiError:
    """Somebody else than an integrated service says that it calls for another. Source: [own]."""
    return ApiError(ACCESS_DENIED, "Only an integrated service may make requests for another caller.")


def forwarded_caller_unknown() -> ApiError:
    """An integrated service calls for somebody who is not there. Source: [own]."""
    return ApiError(ACCESS_DENIED, "The caller for whom the request is made does not exist.")


def from_a_web_page(field: str) -> ApiError:
    """A development server takes any credentials, so no web page may call it: one that points its own name
    at this machine need not ask the browser first. Source: [own]."""
    return ApiError(ACCESS_DENIED, f"Requests from web pages are refused (header field {field}).")


def forwarding_to_iam() -> ApiError:
    """An integrated service calls IAM for another caller. Source: [own]."""
    return ApiError(ACCESS_DENIED, "An integrated service cannot call IAM for another caller.")


def signature_does_not_match() -> ApiError:
    """The signature is not that of this request under the caller's secret. Source: [KMS-cpp].

    AWS once added the canonical string and the string to sign; KMS does not (2021).
    """
    return ApiError(
        INVALID,
        "The request signature we calculated does not match the signature you provided. Check your AWS "
        "Secret Access Key and signing method. Consult the service documentation for details.",
    )


def _digest(authorization: bytes) -> str:
    return base64.b64encode(hashlib.sha256(authorization).digest()).decode()


def _instant(epoch_seconds: int) -> str:
    text = datetime.fromtimestamp(epoch_seconds, UTC).isoformat()[:19]  # strftime pads no early years
    return text.replace("-", "").replace(":", "") + "Z"


def _window(seconds: int) -> str:
    return f"{seconds} sec." if seconds % 60 else f"{seconds // 60} min."
