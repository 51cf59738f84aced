"""Fencing devices: the directives stonith, stonith_host, stonith_timeout, stonith_action.

    stonith       TYPE FILE                  one device for all nodes, values in a file
    stonith_host  HOST|* TYPE VALUE...       asked from HOST (or every node); values in the order
                                             of `stonith -t TYPE -n`, or NAME=VALUE
    stonith_host  HOST|* fence_TYPE NAME=VALUE...   a fence agent; which nodes it controls is said
                                             by pcmk_host_list=a,b or pcmk_host_map=a:1;b:2
    stonith_host  HOST|* meatware NODE...    a person switches off and says so

A fence agent without a list would say "done" for whatever machine it reaches: only in a pair, and
asked from one node, is it clear which one that is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.config.directives import Directive, Statement
from everbeat.config.options import a_time, one_of
from everbeat.config.secrets import READABLE_BY_OTHERS, WITHOUT_PASSWORD
from everbeat.config.suggestions import nearest
from everbeat.config.values import time_ms_from_word
from everbeat.model.cluster import StonithDevice
from everbeat.model.fencing import (
    HOST_LIST,
    HOST_MAP,
    HOST_OPTIONS,
    MEATWARE,
    FenceAction,
    FenceDevice,
    StopFailure,
    is_fence_agent,
)
from everbeat.model.names import NodeName, node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.config.draft import Draft
    from everbeat.config.files import Line

ALL_HOSTS: Final = "*"
STONITH_TIMEOUT_MS: Final = 60_000
TIMEOUT_MS_LEAST: Final = 1_000
_SILENT_OPTIONS: Final = frozenset({"action", "option"})


def apply_stonith(draft: Draft, statement: Statement) -> None:
    """One device for all nodes, its parameters in a file."""
    words = statement.words
    if len(words) < 2:
        summary = "stonith: a type and a file are needed"
        remedy = "stonith TYPE /etc/ha.d/conf/stonith.TYPE"
        draft.report("stonith-type-missing", statement.line, summary, remedy)
        return
    if is_fence_agent(words[0]):
        summary = f"stonith: {words[0]} takes its parameters from the line, not from a file"
        remedy = f"stonith_host * {words[0]} NAME=VALUE... {HOST_LIST}=NODE"
        draft.report("stonith-file-agent", statement.line, summary, remedy)
        return
    _check_type(draft, statement, words[0])
    if not draft.host.is_file(words[1]):
        summary = f"stonith: there is no file {words[1]}"
        remedy = "a file with the parameters `stonith -t TYPE -n` lists"
        draft.report("stonith-file-missing", statement.line, summary, remedy)
    elif words[0] not in WITHOUT_PASSWORD and draft.host.mode_of(words[1]) & READABLE_BY_OTHERS:
        summary = f"stonith: others can read {words[1]} and the secret in it"
        draft.report("secret-readable", statement.line, summary, f"chmod 600 {words[1]}")
    draft.stonith.append((statement.line, StonithDevice(ALL_HOSTS, words[0], words[1:2])))
    draft.devices.append(
        (statement.line, FenceDevice(name=_name(draft, words[0]), type=words[0], file=words[1]))
    )


def apply_stonith_host(draft: Draft, statement: Statement) -> None:
    """Take a device reached from one host or (`*`) all; other hosts' lines are not checked."""
    words = statement.words
    if len(words) < 3:
        summary = "stonith_host: a host, a type and parameters are needed"
        draft.report("stonith-type-missing", statement.line, summary, "stonith_host * TYPE PARAMS")
        return
    host, kind, parameters = words[0], words[1], words[2:]
    draft.stonith.append((statement.line, StonithDevice(host, kind, parameters)))
    if host not in {ALL_HOSTS, draft.host.node_name().lower()}:
        return
    if _check_type(draft, statement, kind):
        if is_fence_agent(kind):
            _check_options(draft, statement, kind, parameters)
        elif kind != MEATWARE:
            _check_values(draft, statement, kind, parameters)
    device = FenceDevice(
        name=_name(draft, kind),
        type=kind,
        parameters=parameters,
        hosts=_hosts(kind, parameters),
        ports=_ports(parameters) if is_fence_agent(kind) else (),
    )
    draft.devices.append((statement.line, device))


