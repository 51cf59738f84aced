"""What must hold in every history. A checker sees facts and machines, never the cores' insides.

Safety, at every step: no message is handed up twice in one life of a link process; generations
never go back; no files are installed that are older than what any node has; where a quorum
decides, no two machines that serve hold the same resource. Liveness, once the faults have stopped
for BOUND_MS: every group is held exactly once, all of it, and every machine that runs sees the
others active and may hold groups. No two actions of a resource run beside each other, and no
script is asked what it does not know (sim.executor). Promises with a time in them are in
sim.promptness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.model.members import NodeStatus
from everbeat.model.membership import MessageReceived

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.model.membership import MembershipFact
    from everbeat.model.names import NodeName
    from everbeat.sim.machine import Machine


class BrokenPromise(AssertionError):  # noqa: N818 - says what it is
    """A checker's finding."""


class OnceOnly:
    """No node's resource manager gets the same message twice."""

    def __init__(self) -> None:
        self._seen: set[tuple[NodeName, int, str | None, str | None, str | None]] = set()

    def on_fact(self, node: NodeName, life: int, fact: MembershipFact) -> None:
        """Take one fact of a node's link process in its `life`."""
        if not isinstance(fact, MessageReceived):
            return
        message = fact.message
        key = (node, life, message.text("src"), message.text("hg"), message.text("seq"))
        if key in self._seen:
            raise BrokenPromise(f"{node} got message {key[2:]} ({message.type}) twice")
        self._seen.add(key)


class ForwardOnly:
    """A node's generation never goes back."""

    def __init__(self) -> None:
        self._last: dict[NodeName, int] = {}

    def on_generation(self, node: NodeName, generation: int) -> None:
        """Take the generation a node uses from now on."""
        if generation < self._last.get(node, 0):
            raise BrokenPromise(f"{node} went back from {self._last[node]} to {generation}")
        self._last[node] = generation


class NewestOnly:
    """No node installs files that are older than the newest that any node has installed."""

    def __init__(self) -> None:
        self._newest = 0
        self._count = 0

    def next_version(self) -> int:
        """Return a number above all before."""
        self._count += 1
        return self._count

    def on_installed(self, node: NodeName, version: int) -> None:
        """Take the version that a node uses from now on."""
        if version < self._newest:
            raise BrokenPromise(f"{node} went back from files {self._newest} to {version}")
        self._newest = version


def holders(machines: Iterable[Machine]) -> dict[str, tuple[str, ...]]:
    """Return for each group the machines on which any of it runs."""
    machines = list(machines)
    found: dict[str, tuple[str, ...]] = {}
    for group in machines[0].groups if machines else ():
        words = {resource.text for resource in group.resources}
        found[group.key] = tuple(m.name for m in machines if words & m.agents.running)
    return found


def check_no_two_hold(machines: Iterable[Machine]) -> None:
    """Raise BrokenPromise if a resource runs, or may run already, on two machines that serve."""
    holder: dict[str, NodeName] = {}
    for machine in machines:
        if not machine.is_serving:
            continue
        for word in sorted(machine.agents.running | machine.agents.starting):
            if word in holder:
                raise BrokenPromise(f"{word} runs on {holder[word]} and {machine.name}")
            holder[word] = machine.name


def check_each_group_is_held_once(machines: Iterable[Machine]) -> None:
    """Raise BrokenPromise unless every group runs whole on exactly one machine."""
    machines = list(machines)
    for key, names in holders(machines).items():
        if len(names) != 1:
            raise BrokenPromise(f"group {key} runs on {' and '.join(names) or 'no machine'}")
    for machine in machines:
        for group in machine.groups:
            words = {resource.text for resource in group.resources}
            part = words & machine.agents.running
            if part and part != words:
                raise BrokenPromise(f"only {sorted(part)} of {group.key} run on {machine.name}")


def check_all_take_part(machines: Iterable[Machine]) -> None:
    """Raise BrokenPromise unless all that run see each other active and may hold groups."""
    links = {machine.name: machine.link for machine in machines if machine.link is not None}
    for name, link in links.items():
        view = link.view()
        for node in view.peers():
            if node.node in links and node.status is not NodeStatus.ACTIVE:
                raise BrokenPromise(f"{node.node} is {node.status.value} to {name}")
        if view.quorum is not None and not view.quorum.is_held:
            raise BrokenPromise(f"{name} may not hold anything: {view.quorum.reason}")


BOUND_MS: Final = 180_000
"""After the faults stop: initdead + join delay + two failed starts of 30 s each on both nodes +
overlap and orphan delays + script times, all at the simulation's settings, rounded up."""
