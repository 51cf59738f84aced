"""The work sheet of one run over ha.cf: what was read so far, and the problems found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from everbeat.config.codes import report_of
from everbeat.model.cluster import Monitoring
from everbeat.model.reports import Place, Severity

if TYPE_CHECKING:
    from everbeat.config.files import Line
    from everbeat.model.cluster import (
        ApiAuthorization,
        Medium,
        OwnTimes,
        RespawnClient,
        StonithDevice,
        WitnessPlace,
    )
    from everbeat.model.fencing import FenceDevice
    from everbeat.model.names import NodeName
    from everbeat.model.reports import Report
    from everbeat.ports.host import HostLookup


@dataclass(slots=True)
class Draft:
    """Filled line by line by the directives. Belongs to one call of `read_ha_cf`."""

    file: str
    host: HostLookup
    directives: frozenset[str] = frozenset()  # all names
    parameters: dict[str, str] = field(default_factory=dict)  # as written, defaults included
    lines: dict[str, Line] = field(default_factory=dict)  # directive -> last line with a value
    nodes: dict[NodeName, Line] = field(default_factory=dict)
    media: list[Medium] = field(default_factory=list)
    media_lines: list[Line] = field(default_factory=list)  # one per medium
    own_ucast: list[Line] = field(default_factory=list)  # to ourselves: accepted, dropped
    respawn: list[RespawnClient] = field(default_factory=list)
    has_ipfail: bool = False  # the one built in
    ipfail_line: Line | None = None
    apiauth: list[ApiAuthorization] = field(default_factory=list)
    apiauth_lines: list[Line] = field(default_factory=list)  # one per apiauth
    stonith: list[tuple[Line, StonithDevice]] = field(default_factory=list)
    devices: list[tuple[Line, FenceDevice]] = field(default_factory=list)  # of this node
    environment: list[tuple[str, str]] = field(default_factory=list)
    monitoring: Monitoring = field(default_factory=Monitoring)
    own_times: dict[str, OwnTimes] = field(default_factory=dict)  # by resource or script
    own_times_lines: dict[str, Line] = field(default_factory=dict)  # first line of each name
    witness: WitnessPlace | None = None
    reports: list[Report] = field(default_factory=list)

    def report(self, code: str, line: Line, summary: str, remedy: str = "") -> None:
        """Remember a problem of a line."""
        self.reports.append(report_of(code, line.place, summary, remedy))

    def report_file(self, code: str, summary: str, remedy: str = "") -> None:
        """Remember a problem of the whole file."""
        self.reports.append(report_of(code, Place(self.file), summary, remedy))

    def report_about(self, directive: str, code: str, summary: str, remedy: str = "") -> None:
        """Remember a problem at the line that set a directive, or of the file if none did."""
        line = self.lines.get(directive)
        place = line.place if line else Place(self.file)
        self.reports.append(report_of(code, place, summary, remedy))

    def is_own(self, address: str) -> bool:
        """Whether this machine has the address."""
        return address.startswith("127.") or self.host.has_address(address)

    @property
    def has_errors(self) -> bool:
        """Whether anything found so far forbids to start."""
        return any(report.severity is Severity.ERROR for report in self.reports)
