"""The key files the captures were signed with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.model.keys import AuthKey, AuthKeys

if TYPE_CHECKING:
    from pathlib import Path


def read_keys(path: Path) -> AuthKeys:
    """Read an authkeys file that is known to be well formed."""
    signing, keys = 0, []
    for line in path.read_text().splitlines():
        match line.split():
            case ["auth", number]:
                signing = int(number)
            case [number, method, *secret]:
                keys.append(AuthKey(int(number), method, "".join(secret).encode()))
    return AuthKeys(signing, tuple(keys))
