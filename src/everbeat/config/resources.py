"""One resource word of haresources: what it means, and whether it can work.

Script::arg::arg        a script of resource.d or /etc/init.d, a built-in, or a systemd unit
A.B.C.D[/PREFIX[/IFACE[:LABEL]][/BROADCAST]]        IPaddr with this argument
IPv6addr::A:B:C:D:E:F:G:H[/PREFIX[/IFACE]]          an IPv6 address; everbeat reads `::` in it too
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.config.codes import report_of
from everbeat.config.interpreters import interpreter_trouble
from everbeat.config.suggestions import nearest
from everbeat.model.groups import ResourceSpec
from everbeat.model.names import is_script_name
from everbeat.model.service_address import (
    ADDRESS_NAMES,
    AddressPart,
    address_of,
    read_address,
    unfit,
    well_formed,
    word_of,
)

if TYPE_CHECKING:
    from everbeat.model.reports import Place, Report
    from everbeat.model.service_address import AddressError
    from everbeat.ports.host import HostLookup

LIKENESS_OF_SCRIPTS: Final = 0.75
"""Scripts have short names: less alike is mostly something else."""

_DOT_DIGIT: Final = re.compile(r"\.[0-9]", re.ASCII)
_DOTTED: Final = re.compile(r"[0-9]+(\.[0-9]*){2,}", re.ASCII)
_MASK: Final = re.compile(r"[0-9]{1,3}|[0-9]+(\.[0-9]+){2,}", re.ASCII)
_HEX_AND_COLONS: Final = frozenset("0123456789abcdefABCDEF:.")
_CODES: Final = {
    AddressPart.ADDRESS: "address-malformed",
    AddressPart.PREFIX: "address-prefix",
    AddressPart.INTERFACE: "address-interface",
    AddressPart.BROADCAST: "address-broadcast",
}
_FAMILY: Final = {"IPaddr": 4, "IPv6addr": 6}
"""The family of those scripts of Heartbeat that serve one alone; the built-ins serve both."""


def resource_from_word(word: str) -> ResourceSpec:
    """Return the resource of a word; a digit at the start and three dots before digits: IPaddr."""
    if word[:1] in "0123456789" and len(_DOT_DIGIT.findall(word)) >= 3:
        return ResourceSpec(word, "IPaddr", (word,))
    script, *arguments = word.split("::")
    return ResourceSpec(word, script, tuple(arguments))


def service_address(resource: ResourceSpec) -> str | None:
    """Return the address that a resource serves, or None."""
    if resource.script not in ADDRESS_NAMES or not resource.arguments:
        return None
    return address_of("::".join(resource.arguments))


def address_arguments(word: str) -> tuple[str, ...] | None:
    """Return what a word that is meant as an address says of it; None: it is no address.

    Also of one that is malformed: `/24`, `10.0.0/24`, or a bare IPv6 address.
    """
    resource = resource_from_word(word)
    if resource.script in ADDRESS_NAMES:
        return resource.arguments
    return (word,) if _looks_like_ipv6(word) or _looks_like_ipv4(word) else None


def check_resource(resource: ResourceSpec, place: Place, host: HostLookup) -> tuple[Report, ...]:
    """Report what will not work when this resource is started."""
    word = resource.text
    is_address = resource.script in ADDRESS_NAMES
    bare = None if is_address else address_arguments(word)
    if bare is not None and (problems := read_address(bare)[1]):
        return _malformed(word, bare, problems, place)
    if bare is not None:
        summary = f"'{word}' is taken for a script; an IPv6 address needs one"
        return (report_of("address-ipv6-bare", place, summary, word_of(word)),)
    if is_address and read_address(resource.arguments)[0] is not None:
        return _check_address(resource, place, host)  # IPv6 may have empty parts: ::1
    if not resource.script or "" in resource.arguments or ":" in resource.script:
        summary = f"'{word}': script and arguments are separated by ::"
        remedy = "::".join(part for part in re.split(r":+", word) if part)
        return (report_of("resource-malformed", place, summary, remedy),)
    if not is_script_name(resource.script):
        summary = f"'{word}': a resource is known by a script's name, never by a path"
        name = resource.script.rstrip("/.").rpartition("/")[2] or "SCRIPT"
        remedy = f"put it into /etc/ha.d/resource.d on every node, and write {name}"
        return (report_of("resource-name", place, summary, remedy),)
    if is_address:
        return _check_address(resource, place, host)
    path = host.script_path(resource.script)
    trouble = interpreter_trouble(host.first_line(path), host.is_file) if path else ""
    if trouble:
        summary = f"{path} cannot be run: {trouble}"
        is_dos = "CR" in trouble
        remedy = f"sed -i 's/\\r$//' {path}" if is_dos else "the path of one that is there"
        return (report_of("script-interpreter", place, summary, remedy),)
    if path is not None and not host.knows_status(path):
        summary = (
            f"{word} is not watched: {path} does not know the word 'status', and a script may do "
            "its work whatever it is asked for"
        )
        remedy = (
            "teach it: status) … prints 'running' or 'stopped'; it is started and stopped anyway"
        )
        return (report_of("script-without-status", place, summary, remedy),)
    if path is None and not host.has_unit(resource.script):
        summary = f"no script, built-in or unit is called {resource.script}"
        known = (*ADDRESS_NAMES, *host.service_names())
        meant = nearest(resource.script, known, likeness=LIKENESS_OF_SCRIPTS)
        remedy = f"an executable /etc/ha.d/resource.d/{resource.script}, on every node"
        remedy = "::".join((meant, *resource.arguments)) if meant else remedy
        return (report_of("script-missing", place, summary, remedy),)
    return ()


def _looks_like_ipv6(word: str) -> bool:
    address = word.partition("/")[0].partition("%")[0]
    return address.count(":") >= 2 and set(address) <= _HEX_AND_COLONS


def _looks_like_ipv4(word: str) -> bool:
    """Whether a word has an address's form though it may lack parts: 10.0.0, /24, web/24/eth0."""
    address, slash, rest = word.partition("/")
    if _DOTTED.fullmatch(address):
        return True
    has_mask = bool(slash) and _MASK.fullmatch(rest.partition("/")[0]) is not None
    is_path = bool(address) and not address.strip(".")
    is_script = ":" in address and not set(address) <= _HEX_AND_COLONS
    return has_mask and not is_path and not is_script


