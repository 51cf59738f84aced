"""How many parts a message is taken apart into: counted before they are made, not afterwards."""

from __future__ import annotations

from typing import final

from everbeat.wire.errors import WireError
from everbeat.wire.limits import PARTS_MAX


@final
class PartCount:
    """What is left of the parts one message may have: fields and list elements, at any depth."""

    __slots__ = ("_left",)

    def __init__(self, limit: int = PARTS_MAX) -> None:
        self._left = limit

    def take(self, parts: int = 1) -> None:
        """Count parts that are about to be made. Raises WireError too-many-parts."""
        self._left -= parts
        if self._left < 0:
            raise WireError("too-many-parts")
