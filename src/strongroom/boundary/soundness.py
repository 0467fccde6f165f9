"""What is raised when the module's own cryptography gives a wrong answer: nothing goes on after it."""

from __future__ import annotations


class SelfTestFailed(BaseException):
    """A self-test gave another answer; the text is a sentence for the operator that names the algorithm.

    No refusal of a request, and so no Exception: it passes through all that turns those into answers and
    ends the process. The next one tests itself again before it serves.
    """
