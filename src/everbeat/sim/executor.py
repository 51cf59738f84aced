"""The executor of a simulated machine: the real ExecutorNode over scripts that only pretend.

    CoreNode ── orders ─► ExecutorNode ── Launch, SetAddress ─► SimulatedAgents
             ◄─ facts ──       │       ◄─ endings, causes ────

What it started goes on when it dies; the next one ends what has not ended by then. Examining a
hung script takes a moment and finds nothing worth telling.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final, Protocol

from everbeat.agents.environment import Places
from everbeat.executor.effects import (
    Ending,
    Examine,
    Launch,
    LookForHands,
    Observe,
    Publish,
    SetAddress,
    Signal,
    Unobserve,
)
from everbeat.model.operations import Action
from everbeat.model.service_address import ADDRESS_NAMES
from everbeat.node.executor_node import ExecutorNode
from everbeat.sim.agents import RUNNING
from everbeat.sim.checkers import BrokenPromise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from everbeat.agents.agent import Agent
    from everbeat.executor.effects import ExecutorEffect
    from everbeat.model.cluster import HaConfig
    from everbeat.model.groups import ResourceGroup
    from everbeat.model.operations import ExecutorFact, ExecutorOrder
    from everbeat.sim.agents import SimulatedAgents

EXAMINE_MS: Final = 20
DYING_MS: Final = 5
LOOK_MS: Final = 5
SPEECHLESS: Final = "any-"
"""Scripts whose name begins so act on any word, whatever it is."""

_FOLDER: Final = "/sim/"


class SimulatedScripts:
    """Every script is there but those of built-in addresses."""

    def script_path(self, name: str) -> str | None:
        """Return the path of a script."""
        return None if name in ADDRESS_NAMES else _FOLDER + name

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - a machine without systemd
        """There is no systemd."""
        return False

    def knows_status(self, path: str) -> bool:
        """Whether a script knows the word."""
        return not path.removeprefix(_FOLDER).startswith(SPEECHLESS)

    def hook(self, name: str) -> tuple[str, str] | None:  # noqa: ARG002 - nor hooks
        """There are no hooks."""
        return None


class Surroundings(Protocol):
    """What an executor needs of its machine."""

    def clock_ms(self) -> int:
        """Return the machine's clock."""
        ...

    def delay_ms(self, clock_ms: int) -> int:
        """Return how long it is in the world until the clock shows this; 0 if it is past."""
        ...

    def later(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Call in this life of the machine only, and never while it is paused."""
        ...

    def on_executor_fact(self, fact: ExecutorFact) -> None:
        """Carry a fact to the core."""
        ...


class SimulatedExecutor:
    """One life of an executor process."""

    def __init__(
        self,
        config: HaConfig,
        groups: Iterable[ResourceGroup],
        agents: SimulatedAgents,
        *,
        surroundings: Surroundings,
    ) -> None:
        self._node = ExecutorNode(config, Places(etc="", state=""), SimulatedScripts())
        resources = [resource for group in groups for resource in group.resources]
        self._words = {(r.script, r.arguments): r.text for r in resources}
        self._agents = agents
        self._machine = surroundings
        self._is_alive = True
        self._under_way: dict[int, tuple[str, Action]] = {}
        self._hanging: set[int] = set()
        self._observed: dict[int, str] = {}
        self._timer = 0

    def install(self, groups: Iterable[ResourceGroup]) -> None:
        """Put the scripts of further resources on the machine."""
        resources = [resource for group in groups for resource in group.resources]
        self._words |= {(r.script, r.arguments): r.text for r in resources}

    def die(self) -> None:
        """End at once; what runs goes on, nobody hears of it."""
        self._is_alive = False

    def end_leftovers(self) -> None:
        """End what still goes on of a life that is over: the next executor begins with that."""
        for word, action in self._under_way.values():
            self._agents.give_up(word, action)
        self._under_way.clear()

    def on_core(self, session: str) -> None:
        """Take orders of this core."""
        self._perform(self._node.on_manager(session, self._machine.clock_ms()))

    def on_core_gone(self) -> None:
        """Begin nothing."""
        self._node.on_manager_gone()

    def on_order(self, order: ExecutorOrder) -> None:
        """Take an order."""
        self._perform(self._node.on_order(order, self._machine.clock_ms()))

    def on_died(self, word: str) -> None:
        """Hear from the kernel that a service has died."""
        for watch, observed in tuple(self._observed.items()):
            if observed == word:
                self._perform(
                    self._node.on_cause(watch, "its process ended", self._machine.clock_ms())
                )

    def _perform(self, effects: Iterable[ExecutorEffect]) -> None:
        for effect in effects:
            match effect:
                case Launch(run=run, command=(path, *arguments, action)):
                    script = path.removeprefix(_FOLDER)
                    self._begin(run, self._words[script, tuple(arguments)], Action(action))
                case SetAddress(run=run, action=action, arguments=arguments):
                    self._begin(run, arguments[0], action, is_address=True)
                case Signal(run) if run in self._hanging:
                    self._hanging.discard(run)
                    self._agents.give_up(*self._under_way.pop(run))
                    self._after(DYING_MS, partial(self._ended, run, Ending(exit_code=143)))
                case Examine(run):
                    self._after(EXAMINE_MS, partial(self._examined, run))
                case LookForHands():
                    self._after(LOOK_MS, partial(self._look_for_hands, effect))
                case Observe(watch, agent):
                    self._observed[watch] = self._word_of(agent)
                case Unobserve(watch):
                    self._observed.pop(watch, None)
                case Publish(fact):
                    self._machine.on_executor_fact(fact)
                case _:
                    pass
        self._arm()

    def _word_of(self, agent: Agent) -> str:
        name = agent.served_by.removeprefix(_FOLDER).removeprefix("builtin:")
        arguments = getattr(agent, "arguments", ())
        return self._words.get((name, arguments), "")

    def _begin(self, run: int, word: str, action: Action, *, is_address: bool = False) -> None:
        self._check(word, action)
        duration_ms = self._agents.duration_ms(action, is_address=is_address)
        self._agents.begin(word, action)
        self._under_way[run] = word, action
        if duration_ms is None:
            self._hanging.add(run)
            return

        def complete() -> None:
            if self._under_way.pop(run, None) is None:
                return
            ending = self._agents.act(word, action)
            if self._is_alive:
                if ending.words == RUNNING:
                    self._agents.heard.add(word)
                self._ended(run, ending)

        self._machine.later(duration_ms, complete)

    def _check(self, word: str, action: Action) -> None:
        """Raise BrokenPromise where actions meet, or a script is asked what it does not know."""
        beside = [other.value for known, other in self._under_way.values() if known == word]
        if beside:
            raise BrokenPromise(f"{action.value} of {word} beside its {beside[0]}")
        if action is Action.STATUS and word.startswith(SPEECHLESS):
            raise BrokenPromise(f"{word} was asked for its status")

    def _ended(self, run: int, ending: Ending) -> None:
        self._perform(self._node.on_ended(run, ending, self._machine.clock_ms()))

    def _examined(self, run: int) -> None:
        self._perform(self._node.on_examined(run, (), self._machine.clock_ms()))

    def _look_for_hands(self, order: LookForHands) -> None:
        """Answer that nobody is at work, as a machine without people does."""
        now_ms, is_orderly = self._machine.clock_ms(), order.is_orderly
        self._perform(
            self._node.on_hands(order.watch, now_ms, are_at_work=False, is_orderly=is_orderly)
        )

    def _after(self, delay_ms: int, act: Callable[[], None]) -> None:
        self._machine.later(delay_ms, lambda: act() if self._is_alive else None)

    def _arm(self) -> None:
        """Keep one timer: a later one replaces an earlier one."""
        due_ms = self._node.next_wakeup_ms()
        self._timer += 1
        if due_ms is None:
            return
        timer = self._timer

        def tick() -> None:
            if self._timer == timer:
                self._perform(self._node.on_tick(self._machine.clock_ms()))

        self._after(self._machine.delay_ms(due_ms), tick)
