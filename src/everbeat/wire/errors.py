"""The one exception of the codec. Raised on bytes that are no message and on unsendable values."""

from __future__ import annotations

from typing import final


@final
class WireError(ValueError):
    """Bytes or values that cannot be a message. `reason` is a kebab-case word, stable."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
