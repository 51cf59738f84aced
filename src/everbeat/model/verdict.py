"""What came of a request: it is carried out, or refused with the reason."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Generic, TypeVar, final

Effect_co = TypeVar("Effect_co", covariant=True)
Other = TypeVar("Other")


@final
class Verdict(Generic[Effect_co]):
    """The answer to a request. What had become due anyhow may follow a refused one as well.

    Written out, for a dataclass with slots that is generic can be neither called by its full
    type, `Verdict[str](…)`, in Python 3.11 nor compiled by mypyc.
    """

    __slots__ = ("effects", "reason", "text")

    def __init__(
        self, *, reason: str = "", effects: Iterable[Effect_co] = (), text: str = ""
    ) -> None:
        self.reason: Final = reason
        """Why not, for people; empty: it is accepted."""
        self.effects: Final = tuple(effects)
        self.text: Final = text
        """What was done, for people, where there is something to say."""

    @property
    def is_accepted(self) -> bool:
        """Whether the request is carried out."""
        return not self.reason

    def with_effects(self, effects: Iterable[Other]) -> Verdict[Other]:
        """Return the same answer with what its effects have led to."""
        return Verdict(reason=self.reason, effects=effects, text=self.text)

    def __eq__(self, other: object) -> bool:
        """Verdicts are equal when they say and do the same."""
        return isinstance(other, Verdict) and self._content() == other._content()

    def __hash__(self) -> int:
        """Hash by content."""
        return hash(self._content())

    def __repr__(self) -> str:
        """Show all of it."""
        return f"Verdict(reason={self.reason!r}, effects={self.effects!r}, text={self.text!r})"

    def _content(self) -> tuple[str, tuple[object, ...], str]:
        return self.reason, self.effects, self.text
