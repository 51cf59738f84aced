"""Files that are to replace those in --etc: checked as they would be here, and installed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from everbeat.adapters.cipher import CipherMissingError, cipher_for
from everbeat.adapters.config_files import read_config_file, read_configuration
from everbeat.adapters.file_store import (
    SECRET_MODE,
    USUAL_MODE,
    install_file,
    mode_written,
    read_files,
)
from everbeat.adapters.host_facts import RealHost
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.doubts import doubts, news_of_files
from everbeat.config.files import text_from_bytes
from everbeat.distribution.placing import fitted, refusal
from everbeat.distribution.programs import program_reports
from everbeat.model.distribution import AUTHKEYS, FILE_NAMES, HA_CF, HARESOURCES, SECRET_NAMES
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from pathlib import Path

    from everbeat.model.distribution import Bundle
    from everbeat.model.reports import Report
    from everbeat.ports.host import HostLookup


def fitted_here(etc: Path, bundle: Bundle, host: HostLookup | None = None) -> Bundle:
    """Return the bundle as it is to be installed on this machine."""
    names = {interface.name for interface in (host or RealHost(etc)).interfaces()}
    return fitted(bundle, read_files(etc), names)


def check_bundle(
    etc: Path,
    bundle: Bundle,
    host: HostLookup | None = None,
    in_use: ConfigFiles | None = None,
    *,
    is_ours: bool = False,
) -> tuple[tuple[Report, ...], str]:
    """Return what is new in the reports on this machine's files with those of the bundle.

    And why they cannot be used, or "". `in_use`: the files that everbeat runs with. `is_ours`: a
    person has asked for it on this machine, so it may change which programs run here.
    """
    machine = host or RealHost(etc)
    present = read_files(etc)
    reason = refusal(bundle, present)
    if reason:
        return (), reason
    parsed = parsed_with(etc, fitted_here(etc, bundle, machine), machine)
    former = config_from_files(in_use or read_configuration(etc), machine)
    reports = news_of_files(former, parsed)
    if not is_ours:
        reports = (*program_reports(bundle, present), *reports)
    if parsed.keys is not None:
        try:
            cipher_for(parsed.keys)
        except CipherMissingError as error:
            return reports, str(error)
    return reports, ""


def parsed_with(etc: Path, bundle: Bundle, host: HostLookup) -> Parsed:
    """Return what the files of `etc` would say with those of the bundle."""
    brought = {file.name: file.content for file in bundle.files}
    shown = {name: _shown(etc / name, brought.get(name)) for name in FILE_NAMES}
    return config_from_files(ConfigFiles(shown[HA_CF], shown[AUTHKEYS], shown[HARESOURCES]), host)


@dataclass(frozen=True, slots=True)
class Reread:
    """The files of a node that runs, read again; `reports`: errors, and warnings that are new."""

    files: ConfigFiles
    parsed: Parsed
    reports: tuple[Report, ...]

    @property
    def is_doubted(self) -> bool:
        """Whether nothing is wrong, and a person should hear something before they are used."""
        is_right = all(report.severity is not Severity.ERROR for report in self.reports)
        return is_right and bool(doubts(self.reports))


def read_again(etc: Path, in_use: ConfigFiles) -> Reread:
    """Read the files of `etc` and check them beside those in use."""
    files, host = read_configuration(etc), RealHost(etc)
    parsed = config_from_files(files, host)
    former = config_from_files(in_use, host)
    return Reread(files, parsed, news_of_files(former, parsed))


def install_bundle(etc: Path, bundle: Bundle) -> tuple[str, ...]:
    """Replace the files that differ; return their names. Raises StoreError."""
    present = read_files(etc)
    changed = [
        file for file in fitted_here(etc, bundle).files if present[file.name] != file.content
    ]
    for file in changed:
        install_file(etc / file.name, file.content)
    return tuple(file.name for file in changed)


def _shown(path: Path, brought: bytes | None) -> ConfigFile:
    """Return a file as it would be here: with what is brought, else as it is."""
    if brought is None:
        here = read_config_file(path)
        return replace(here, mode=SECRET_MODE) if path.name in SECRET_NAMES else here
    try:
        mode = mode_written(path, brought)
    except OSError:
        mode = USUAL_MODE
    return ConfigFile(str(path), text_from_bytes(brought), mode)
