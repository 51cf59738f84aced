"""Whole numbers as the attributes of a CIB hold them: what follows the digits is passed over."""

from __future__ import annotations

import re
from typing import Final

_WHOLE: Final = re.compile(r"\s*([+-]?[0-9]{1,300})")


def integer_prefix(text: str) -> int | None:
    """Return the whole number at the beginning of the text, or None if there is none."""
    if text.isascii() and text.isdigit() and len(text) < 19:  # nearly all of a history's numbers
        return int(text)
    match = _WHOLE.match(text)
    return None if match is None else int(match.group(1))
