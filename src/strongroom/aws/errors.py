"""The one exception type that becomes an answer to a caller."""

from __future__ import annotations


class ApiError(Exception):
    """An AWS error: a code, a sentence (or none), and an HTTP status.

    Raise one from :mod:`strongroom.aws.refusals`; do not spell sentences elsewhere.
    `message` is None where AWS sends no message member at all. `status` is 400 for every refusal
    and 500 for faults of the service itself (KMSInternalException, DependencyTimeoutException).
    """

    __slots__ = ("code", "message", "status")

    def __init__(self, code: str, message: str | None, status: int = 400) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.status = status
