"""The witness of a simulated world: the real core, a disk, a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from everbeat.membership.witness import Answer, KeepGrants, KeptGrant, Witness

if TYPE_CHECKING:
    from everbeat.model.quorum import WitnessAsk, WitnessReply

MILLION: Final = 1_000_000
CLUSTER: Final = "simulated"


@dataclass(slots=True)
class SimulatedWitness:
    """One machine that only answers. `late_ms_max`: how long it may think about an answer."""

    rate_ppm: int = 0
    late_ms_max: int = 0
    booted_ms: int = 0
    kept: tuple[KeptGrant, ...] = ()
    life: int = 0
    core: Witness | None = field(default=None)

    def power_on(self, now_ms: int) -> None:
        """Start it with what its disk holds."""
        if self.core is None:
            self.booted_ms = now_ms
            self.life += 1
            self.core = Witness({CLUSTER: self.kept}, 0, self.life)

    def power_off(self) -> None:
        """Lose all but the disk."""
        self.core = None

    def on_ask(self, ask: WitnessAsk, now_ms: int) -> list[WitnessReply]:
        """Answer a question, or nothing."""
        if self.core is None:
            return []
        clock_ms = (now_ms - self.booted_ms) * (MILLION + self.rate_ppm) // MILLION
        replies: list[WitnessReply] = []
        for effect in self.core.on_ask(CLUSTER, ask, clock_ms):
            if isinstance(effect, KeepGrants):
                self.kept = effect.grants
            elif isinstance(effect, Answer):
                replies.append(effect.reply)
        return replies
