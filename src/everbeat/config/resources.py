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
    word_of,
)

if TYPE_CHECKING:
    from everbeat.model.reports import Place, Report
    from everbeat.model.service_address import AddressSpec
    from everbeat.ports.host import HostLookup

LIKENESS_OF_SCRIPTS: Final = 0.75
"""Scripts have short names: less alike is mostly something else."""

_DOT_DIGIT: Final = re.compile(r"\.[0-9]", re.ASCII)
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


def check_resource(resource: ResourceSpec, place: Place, host: HostLookup) -> tuple[Report, ...]:
    """Report what will not work when this resource is started."""
    word = resource.text
    if _looks_like_ipv6(word):
        summary = f"'{word}' is taken for a script; an IPv6 address needs one"
        return (report_of("address-ipv6-bare", place, summary, word_of(word)),)
    is_address = resource.script in ADDRESS_NAMES
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
    address = word.split("/", maxsplit=1)[0]
    return address.count(":") >= 2 and set(address) <= set("0123456789abcdefABCDEF:.")


def _check_address(resource: ResourceSpec, place: Place, host: HostLookup) -> tuple[Report, ...]:
    spec, problems = read_address(resource.arguments)
    reports = [
        report_of(
            _CODES[problem.part],
            place,
            f"{resource.script}: {problem.problem}",
            _example(resource.script, spec),
        )
        for problem in problems
    ]
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


def _example(script: str, spec: AddressSpec | None) -> str:
    if spec is None:
        return f"{script}::192.0.2.10/24/eth0"
    return word_of(f"{spec.address}/{24 if spec.address.version == 4 else 64}")
