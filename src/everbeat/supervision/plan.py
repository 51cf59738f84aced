"""The children of the keeper, the limits they live under, and what the supervisor orders.

Times are CLOCK_MONOTONIC milliseconds, durations milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from everbeat.model.reports import Severity

EXIT_NOT_CONFIGURED: Final = 6
"""A child's exit status that says: the configuration is wrong, do not try again."""

EXIT_FAILED: Final = 1

EXIT_HANDED_OVER: Final = 7
"""A link's exit status that says: start the next one at once, it goes on with another ha.cf."""


class Child(StrEnum):
    """Our processes in the order they are started; they are stopped the other way round."""

    LINK = "link"
    EXECUTOR = "executor"
    CORE = "core"


class ChildState(StrEnum):
    """Where a child stands."""

    WAITING = "waiting"  # for those before it, or for the end of a pause after many deaths
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    ENDED = "ended"  # on purpose; never started again


class ChildSignal(StrEnum):
    """What a child can be sent."""

    TERM = "TERM"
    KILL = "KILL"
    HUP = "HUP"


FEED_MS: Final = 250
FEED_IDLE_MS: Final = 1_000
"""Where there is no watchdog device: systemd's waits for 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How patient the keeper is.

    lease: longest silence of a child that is up. link is restarted before peers miss it; core
    may think longer. start: longest way to the first sign of life. stop: core has no limit, what
    it gives up takes its time. recovery: how long after a missed lease the watchdog is still fed.
    """

    link_lease_ms: int = 2_000
    core_lease_ms: int = 10_000
    executor_lease_ms: int = 30_000
    start_ms: int = 60_000
    executor_stop_ms: int = 40_000
    link_stop_ms: int = 5_000
    recovery_ms: int = 10_000
    feed_ms: int = FEED_MS

    def lease_ms(self, child: Child) -> int:
        """Return the longest silence allowed to a child."""
        match child:
            case Child.LINK:
                return self.link_lease_ms
            case Child.CORE:
                return self.core_lease_ms
            case Child.EXECUTOR:
                return self.executor_lease_ms

    def stop_ms(self, child: Child) -> int | None:
        """Return how long a child may take to end after TERM; None: as long as it takes."""
        match child:
            case Child.LINK:
                return self.link_stop_ms
            case Child.EXECUTOR:
                return self.executor_stop_ms
            case Child.CORE:
                return None


LINK_LEASE_MS_MIN: Final = 400
CORE_LEASE_MS_MIN: Final = 5_000


def limits_of_deadtime(deadtime_ms: int, *, has_watchdog: bool = True) -> Limits:
    """Return the limits of a cluster: link is restarted while peers still have patience."""
    return Limits(
        feed_ms=FEED_MS if has_watchdog else FEED_IDLE_MS,
        link_lease_ms=max(deadtime_ms // 2, LINK_LEASE_MS_MIN),
        core_lease_ms=max(deadtime_ms * 2, CORE_LEASE_MS_MIN),
        recovery_ms=max(deadtime_ms, 10_000),
    )


WATCHDOG_STEP_MS: Final = 1_000
"""Devices count in whole seconds."""


LOSING_RENEWAL_MS: Final = 100
"""link says so often whether it is overdue while resources are to be given up."""


def watchdog_ms_of(deadtime_ms: int, stoptime_ms: int | None, feed_ms: int = FEED_MS) -> int:
    """Return after which silence the watchdog should reset this machine.

    A machine on which nothing runs any more is reset before the others declare it dead. With a
    quorum (`stoptime_ms` given) within the time that stopping may take, counted from the last
    feeding that a lapse of the right cannot have prevented yet: a machine that stood still for
    longer must not wake and find its groups running twice (ADR 0010). At least a second.
    """
    limit_ms = deadtime_ms - feed_ms
    if stoptime_ms is not None:
        limit_ms = min(limit_ms, stoptime_ms - feed_ms - LOSING_RENEWAL_MS)
    return max(limit_ms // WATCHDOG_STEP_MS, 1) * WATCHDOG_STEP_MS


def unfed_before_ms(timeout_ms: int, feed_ms: int = FEED_MS) -> int:
    """Return how long before all must be stopped link says so, for the reset to come in time.

    One renewal and one feeding may still be on their way when it does.
    """
    return timeout_ms + feed_ms + LOSING_RENEWAL_MS


def watchdog_slack_ms(timeout_ms: int, deadtime_ms: int, feed_ms: int = FEED_MS) -> int:
    """Return how long before the others may take its groups a hung machine is reset.

    Negative: so much too late.
    """
    return deadtime_ms - feed_ms - timeout_ms


@dataclass(frozen=True, slots=True)
class StartChild:
    """Order: start this child; `is_again`: an earlier process of this run has died."""

    child: Child
    is_again: bool


@dataclass(frozen=True, slots=True)
class SignalChild:
    """Order: send the child this signal."""

    child: Child
    signal: ChildSignal


@dataclass(frozen=True, slots=True)
class FeedWatchdog:
    """Order: link and core are in good health, feed whatever watches us."""


@dataclass(frozen=True, slots=True)
class Finish:
    """Order: every child has ended; end. `is_clean` False: leave the watchdog armed."""

    exit_code: int
    is_clean: bool


@dataclass(frozen=True, slots=True)
class ChildChanged:
    """Fact: a child's state is another one."""

    child: Child
    state: ChildState
    at_ms: int


@dataclass(frozen=True, slots=True)
class NodeReady:
    """Fact: all children are up for the first time."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Noted:
    """Fact: something happened that people should know."""

    severity: Severity
    text: str


SupervisionEffect: TypeAlias = (
    StartChild | SignalChild | FeedWatchdog | Finish | ChildChanged | NodeReady | Noted
)