def devices_of(draft: Draft) -> tuple[FenceDevice, ...]:
    """Return the devices of this node, and report what only all lines together tell."""
    own = node_name_from_text(draft.host.node_name())
    others = [node for node in draft.nodes if node != own]
    devices = []
    for line, device in draft.devices:
        hosts = device.hosts
        if is_fence_agent(device.type) and hosts == ():
            hosts = _deduced(draft, line, device, others)
        devices.append(replace(device, hosts=hosts))
    _check_covered(draft, devices, others)
    return tuple(devices)


def stonith_timeout_ms(draft: Draft) -> int:
    """Return how long a device may take."""
    word = draft.parameters.get("stonith_timeout")
    given = time_ms_from_word(word) if word is not None else None
    return STONITH_TIMEOUT_MS if given is None else given


def stonith_action(draft: Draft) -> FenceAction:
    """Return what is done to a dead node: Heartbeat restarts it."""
    return FenceAction(draft.parameters.get("stonith_action", FenceAction.REBOOT.value))


def stop_failure(draft: Draft) -> StopFailure:
    """Return what follows a stop that fails."""
    return StopFailure(draft.parameters.get("stop_failure", StopFailure.BLOCK.value))


def _name(draft: Draft, kind: str) -> str:
    """Return a device's name: its type, numbered from the second one on."""
    plain = kind.rpartition("/")[2] if is_fence_agent(kind) else kind
    count = 1 + sum(device.type == kind for _, device in draft.devices)
    return plain if count == 1 else f"{plain}-{count}"


def _check_type(draft: Draft, statement: Statement, kind: str) -> bool:
    if kind == MEATWARE or draft.host.has_stonith_type(kind):
        return True
    family = "fence agent" if is_fence_agent(kind) else "STONITH plug-in"
    remedy = "an agent of /usr/sbin/fence_*" if is_fence_agent(kind) else "a type of `stonith -L`"
    summary = f"{statement.directive}: there is no {family} {kind}"
    draft.report("stonith-type-unknown", statement.line, summary, remedy)
    return False


def _check_values(
    draft: Draft, statement: Statement, kind: str, parameters: tuple[str, ...]
) -> None:
    """Check the values of a STONITH plug-in, if it is known what it wants."""
    described = draft.host.stonith_parameters(kind)
    if described is None or not described.required:
        return
    wanted = [group[0] for group in described.required]
    given = {word.partition("=")[0] for word in parameters}
    are_named = all("=" in word for word in parameters)
    missing = [name for name in wanted if name not in given] if are_named else []
    if not are_named and len(parameters) < len(wanted):
        missing = wanted[len(parameters) :]
    if missing:
        summary = f"stonith_host: {kind} needs {', '.join(missing)}"
        remedy = f"stonith_host {statement.words[0]} {kind} {' '.join(wanted).upper()}"
        draft.report("stonith-parameter-missing", statement.line, summary, remedy)


def _check_options(
    draft: Draft, statement: Statement, kind: str, parameters: tuple[str, ...]
) -> None:
    """Check the options of a fence agent, against its metadata if that is known."""
    names = []
    for word in parameters:
        name, is_given, _ = word.partition("=")
        if not is_given or not name:
            summary = f"stonith_host: '{word}' is not NAME=VALUE, as {kind} takes it"
            draft.report("stonith-parameter-malformed", statement.line, summary, f"NAME={word}")
        else:
            names.append(name)
    described = draft.host.stonith_parameters(kind)
    if described is None:
        return
    for name in names:
        if name not in described.names and name not in HOST_OPTIONS:
            meant = nearest(name, described.names)
            summary = f"stonith_host: {kind} has no parameter {name}; it is passed over"
            remedy = f"{meant}=VALUE" if meant else f"a parameter of `{kind} -o metadata`"
            draft.report("stonith-parameter-unknown", statement.line, summary, remedy)
    for group in described.required:
        is_ours = not _SILENT_OPTIONS.isdisjoint(group) or "plug" in group or "port" in group
        if not is_ours and set(group).isdisjoint(names):
            summary = f"stonith_host: {kind} needs {group[0]}"
            draft.report("stonith-parameter-missing", statement.line, summary, f"{group[0]}=VALUE")


