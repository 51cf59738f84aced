"""What all transformations of an upgrade share: their form, what they report, small searches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.draft import Draft
from everbeat.model.reports import Report, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RESOURCE_TAGS: Final = frozenset(
    {"primitive", "group", "clone", "master", "master_slave", "bundle", "template"}
)
SET_TAGS: Final = frozenset(
    {"cluster_property_set", "instance_attributes", "meta_attributes", "utilization"}
)


@final
class Transformation:
    """One step: `schema` is the first one that no longer knows what the step removes.

    `apply` changes the draft of the whole document; applied again it changes nothing.
    """

    def __init__(
        self, name: str, schema: tuple[int, int], apply: Callable[[Draft, ChangeLog], None]
    ) -> None:
        self.name: Final = name
        self.schema: Final = schema
        self.apply: Final = apply


@final
class ChangeLog:
    """Collects what a transformation changed, one report each."""

    def __init__(self) -> None:
        self.reports: Final[list[Report]] = []
        self._step = ""

    def begin(self, step: str) -> None:
        """Name the step whose changes follow."""
        self._step = step

    def changed(self, element: Draft, summary: str) -> None:
        """Note a change that keeps the meaning."""
        self._note(Severity.INFO, element, summary)

    def lost(self, element: Draft, summary: str) -> None:
        """Note that something has no successor and is gone."""
        self._note(Severity.WARNING, element, summary)

    def _note(self, severity: Severity, element: Draft, summary: str) -> None:
        where = f"{element.tag} {element.id}" if element.id else element.tag
        self.reports.append(
            Report(code=f"upgrade-{self._step}", severity=severity, summary=f"{where}: {summary}")
        )


def configuration_of(cib: Draft) -> Draft | None:
    """Return the configuration, the element itself if it is one."""
    return cib if cib.tag == "configuration" else cib.first("configuration")


def section(cib: Draft, name: str) -> Draft | None:
    """Return a section of the configuration."""
    configuration = configuration_of(cib)
    return None if configuration is None else configuration.first(name)


def within(cib: Draft, name: str, tags: frozenset[str] | set[str]) -> Iterator[Draft]:
    """Yield the elements with these tags in a section of the configuration."""
    found = section(cib, name)
    if found is not None:
        yield from found.walk(tags)


def free_id(cib: Draft, wanted: str) -> str:
    """Return an id nobody in the draft has: the wanted one, or with a number behind it."""
    taken = set(_ids(cib))
    if wanted not in taken:
        return wanted
    number = 1
    while f"{wanted}-{number}" in taken:
        number += 1
    return f"{wanted}-{number}"


def _ids(element: Draft) -> Iterator[str]:
    if element.id:
        yield element.id
    for child in element.children:
        yield from _ids(child)


def pair_named(owner: Draft, set_tag: str, name: str) -> Draft | None:
    """Return the first nvpair of this name in the owner's sets."""
    for attribute_set in owner.all(set_tag):
        for pair in attribute_set.all("nvpair"):
            if pair.attributes.get("name") == name:
                return pair
    return None


def add_pair(cib: Draft, owner: Draft, set_tag: str, pair: Draft) -> None:
    """Add an nvpair to the owner's first set without a rule, made if there is none."""
    for attribute_set in owner.all(set_tag):
        if attribute_set.first("rule") is None and "id-ref" not in attribute_set.attributes:
            attribute_set.children.append(pair)
            return
    stem = owner.id or owner.tag
    attribute_set = Draft(set_tag, {"id": free_id(cib, f"{stem}-{set_tag}")}, [pair])
    owner.children.append(attribute_set)


def new_pair(cib: Draft, pair_id: str, name: str, value: str) -> Draft:
    """Return an nvpair with a free id."""
    return Draft("nvpair", {"id": free_id(cib, pair_id), "name": name, "value": value})
