"""docs/architecture.md names every package of the product, and nothing that is not there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "everbeat"
DOCS = ROOT / "docs"
MAP = DOCS / "architecture.md"

_PARAGRAPH = re.compile(r"^\*\*`(\w+)`\*\* — (.*?)(?=^\*\*`|^## )", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"`([a-z_0-9]+)`")
_PATH = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)`")
_CALL = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py)` \(([^)]*)\)")
_LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def packages() -> set[str]:
    return {path.parent.name for path in SOURCE.glob("*/__init__.py")}


def test_every_package_has_its_paragraph_and_no_paragraph_lacks_its_package() -> None:
    described = {name for name, _ in _PARAGRAPH.findall(MAP.read_text())}
    assert packages() - described == set(), "write their paragraphs in docs/architecture.md"
    assert described - packages() == set(), "these packages are gone"


def test_a_paragraph_names_only_modules_that_are_there() -> None:
    for package, text in _PARAGRAPH.findall(MAP.read_text()):
        modules = {path.stem for path in (SOURCE / package).iterdir()}
        sources = "".join(path.read_text() for path in (SOURCE / package).glob("*.py"))
        for word in _WORD.findall(text):
            is_known = word in modules | packages() or re.search(rf"\b{word}\b", sources)
            assert is_known, f"{package}: {word} is no module and no word of it"


def test_the_files_and_functions_to_look_in_are_there() -> None:
    text = MAP.read_text()
    for path in _PATH.findall(text):
        assert (SOURCE / path).is_file(), path
    for path, names in _CALL.findall(text):
        for name in _WORD.findall(names) + re.findall(r"`(\w+)`", names):
            assert name in (SOURCE / path).read_text(), f"{path} has no {name}"


def test_every_layer_of_the_drawing_is_a_layer_of_the_linter() -> None:
    contract = re.search(r"layers = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert contract
    wanted = [re.findall(r"everbeat\.(\w+)", line) for line in contract[1].splitlines()]
    section = MAP.read_text().partition("## Layers")[2].partition("```\n")[2].partition("```")[0]
    drawn = [re.findall(r"\w+", line.partition("   ")[0]) for line in section.splitlines()]
    assert drawn == [layer for layer in wanted if layer]


def test_links_between_pages_lead_somewhere() -> None:
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
    for page in pages:
        for target in _LINK.findall(page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_decisions_are_numbered_without_gaps_and_once() -> None:
    numbers = sorted(int(path.name[:4]) for path in (DOCS / "adr").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
