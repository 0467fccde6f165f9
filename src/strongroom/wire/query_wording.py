"""How IAM and STS word what is wrong with a request: validation.py's sentences, and those of their own.

Sources:
  SF   mulgadc/spinifex, tests of its IAM gateway ("the messages are the ones AWS returned"), 2026
  VG   versity/versitygw, iamapi/iamerr and its integration tests, 2026
  LS   localstack/localstack, tests/aws/services/sts/test_sts.snapshot.json, recorded 2025 and 2026
  AR   mmmorris1975/aws-runas issue 80: AWS STS, four errors in one answer, 2022
  EH   aws/eks-hybrid pull request 113, November 2024: IAM no longer quotes the value (until 2024 it did)
  CLI  aws/aws-cli issue 5860 and aws-cloudformation/cfn-lint issue 722: paths
"""

from __future__ import annotations

from typing import Final

from strongroom.wire.validation import Wording

_NAMES: Final = "It must contain only alphanumeric characters and/or the following: +=,.@_-"  # SF, VG
_PATHS: Final = (  # CLI, VG
    "It must begin and end with / and contain only alphanumeric characters and/or / characters."
)
_IAM_SENTENCES: Final = {
    r"[\w+=,.@-]+": _NAMES,
    r"[\w]+": "It must contain only alphanumeric characters.",  # VG, of accessKeyId
    "(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)": _PATHS,
    r"((/[A-Za-z0-9\.,\+@=_-]+)*)/": _PATHS,
    "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+": "It must contain only printable ASCII characters.",  # VG
}
_PATH_PREFIX: Final = (  # SF, CLI
    "It must begin with the / character and contain only alphanumeric characters and/or / characters."
)


def iam_sentence(path: str, pattern: str) -> str | None:
    """What IAM says of a member of the request itself that does not match its pattern; None where it has
    no sentence of its own. SF: said alone, before any other error."""
    rule = _PATH_PREFIX if path == "pathPrefix" else _IAM_SENTENCES.get(pattern)
    return None if rule is None else f"The specified value for {path} is invalid. {rule}"


WORDINGS: Final = {
    # SF: `Value at 'tags.2.member.key' ...: Member must not be null`; numbers and enums are quoted.
    "iam": Wording(
        code="ValidationError", quotes_text=False, parts_must_not_be_null=True, own_sentence=iam_sentence
    ),
    # LS: `Value 'Session1:2' at 'roleSessionName'`; AR: the pattern before the length.
    "sts": Wording(code="ValidationError", pattern_first=True, parts_must_not_be_null=True),
}
