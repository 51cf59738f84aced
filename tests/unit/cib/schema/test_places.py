"""A report stands at the line of its element, also of one that an upgrade has moved or made."""

from __future__ import annotations

from everbeat.cib.schema.places import TEXT_MAX, Sheet, walk
from everbeat.cib.tree import Element, tree_from_text

TEXT = b"""<cib>
<configuration>
<resources><primitive id="a"/>
<primitive id="b"/></resources>
</configuration>
</cib>"""


def test_a_report_shows_the_line_of_its_element() -> None:
    cib = tree_from_text(TEXT)
    sheet = Sheet("x.xml", TEXT, cib)
    sheet.report("id-twice", "the id b is taken", "b-2", walk(cib)[-1])
    place = sheet.reports[0].place
    assert (place.file, place.line, place.text) == (
        "x.xml",
        4,
        '<primitive id="b"/></resources>',
    )


def test_an_element_that_was_made_later_stands_where_its_id_stood_or_what_lies_around_it() -> None:
    cib = tree_from_text(TEXT)
    sheet = Sheet("x.xml", TEXT, cib)
    assert sheet.line_of(Element("template", {"id": "b"}, [])) == 4
    assert sheet.line_of(Element("nvpair", {"id": "new"}, []), walk(cib)[3]) == 3
    assert sheet.line_of(Element("nvpair", {}, []), Element("resources", {}, [])) == 3
    assert sheet.line_of(Element("nvpair", {}, [])) == 0


def test_of_two_elements_with_one_id_that_of_the_same_kind_is_meant() -> None:
    text = b"""<cib><configuration><nodes><node id="1"/></nodes></configuration>
<status><node_state id="1"/></status></cib>"""
    sheet = Sheet("x.xml", text, tree_from_text(text))
    assert sheet.line_of(Element("node_state", {"id": "1"}, [])) == 2
    assert sheet.line_of(Element("node", {"id": "1"}, [])) == 1


def test_of_a_long_line_the_beginning_is_shown() -> None:
    text = b'<cib a="%s"/>' % (b"x" * 1000)
    cib = tree_from_text(text)
    sheet = Sheet("x.xml", text, cib)
    sheet.report("attribute-unknown", "no attribute a", "", cib)
    assert len(sheet.reports[0].place.text) == TEXT_MAX
