"""A changed configuration on its way to our processes."""

from __future__ import annotations

from dataclasses import dataclass

from everbeat.model.cluster import HaConfig
from everbeat.model.keys import AuthKeys


@dataclass(frozen=True, slots=True)
class UseConfiguration:
    """Order to link and executor: use this from now on. Nobody answers."""

    config: HaConfig
    keys: AuthKeys
