"""everbeat add vip, everbeat remove vip: a line of haresources, on all nodes, in use at once."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from everbeat.adapters.configuration_store import parsed_with
from everbeat.adapters.connected_networks import network_of, who_has
from everbeat.adapters.file_store import read_files
from everbeat.adapters.host_facts import RealHost
from everbeat.commands import as_json
from everbeat.commands.change import Manner, change_all, groups_of
from everbeat.commands.distributing import bundle_of
from everbeat.config.edits import group_line, group_with, with_line, with_services, without_group
from everbeat.config.files import bytes_from_text, text_from_bytes
from everbeat.config.resources import address_arguments
from everbeat.ipc.codec import IpcError
from everbeat.model.distribution import HARESOURCES, Bundle
from everbeat.model.names import node_name_from_text
from everbeat.model.service_address import (
    address_of,
    read_address,
    unfit,
    well_formed,
    word_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from everbeat.commands.places import Places
    from everbeat.config.configuration import Parsed

_VERBS: Final = {"add vip": "add", "add service": "change", "remove vip": "remove"}
"""What each command does to a line of haresources."""


class VipError(Exception):
    """It cannot be done; the text says why, and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VipOptions:
    """What the command line says. `node` empty: this one."""

    address: str
    services: tuple[str, ...] = ()
    node: str = ""
    is_dry_run: bool = False
    is_json: bool = False
    manner: Manner = field(default_factory=Manner)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    line: str
    node: str
    resources: tuple[str, ...]
    bundle: Bundle


def plan_to_add(places: Places, options: VipOptions) -> Plan:
    """Find out what to write. Raises VipError."""
    parsed, former = _present(places)
    assert parsed.config is not None
    address = _address(options.address)
    _refuse_no_words(options.services)
    _refuse_malformed(options.services)
    group = group_with(parsed.groups, options.address)
    word = word_of(options.address)
    if group is not None:
        line = group_line(group.owner, "", [r.text for r in group.resources]).replace("  ", " ")
        raise VipError(f"{address} is in haresources already: {line}")
    node = node_name_from_text(options.node or parsed.config.node)
    if node not in parsed.config.nodes:
        names = ", ".join(parsed.config.nodes)
        raise VipError(f"{node} is no node of this cluster; write one of: {names}")
    _check_network(address, options.address)
    line = group_line(node, word, options.services)
    words = (word, *options.services)
    return Plan(line, node, words, _bundle(former, with_line(_haresources(former), line)))


def plan_to_add_services(places: Places, options: VipOptions) -> Plan:
    """Find out what to write for services more in a group. Raises VipError."""
    parsed, former = _present(places)
    known = ", ".join(address_of(g.key) for g in parsed.groups) or "none"
    group = group_with(parsed.groups, options.address)
    if not options.address and len(parsed.groups) == 1:
        group = parsed.groups[0]
    if group is None:
        what = f"no group has {options.address}" if options.address else "say which group: --to"
        raise VipError(f"{what}; there are: {known}")
    present = {resource.text for resource in group.resources}
    doubled = [service for service in options.services if service in present]
    if doubled:
        raise VipError(f"{doubled[0]} is in the group of {address_of(group.key)} already")
    _refuse_no_words(options.services)
    _refuse_malformed(options.services)
    left = with_services(_haresources(former), group.key, options.services)
    if left is None:
        raise VipError(f"{group.key} is not the first word of its line: edit haresources")
    line = group_line(group.owner, " ".join(r.text for r in group.resources), options.services)
    return Plan(line, group.owner, options.services, _bundle(former, left))


def plan_to_remove(places: Places, options: VipOptions) -> Plan:
    """Find out what to write. Raises VipError."""
    parsed, former = _present(places)
    group = group_with(parsed.groups, options.address)
    known = ", ".join(address_of(g.key) for g in parsed.groups) or "none"
    if group is None:
        raise VipError(f"no group of haresources has {options.address}; there are: {known}")
    left = without_group(_haresources(former), group.key)
    if left is None:
        raise VipError(f"{options.address} is not the first word of its line: edit haresources")
    words = tuple(resource.text for resource in group.resources)
    # That no group is left then is no doubt: it is what a person has asked for.
    bundle = replace(_bundle(former, left), is_insisted_on=len(parsed.groups) == 1)
    return Plan(f"{group.owner} {' '.join(words)}", group.owner, words, bundle)


def add_vip(
    places: Places, options: VipOptions, is_wanted: Callable[[], bool], out: TextIO, err: TextIO
) -> int:
    """Add an address and its services; return the exit code."""
    try:
        plan = plan_to_add(places, options)
    except VipError as error:
        return _refuse("add vip", error, options, err)
    then = f"then on {plan.node}: start {', '.join(plan.resources)}"
    return _carry_out(places, options, plan, "add vip", then, is_wanted, out, err)