def _malformed(
    word: str, arguments: tuple[str, ...], problems: tuple[AddressError, ...], place: Place
) -> tuple[Report, ...]:
    remedy = word_of(well_formed(arguments))
    reports: list[Report] = []
    for one in problems:
        is_named = one.problem.startswith(f"'{word}'")  # the address is all of the word
        summary = one.problem if is_named else f"'{word}': {one.problem}"
        reports.append(report_of(_CODES[one.part], place, summary, remedy))
    return tuple(reports)


def _check_address(resource: ResourceSpec, place: Place, host: HostLookup) -> tuple[Report, ...]:
    spec, problems = read_address(resource.arguments)
    reports = list(_malformed(resource.text, resource.arguments, problems, place))
    if spec is None:
        return tuple(reports)
    if reason := unfit(spec.address, spec.prefix):
        summary = f"no service can have {spec.address}: it {reason}"
        reports.append(
            report_of("address-malformed", place, summary, "a free address of a network")
        )
    known = [entry.name for entry in host.interfaces()]
    if spec.interface and spec.interface not in known:
        summary = (
            f"there is no interface {spec.interface}; this machine has {', '.join(known) or 'none'}"
        )
        reports.append(report_of("address-interface", place, summary, "one of `ip link`"))
    family = _FAMILY.get(resource.script)
    script = host.script_path(resource.script) if family not in {None, spec.address.version} else ""
    if script:
        summary = f"{script} serves no IPv{spec.address.version} address"
        remedy = word_of("::".join(resource.arguments))
        reports.append(report_of("address-malformed", place, summary, remedy))
    if len(resource.arguments) > 1 and not reports:
        summary = f"{resource.text}: Heartbeat 3.0.6 cuts an address at `::`"
        remedy = f"{resource.script}::" + word_of("::".join(resource.arguments)).partition("::")[2]
        reports.append(report_of("address-short", place, summary, remedy))
    return tuple(reports)
