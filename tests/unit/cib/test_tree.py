"""What is no document, or more than we take, is refused with its line."""

from __future__ import annotations

import pytest

from everbeat.cib.tree import DEPTH_MAX, TreeError, render_tree, tree_from_text


def refused(text: bytes) -> TreeError:
    with pytest.raises(TreeError) as caught:
        tree_from_text(text)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<a",
        b"<a></b>",
        b"\xff\xfe",
        b'<a b="1" b="2"/>',
        b'<?xml version="1.0" encoding="no-such"?><a/>',
        b'<?xml version="1.0" encoding="idna"?><a/>',
        b'<?xml version="1.0" encoding="utf-7"?><a/>',
    ],
)
def test_what_is_no_xml_is_refused(text: bytes) -> None:
    assert refused(text).line == 1


def test_the_line_of_a_fault_is_told() -> None:
    assert refused(b"<a>\n<b>\n</c></a>").line == 3


def test_entities_are_refused_before_they_can_grow() -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
    assert "DOCTYPE" in refused(bomb).message


def test_elements_may_lie_as_deep_as_the_limit_and_no_deeper() -> None:
    assert tree_from_text(b"<a>" * DEPTH_MAX + b"</a>" * DEPTH_MAX).tag == "a"
    assert "deep" in refused(b"<a>" * (DEPTH_MAX + 1)).message


def test_a_tree_written_and_read_again_is_the_same() -> None:
    text = '<a b="&lt;&#10;&quot;">\n  <c/>\n</a>\n'
    assert render_tree(tree_from_text(text)) == text
