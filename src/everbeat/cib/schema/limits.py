"""Numbers no cluster means: so many instances, or so many digits, that no engine should try.

Also addresses of bundles, which are counted upwards from the one written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.cib.schema.places import walk
from everbeat.cib.whole_numbers import integer_prefix

if TYPE_CHECKING:
    from everbeat.cib.schema.places import Sheet
    from everbeat.cib.tree import Element

INSTANCES_MAX: Final = 1_000
DIGITS_MAX: Final = 1_000
_COUNTED_METAS: Final = frozenset(("clone-max", "clone_max"))
_COUNTED: Final = ("replicas", "replicas-per-host", "promoted-max", "masters")
_MANY_DIGITS: Final = re.compile(rf"[0-9]{{{DIGITS_MAX}}}")
_ADDRESS: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}")


def check_limits(sheet: Sheet, cib: Element) -> None:
    """Report numbers beyond every limit, in the configuration and in the status."""
    for element in walk(cib):
        for name, value in element.attributes.items():
            if len(value) >= DIGITS_MAX and _MANY_DIGITS.search(value) is not None:
                text = f"{name} of <{element.tag}> has a number of {DIGITS_MAX} digits or more"
                sheet.report("number-too-large", text, "a smaller number", element, cib)
        _check_counts(sheet, element)
        start = element.get("ip-range-start")
        if start is not None and _ADDRESS.fullmatch(start) is None:
            text = f"ip-range-start={start!r} is no IPv4 address"
            sheet.report("attribute-value", text, "such as 10.0.0.10", element, cib)


def _check_counts(sheet: Sheet, element: Element) -> None:
    counts: list[tuple[str, str | None]] = []
    if element.tag == "nvpair" and element.get("name") in _COUNTED_METAS:
        counts.append((element.text("name"), element.get("value")))
    elif element.tag in ("docker", "podman"):
        counts += [(name, element.get(name)) for name in _COUNTED]
    elif element.tag == "clone":
        counts += [(name, element.get(name)) for name in _COUNTED_METAS]
    for name, value in counts:
        if value is not None and (_count(value) or 0) > INSTANCES_MAX:
            text = f"{name}={value[:40]}: more than {INSTANCES_MAX} instances"
            sheet.report("number-too-large", text, f"at most {INSTANCES_MAX}", element)


def _count(value: str) -> int | None:
    """Read a count; of a number with very many digits the first are enough to refuse it."""
    return integer_prefix(value[:20])
