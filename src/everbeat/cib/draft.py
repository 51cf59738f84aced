"""A document that can be changed: what an upgrade works on between two immutable trees.

`kept` is a branch that nobody is to change (the status section of a modern document, mostly its
largest part); it goes back into the new tree as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.tree import Element

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


@final
class Draft:
    """An element with attributes and children that may be changed in place."""

    def __init__(
        self,
        tag: str,
        attributes: dict[str, str] | None = None,
        children: list[Draft] | None = None,
        kept: Element | None = None,
    ) -> None:
        self.tag = tag
        self.attributes: Final = {} if attributes is None else attributes
        self.children: Final = [] if children is None else children
        self.kept: Final = kept

    @property
    def id(self) -> str:
        """The attribute `id`, or the empty string."""
        return self.attributes.get("id", "")

    def first(self, tag: str) -> Draft | None:
        """Return the first child with this tag."""
        return next((child for child in self.children if child.tag == tag), None)

    def first_or_new(self, tag: str) -> Draft:
        """Return the first child with this tag, made as the last one if there is none."""
        child = self.first(tag)
        if child is None:
            child = Draft(tag)
            self.children.append(child)
        return child

    def all(self, *tags: str) -> list[Draft]:
        """Return the children with one of these tags, in document order."""
        return [child for child in self.children if child.tag in tags]

    def walk(self, tags: Collection[str]) -> Iterator[Draft]:
        """Yield this element and all below it that have one of these tags, in document order."""
        if self.tag in tags:
            yield self
        for child in list(self.children):
            yield from child.walk(tags)

    def rename(self, old: str, new: str) -> bool:
        """Rename an attribute in its place; where the new name exists already, drop the old one."""
        if old not in self.attributes:
            return False
        pairs = list(self.attributes.items())
        has_new = new in self.attributes
        self.attributes.clear()
        for name, value in pairs:
            if name != old:
                self.attributes[name] = value
            elif not has_new:
                self.attributes[new] = value
        return True


def draft_from_tree(element: Element, keep: Collection[str] = ()) -> Draft:
    """Copy a tree; branches whose tag is in `keep` are not copied and cannot be changed."""
    if element.tag in keep:
        return Draft(element.tag, kept=element)
    children = [draft_from_tree(child, keep) for child in element.children]
    return Draft(element.tag, dict(element.attributes), children)


def tree_from_draft(draft: Draft) -> Element:
    """Return the draft as a tree."""
    if draft.kept is not None:
        return draft.kept
    return Element(
        draft.tag, dict(draft.attributes), [tree_from_draft(child) for child in draft.children]
    )