def add_services(
    places: Places, options: VipOptions, is_wanted: Callable[[], bool], out: TextIO, err: TextIO
) -> int:
    """Add services to the group of an address; return the exit code."""
    try:
        plan = plan_to_add_services(places, options)
    except VipError as error:
        return _refuse("add service", error, options, err)
    then = f"then where it runs: start {', '.join(plan.resources)}; what runs there is not touched"
    return _carry_out(places, options, plan, "add service", then, is_wanted, out, err)


def remove_vip(
    places: Places, options: VipOptions, is_wanted: Callable[[], bool], out: TextIO, err: TextIO
) -> int:
    """Remove an address with its whole line; return the exit code."""
    try:
        plan = plan_to_remove(places, options)
    except VipError as error:
        return _refuse("remove vip", error, options, err)
    then = f"then where it runs: stop {', '.join(reversed(plan.resources))}"
    return _carry_out(places, options, plan, "remove vip", then, is_wanted, out, err)


def _carry_out(
    places: Places,
    options: VipOptions,
    plan: Plan,
    command: str,
    then: str,
    is_wanted: Callable[[], bool],
    out: TextIO,
    err: TextIO,
) -> int:
    if not options.is_json:
        print(f"{_VERBS[command]} in haresources on all nodes:\n    {plan.line}\n{then}", file=out)
    if options.is_dry_run:
        if options.is_json:
            print(as_json.dumps({"line": plan.line, "node": plan.node, "is_done": False}), file=out)
        return 0
    if not is_wanted():
        print("nothing was changed", file=err)
        return 1
    try:
        return change_all(places, plan.bundle, replace(options.manner, out=out, err=err))
    except IpcError as error:
        return _refuse(command, VipError(f"{error}"), options, err)


def _present(places: Places) -> tuple[Parsed, Mapping[str, bytes | None]]:
    """Return the configuration, and the files as they were read before it. Raises VipError."""
    former = read_files(places.etc)
    parsed = parsed_with(places.etc, Bundle(()), RealHost(places.etc))
    if parsed.config is None:
        raise VipError(f"the configuration in {places.etc} is wrong: everbeat check says more")
    return parsed, former


def _haresources(files: Mapping[str, bytes | None]) -> str:
    return text_from_bytes(files[HARESOURCES] or b"")


def _bundle(former: Mapping[str, bytes | None], haresources: str) -> Bundle:
    return bundle_of({HARESOURCES: bytes_from_text(haresources)}, former)


def _address(word: str) -> str:
    """Return the address that a person has written. Raises VipError with every problem of it."""
    if address_arguments(word) is None:
        raise VipError(f"'{word}' is no address; write one like 192.0.2.80 or 2001:db8::80")
    _refuse_malformed((word,))
    return address_of(word)


def _refuse_no_words(services: Sequence[str]) -> None:
    """Raise VipError if one of these would be read again as something else than one resource."""
    for service in services:
        groups = groups_of(f"owner {service}\n")
        if [resource.text for group in groups for resource in group.resources] != [service]:
            raise VipError(
                f"'{service}' is not one word of haresources: no blank, quote, # or newline, and no"
                " backslash at its end; each unit or script is a word of its own"
            )
    if doubled := [service for service, count in Counter(services).items() if count > 1]:
        raise VipError(f"{doubled[0]} is named twice")


def _refuse_malformed(words: Sequence[str]) -> None:
    """Raise VipError if one of these words of haresources is an address that cannot be served."""
    for word in words:
        arguments = address_arguments(word)
        if arguments is None:
            continue
        _, problems = read_address(arguments)
        if problems:
            reasons = "; ".join(problem.problem for problem in problems)
            raise VipError(f"'{word}' cannot be served: {reasons}; write: {well_formed(arguments)}")


def _check_network(address: str, word: str) -> None:
    """Raise VipError if the address is on no network of ours, or somebody has it."""
    value = ip_address(address)
    length = 24 if value.version == 4 else 64
    own = network_of(value)
    if reason := unfit(value, own.network.prefixlen if own else None):
        raise VipError(f"no service can have {address}: it {reason}; choose another address")
    if own is None and "/" not in word:
        raise VipError(
            f"{address} is on no network of this machine; write an address of one of its networks, "
            f"or name prefix and interface: {address}/{length}/eth0"
        )
    finding = who_has(value)
    if finding.held_at:
        raise VipError(
            f"{address} is in use: this machine has it, and would lose it with the group; choose "
            "another address, or take it off the interface first: ip addr del"
        )
    if finding.answers:
        macs = ", ".join(finding.answers)
        raise VipError(f"{address} is in use: {macs} answers for it; choose another address")


def _refuse(command: str, error: VipError, options: VipOptions, err: TextIO) -> int:
    if options.is_json:
        print(as_json.dumps({"reason": str(error), "is_done": False}), file=sys.stdout)
    else:
        print(f"everbeat {command}: {error}", file=err)
    return 1
