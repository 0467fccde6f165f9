"""One published example, and what it means that the module gives its answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag

from strongroom.boundary.interface import BoundaryError
from strongroom.boundary.soundness import SelfTestFailed


@dataclass(frozen=True, slots=True)
class KnownAnswer:
    """An algorithm that answers as was published."""

    algorithm: str
    """What a failure names: the API's name where it has one."""
    source: str
    answer: bytes = field(repr=False)
    compute: Callable[[], bytes] | None = field(default=None, repr=False)
    """Gives the answer."""
    accept: Callable[[bytes], None] | None = field(default=None, repr=False)
    """Takes the answer, and raises BoundaryError or InvalidTag for any other: signatures, MACs, tags."""
    covers: tuple[str, str] | None = None
    """The key spec and key usage whose code it runs, if they are a caller's."""

    def is_given(self) -> bool:
        """Whether the module gives the published answer, and takes no other."""
        try:
            if self.compute is not None and self.compute() != self.answer:
                return False
            if self.accept is not None:
                self.accept(self.answer)
        except Exception:
            return False
        return self.accept is None or self._refuses_another()

    def _refuses_another(self) -> bool:
        assert self.accept is not None  # noqa: S101  asked by the only caller
        try:
            self.accept(self.answer[:-1] + bytes([self.answer[-1] ^ 1]))
        except (BoundaryError, InvalidTag):
            return True
        except Exception:
            return False
        return False


def run_self_tests(known_answers: Sequence[KnownAnswer]) -> None:
    """Ask every example. Raises SelfTestFailed, whose sentence names the first that failed."""
    for known_answer in known_answers:
        if not known_answer.is_given():
            raise SelfTestFailed(
                f"The self-test of {known_answer.algorithm} failed (its answer is not that of"
                f" {known_answer.source}): the boundary serves nothing. The machine or a library is broken."
                " Nothing was changed."
            )