def _hosts(kind: str, parameters: tuple[str, ...]) -> tuple[NodeName, ...] | None:
    """Return the nodes a line names; None: the plug-in is asked; (): to be deduced."""
    if kind == MEATWARE:
        words = [name for word in parameters for name in word.removeprefix("hostlist=").split(",")]
        return tuple(node_name_from_text(name) for name in words)
    if not is_fence_agent(kind):
        return None
    named = dict(word.partition("=")[::2] for word in parameters)
    listed = [node_name_from_text(name) for name in named.get(HOST_LIST, "").split(",") if name]
    listed += [node for node, _ in _ports(parameters) if node not in listed]
    return tuple(listed)


def _ports(parameters: tuple[str, ...]) -> tuple[tuple[NodeName, str], ...]:
    """Return pcmk_host_map, `alpha:1;beta:2`, as pairs."""
    named = dict(word.partition("=")[::2] for word in parameters)
    pairs = (pair.partition(":") for pair in named.get(HOST_MAP, "").split(";") if pair)
    return tuple((node_name_from_text(node), port or node) for node, _, port in pairs)


def _deduced(
    draft: Draft, line: Line, device: FenceDevice, others: list[NodeName]
) -> tuple[NodeName, ...]:
    """Return the other node of a pair if the device is this node's alone, else report."""
    is_own = any(
        known_line is line and known.host != ALL_HOSTS for known_line, known in draft.stonith
    )
    if is_own and len(others) == 1:
        return (others[0],)
    summary = f"stonith_host: it is not said which nodes {device.name} controls"
    remedy = f"{HOST_LIST}={others[0] if others else 'NODE'} on the line"
    draft.report("stonith-hosts-missing", line, summary, remedy)
    return ()


def _check_covered(
    draft: Draft, devices: Iterable[FenceDevice], others: Iterable[NodeName]
) -> None:
    """Warn of nodes that no device of this node controls, and of devices for strangers."""
    devices = list(devices)
    are_known = all(device.hosts for device in devices)
    if devices and are_known:
        covered = {host for device in devices for host in device.hosts or ()}
        for node in others:
            if node not in covered:
                summary = f"no device of this node can fence {node}: its death is taken on trust"
                remedy = f"stonith_host {node_name_from_text(draft.host.node_name())} TYPE ..."
                draft.report("stonith-node-uncovered", draft.nodes[node], summary, remedy)
    for line, device in draft.devices:
        for host in device.hosts or ():
            if draft.nodes and host not in draft.nodes:
                summary = f"stonith_host: {device.name} controls {host}, no node of this cluster"
                meant = nearest(host, draft.nodes)
                draft.report("stonith-node-unknown", line, summary, meant or "a node of ha.cf")


FENCING: Final = (
    Directive(
        name="stonith",
        shape="TYPE FILE",
        meaning="One STONITH device for all nodes.",
        apply=apply_stonith,
        is_value_needed=False,
    ),
    Directive(
        name="stonith_host",
        shape="HOST|* TYPE PARAMETER...",
        meaning="A STONITH device or fence agent of a host.",
        apply=apply_stonith_host,
        is_value_needed=False,
    ),
    Directive(
        name="stonith_timeout",
        shape="TIME",
        meaning="How long a fencing device may take; 60.",
        kind=a_time(TIMEOUT_MS_LEAST, "60"),
        is_once=True,
    ),
    Directive(
        name="stonith_action",
        shape="reboot|off",
        meaning="What is done to a dead node; reboot.",
        kind=one_of((FenceAction.REBOOT.value, FenceAction.OFF.value)),
        is_once=True,
    ),
    Directive(
        name="stop_failure",
        shape="block|fence|reboot",
        meaning="What follows when a resource cannot be stopped; block.",
        kind=one_of(tuple(choice.value for choice in StopFailure)),
        is_once=True,
    ),
)
