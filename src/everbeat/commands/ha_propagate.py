"""The command line of ha_propagate and everbeat propagate: check, choose nodes, copy, tell."""

from __future__ import annotations

import argparse
import shlex
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from everbeat.commands import as_json
from everbeat.commands.places import Places
from everbeat.commands.propagate import (
    NodeResult,
    Transport,
    is_host,
    local_files,
    propagate,
)
from everbeat.model.reports import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from everbeat.model.reports import Report


def parser(program: str) -> argparse.ArgumentParser:
    """Return the options of ha_propagate."""
    defaults = Transport()
    made = argparse.ArgumentParser(
        prog=program,
        description="Copy ha.cf, authkeys and haresources of this node to the other nodes of "
        "ha.cf (or to the nodes named). The files are checked here first; on each node they are "
        "uploaded beside the old ones, compared by sha256, and then put in place by renaming.",
        epilog="Exit status: 0 every node has the files; 1 one has not; 2 wrong usage.",
    )
    made.add_argument("nodes", nargs="*", metavar="NODE", help="only these nodes")
    made.add_argument("--etc", type=Path, default=Places().etc, help="our files (%(default)s)")
    made.add_argument("--remote-etc", help="where they go on the nodes (the same as --etc)")
    made.add_argument("--user", default=defaults.user, help="user on the nodes (%(default)s)")
    made.add_argument("--ssh", default=shlex.join(defaults.ssh), help="ssh command (%(default)s)")
    made.add_argument("--scp", default=shlex.join(defaults.scp), help="scp command (%(default)s)")
    made.add_argument("--dry-run", action="store_true", help="only tell which files differ where")
    made.add_argument("--json", action="store_true", help="tell the results as JSON")
    made.add_argument(
        "--no-check", action="store_true", help="copy even files in which we find errors"
    )
    return made


def ha_propagate(program: str, words: Sequence[str], out: TextIO, err: TextIO) -> int:
    """Run ha_propagate with the words behind its name; return the exit code."""
    options = parser(program).parse_args(words)
    nodes, complaint = _nodes(options, err)
    if complaint:
        print(f"{program}: {complaint}", file=err)
        return 1
    transport = Transport(
        ssh=tuple(shlex.split(options.ssh)),
        scp=tuple(shlex.split(options.scp)),
        user=options.user,
        etc=options.remote_etc or str(options.etc),
    )
    printing = threading.Lock()

    def told(result: NodeResult) -> None:
        if not options.json:
            with printing:
                print(_sentence(result, is_dry_run=options.dry_run), file=out, flush=True)

    files = local_files(options.etc)
    results = propagate(nodes, files, transport, told, is_dry_run=options.dry_run)
    if options.json:
        rows = [{**as_json.plain_value(result), "is_ok": result.is_ok} for result in results]
        print(
            as_json.dumps({"dry_run": options.dry_run, "nodes": rows}, is_indented=True), file=out
        )
    return 0 if all(result.is_ok for result in results) else 1


def _nodes(options: argparse.Namespace, err: TextIO) -> tuple[list[str], str]:
    """Return the nodes to go to, or a complaint; tell on `err` what the check found."""
    # Deferred: a dry import keeps the other old names fast.
    from everbeat.adapters.config_files import load_configuration  # noqa: PLC0415 - see above

    missing = {"ha.cf", "authkeys"} - set(local_files(options.etc))
    if missing:
        return [], f"no {' and no '.join(sorted(missing))} in {options.etc}"
    parsed = load_configuration(options.etc)
    errors = [report for report in parsed.reports if report.severity is Severity.ERROR]
    if errors and not options.no_check:
        for report in errors:
            print(_report(report), file=err)
        return [], "these errors are not copied; see everbeat check (--no-check copies them)"
    if options.nodes:
        wrong = [node for node in options.nodes if not is_host(node)]
        return list(options.nodes), f"not a host name: {' '.join(wrong)}" if wrong else ""
    if parsed.config is None:
        return [], "ha.cf names no nodes we could read; name the nodes on the command line"
    others = [node for node in parsed.config.nodes if node != parsed.config.node]
    return list(others), "" if others else "ha.cf names no other node"


def _report(report: Report) -> str:
    where = f"{report.place.file}:{report.place.line}: " if report.place.line else ""
    return f"{where}{report.summary}" + (f" ({report.remedy})" if report.remedy else "")


def _sentence(result: NodeResult, *, is_dry_run: bool) -> str:
    if result.error:
        return f"{result.node}: FAILED: {result.error}"
    if not result.changed:
        return f"{result.node}: up to date"
    return f"{result.node}: {'would replace' if is_dry_run else 'replaced'} " + ", ".join(
        result.changed
    )
