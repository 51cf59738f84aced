"""What fencing agents say of themselves: `fence_x -o metadata` (XML) and `stonith -t X -n`.

A parameter has had several names over the years; `obsoletes` tells which, and any one of them
will do. Measured on fence-agents 4.12 and cluster-glue 1.0.12.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from everbeat.ports.host import StonithParameters

METADATA_BYTES_MAX: Final = 1_000_000


def parameters_from_metadata(text: str) -> StonithParameters | None:
    """Return the parameters of a fence agent's metadata; None if it is none."""
    found: list[dict[str, str]] = []
    roots: list[str] = []

    def on_element(name: str, attributes: dict[str, str]) -> None:
        roots.append(name)
        if name == "parameter" and "name" in attributes:
            found.append(attributes)

    parser = expat.ParserCreate()
    parser.StartElementHandler = on_element
    try:
        parser.Parse(text[:METADATA_BYTES_MAX], True)  # noqa: FBT003 - positional only in expat
    except expat.ExpatError:
        return None
    if not roots or roots[0] != "resource-agent":
        return None
    names = tuple(dict.fromkeys(row["name"] for row in found))
    return StonithParameters(names, _required(found))


def parameters_from_names(text: str) -> StonithParameters | None:
    """Return the parameters that `stonith -n` lists, all of them needed; None if it lists none."""
    names = tuple(text.split())
    return StonithParameters(names, tuple((name,) for name in names)) if names else None


def _required(found: list[dict[str, str]]) -> tuple[tuple[str, ...], ...]:
    groups = []
    for row in found:
        if row.get("required") != "1" or row.get("deprecated") == "1":
            continue
        older = [row["obsoletes"]] if row.get("obsoletes") else []
        groups.append(tuple(dict.fromkeys((row["name"], *older))))
    return tuple(groups)
