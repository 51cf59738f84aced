"""Files that are to replace those in --etc: checked as they would be here, and installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.adapters.cipher import CipherMissingError, cipher_for
from everbeat.adapters.file_store import SECRET_MODE, USUAL_MODE, install_file, read_files
from everbeat.adapters.host_facts import RealHost
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.files import text_from_bytes
from everbeat.distribution.placing import fitted, refusal
from everbeat.model.distribution import AUTHKEYS, FILE_NAMES, HA_CF, HARESOURCES, SECRET_NAMES

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
    etc: Path, bundle: Bundle, host: HostLookup | None = None
) -> tuple[tuple[Report, ...], str]:
    """Return the reports on this machine's files with those of the bundle, and why not, or ""."""
    machine = host or RealHost(etc)
    present = read_files(etc)
    reason = refusal(bundle, present)
    if reason:
        return (), reason
    parsed = parsed_with(etc, fitted_here(etc, bundle, machine), machine)
    if parsed.keys is not None:
        try:
            cipher_for(parsed.keys)
        except CipherMissingError as error:
            return parsed.reports, str(error)
    return parsed.reports, ""


def parsed_with(etc: Path, bundle: Bundle, host: HostLookup) -> Parsed:
    """Return what the files of `etc` would say with those of the bundle."""
    contents = {**read_files(etc), **{file.name: file.content for file in bundle.files}}
    shown = {name: _config_file(etc, name, contents[name]) for name in FILE_NAMES}
    return config_from_files(ConfigFiles(shown[HA_CF], shown[AUTHKEYS], shown[HARESOURCES]), host)


def install_bundle(etc: Path, bundle: Bundle) -> tuple[str, ...]:
    """Replace the files that differ; return their names. Raises StoreError."""
    present = read_files(etc)
    changed = [
        file for file in fitted_here(etc, bundle).files if present[file.name] != file.content
    ]
    for file in changed:
        install_file(etc / file.name, file.content)
    return tuple(file.name for file in changed)


def _config_file(etc: Path, name: str, content: bytes | None) -> ConfigFile:
    text = None if content is None else text_from_bytes(content)
    mode = SECRET_MODE if name in SECRET_NAMES else USUAL_MODE
    return ConfigFile(str(etc / name), text, mode)
