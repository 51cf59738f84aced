"""Promises with a time in them: the dead are declared dead, and a well cluster goes on serving.

A look is taken every LOOK_MS. Both promises hold while nothing but one thing is wrong:

    DeadInTime   a machine is off, and nothing else has changed for so long
    Serving      nothing is wrong and all machines run, for SETTLED_MS and longer

What an adversary plays counts as nothing wrong; that is the point.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.model.cluster import Quorum
from everbeat.model.members import NodeStatus
from everbeat.sim.checkers import BrokenPromise, check_each_group_is_held_once

if TYPE_CHECKING:
    from collections.abc import Hashable

    from everbeat.model.names import NodeName
    from everbeat.sim.machine import Machine
    from everbeat.sim.schedule import Trouble
    from everbeat.sim.world import World

LOOK_MS: Final = 500

SLACK_MS: Final = 3_000
"""Beyond deadtime: a beat that was on its way, a question to the witness asked again, 1 % of drift,
and a look."""

SETTLED_MS: Final = 25_000
"""After the last fault: initdead, a right to be gained anew, and groups on their way home."""

OUTAGE_MS: Final = 1_000
"""A group that is nowhere, or twice there, for longer is an outage."""


class DeadInTime:
    """A machine that is off is dead to those that run: deadtime and SLACK_MS later, or initdead.

    Nothing is asked while they do not run undisturbed, or are not enough to decide it; nor of one
    that has left in order, as who begins later does not know that and need not; nor of one that
    promised the machine, when it left, to wait for it.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._since: dict[NodeName, tuple[Hashable, int]] = {}  # others' state, from when on
        self._off_ms: dict[NodeName, int] = {}
        self.longest_ms = 0  # beyond deadtime or initdead
        self.is_proved = False  # somebody was declared dead in time

    def look(self, *, has_faults_of_network: bool) -> None:
        """Judge all machines as they are now."""
        for name, machine in self._world.machines.items():
            if machine.is_up or machine.has_left:
                self._off_ms.pop(name, None)
                self._since.pop(name, None)
                continue
            now_ms = self._world.now_ms
            self._off_ms.setdefault(name, now_ms)
            others = [m for m in self._world.machines.values() if m is not machine]
            witness = self._world.witness
            state = (
                has_faults_of_network,
                witness is None or witness.core is not None,
                *((m.life, m.link_life, m.link is not None, m.is_serving) for m in others),
                *(m.disk.generation for m in others),  # one that has given up begins anew
            )
            if self._since.get(name, (None, 0))[0] != state:
                self._since[name] = state, now_ms
            if not has_faults_of_network and (witness is None or witness.core is not None):
                self._judge(name, others)

    def _judge(self, name: NodeName, others: list[Machine]) -> None:
        able = [m for m in others if m.link is not None and m.is_serving]
        running = [m for m in able if name not in m.disk.promised]
        config = self._world.machines[name].config
        if config.quorum is Quorum.VOTES and len(running) <= len(config.nodes) // 2:
            return
        timing = config.timing
        since_ms = self._since[name][1]
        due_ms = self._off_ms[name] + timing.deadtime_ms
        if since_ms > self._off_ms[name]:
            due_ms = max(due_ms, since_ms + max(timing.initdead_ms, timing.deadtime_ms))
        for machine in running:
            assert machine.link is not None
            status = next(p.status for p in machine.link.view().peers() if p.node == name)
            late_ms = self._world.now_ms - due_ms
            if status is NodeStatus.DEAD:
                self.is_proved = True
                continue
            self.longest_ms = max(self.longest_ms, late_ms)
            if late_ms > SLACK_MS:
                raise BrokenPromise(
                    f"{name} is off, and {status.value} to {machine.name} {late_ms} ms too long"
                )


class Serving:
    """Every group is held once on a cluster with which nothing is wrong.

    Where nothing decides, two holders break a promise in such a time alone; so it says when.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._well_ms: int | None = None  # since when
        self._out_ms: int | None = None
        self.longest_ms = 0
        self.is_proved = False  # a look was taken at a cluster that had to serve

    @property
    def is_settled(self) -> bool:
        """Whether all has been well for so long that every group must be held."""
        return self._well_ms is not None and self._world.now_ms - self._well_ms >= SETTLED_MS

    def look(self, *, has_faults: bool) -> None:
        """Judge the cluster as it is now."""
        machines = self._world.machines.values()
        now_ms = self._world.now_ms
        if has_faults or any(m.core is None and m.link is None for m in machines):
            self._well_ms = self._out_ms = None
            return
        if self._well_ms is None:
            self._well_ms = now_ms
        try:
            check_each_group_is_held_once(machines)
            self._out_ms = None
        except BrokenPromise as error:
            if self._out_ms is None:
                self._out_ms = now_ms
            self.longest_ms = max(self.longest_ms, now_ms - self._well_ms)
            if self.is_settled and now_ms - self._out_ms > OUTAGE_MS:
                raise BrokenPromise(f"nothing is wrong, and {error}") from error
        self.is_proved = self.is_proved or self.is_settled


class Watch:
    """Looks at a world again and again, as long as it lives."""

    def __init__(self, world: World, trouble: Trouble, quorum: Quorum) -> None:
        self._world = world
        self._trouble = trouble
        self._is_deciding = quorum is not Quorum.NONE
        self.dead_in_time = DeadInTime(world)
        self.serving = Serving(world)

    def begin(self) -> None:
        """Take the first look; others follow."""
        self.look()
        self._world.after(LOOK_MS, self.begin)

    def look(self) -> None:
        """Take a look."""
        self.dead_in_time.look(has_faults_of_network=self._trouble.has_faults_of_network)
        self.serving.look(has_faults=self._trouble.has_faults)
        if not self._is_deciding:
            self._world.is_exclusive = self.serving.is_settled
