"""What the executor's cores ask of the shell, and what the shell answers.

    Launch(run)       → a process starts        ⎫ each answered exactly once by
    SetAddress(run)   → netlink, no process     ⎭ on_ended(run, Ending)
    Signal(run)       → TERM or KILL to the process group of a Launch
    Examine(run)      → on_examined(run, lines): how its processes are, for people
    LookForHands      → on_hands(watch, …): is somebody else at work on it?
    Observe(watch)    → on_cause(watch, text) when what it serves may have ended, until Unobserve
    ProbeAddresses    → on_neighbours(AddressesProbed)
    AnnounceAddress   → on_neighbours(AddressAnnounced) if the address is here
    RepeatAnnouncement, Publish, Note, Reboot    not answered

`run` is a number the core chose, unique for the life of the executor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from everbeat.model.neighbours import ProbeAddresses, RepeatAnnouncement

if TYPE_CHECKING:
    from everbeat.agents.agent import Agent
    from everbeat.agents.environment import Environment
    from everbeat.model.operations import Action, ExecutorFact
    from everbeat.model.reports import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """Order: start a program in its own session, never realtime.

    `user`: run under this user's ids. `is_read`: standard output is wanted apart, as Ending.words.
    `is_bound`: it must not outlive the executor, and its output is not captured: respawn clients,
    of which a restarted executor starts new ones. `is_urgent`: a service is away until it ends; it
    goes before other programs for a while. `is_ended_by_next`: should the executor die, the next
    one ends what is left of it, for it is asked or ordered anew. `may_leave_running`: it starts a
    service, whose output must be read on whatever becomes of us. `unless_it_lives`: nothing is run,
    and the run ends well, if the main process of what this command starts is known to live.
    `input`: its standard input, for secrets.
    """

    run: int
    command: tuple[str, ...]
    environment: Environment
    user: str = ""
    is_read: bool = False
    is_bound: bool = False
    is_urgent: bool = False
    is_ended_by_next: bool = False
    may_leave_running: bool = False
    unless_it_lives: bool = False
    input: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAddress:
    """Order: start, stop or check a built-in address. Exit code 0 done or held, 3 not held."""

    run: int
    action: Action
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AnnounceAddress:
    """Order: if this address is held, tell the neighbours; `is_repeated`: again for a while.

    Not repeated for addresses of scripts, whose stop we do not see.
    """

    arguments: tuple[str, ...]
    is_repeated: bool


@dataclass(frozen=True, slots=True)
class Signal:
    """Order: end the process group of a run, by TERM or, if `is_hard`, by KILL."""

    run: int
    is_hard: bool


@dataclass(frozen=True, slots=True)
class Examine:
    """Order: look at the processes of a run that takes too long; they may end meanwhile."""

    run: int


@dataclass(frozen=True, slots=True)
class Observe:
    """Order: give cause for a look when kernel or systemd tell of what this agent serves.

    A script's or unit's main process has ended, an address was removed or its interface changed.
    A cause is a hint: only a monitor decides. What cannot be observed is polled alone.
    """

    watch: int  # chosen by the core, unique for the life of the executor
    agent: Agent


@dataclass(frozen=True, slots=True)
class Unobserve:
    """Order: give no more causes for this watch."""

    watch: int


@dataclass(frozen=True, slots=True)
class EndRemains:
    """Order: kill what is left of a main process that was observed and has ended.

    Only the other processes of the session it led: workers of a dead master would keep its ports.
    """

    watch: int


@dataclass(frozen=True, slots=True)
class LookForHands:
    """Order: find out whether somebody else starts or stops what this agent serves, right now.

    `is_orderly`: it is known to have been stopped in order; then a tool that installs packages
    counts as well.
    """

    watch: int
    agent: Agent
    is_orderly: bool = False


@dataclass(frozen=True, slots=True)
class Publish:
    """Order: give this fact to the resource manager now; only ordered while it is connected."""

    fact: ExecutorFact


@dataclass(frozen=True, slots=True)
class Note:
    """Order: tell the log."""

    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Reboot:
    """Order: restart the machine at once: a failfast client has died."""

    reason: str


ExecutorEffect: TypeAlias = (
    Launch
    | SetAddress
    | AnnounceAddress
    | RepeatAnnouncement
    | ProbeAddresses
    | Signal
    | Examine
    | Observe
    | Unobserve
    | EndRemains
    | LookForHands
    | Publish
    | Note
    | Reboot
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a run ended. exit_code: 128 + n for signal n; 126 if it could not be started."""

    exit_code: int
    output: str = ""  # the end of stdout and stderr
    words: str = ""  # stdout alone, if Launch.is_read
