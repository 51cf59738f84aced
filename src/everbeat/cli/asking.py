"""Whom a command may ask: the person at the terminal, or nobody."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def person(*, is_json: bool = False, is_default: bool = False) -> Callable[[str], bool]:
    """Return how to ask a question; where no terminal is, the answer is no."""
    if is_json or not sys.stdin.isatty():
        return lambda _question: False
    return lambda question: click.confirm(question, default=is_default)
