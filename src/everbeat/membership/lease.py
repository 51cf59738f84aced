"""Leases: until when the voters let us hold, each counted from a stamp of ours that it has heard.

    our heartbeat, stamp s ──► V hears it, promises not to call us dead for D ──► V's heartbeat
    echoes s ──► a lease from V until s + L on our clock

Invariant: L (1 + r) + S <= D (1 - r). So when V may call us dead, our lease from V has ended at
least S before, on anybody's clock. D is the smaller of our deadtime and V's: what V does after a
restart of its own follows from its own configuration.
"""

from __future__ import annotations

from dataclasses import dataclass

from everbeat.model.cluster import lease_ms


@dataclass(slots=True)
class _Lease:
    stamp_ms: int
    until_ms: int


class Leases:
    """The leases of one node, by voter. Times are its own clock's."""

    def __init__(self, dead_ms: int, stop_ms: int) -> None:
        self._dead_ms = dead_ms
        self._stop_ms = stop_ms
        self._given: dict[str, _Lease] = {}

    def length_ms(self, voter_dead_ms: int | None = None) -> int:
        """Return L for a voter with this deadtime."""
        dead_ms = min(self._dead_ms, voter_dead_ms or self._dead_ms)
        return lease_ms(dead_ms, self._stop_ms)

    def on_lease(self, voter: str, stamp_ms: int, length_ms: int) -> None:
        """Take a lease counted from a stamp of ours; an older one changes nothing."""
        until_ms = stamp_ms + length_ms
        known = self._given.get(voter)
        if known is None or until_ms > known.until_ms:
            self._given[voter] = _Lease(stamp_ms, until_ms)

    def forget(self) -> None:
        """Drop all: a new life begins."""
        self._given.clear()

    def until_ms(self, voter: str) -> int:
        """Return when a voter's lease ends; 0 if it gave none."""
        known = self._given.get(voter)
        return known.until_ms if known else 0

    def stamp_ms(self, voter: str) -> int:
        """Return the stamp a voter's lease counts from; 0 if it gave none."""
        known = self._given.get(voter)
        return known.stamp_ms if known else 0

    def is_valid(self, voter: str, now_ms: int) -> bool:
        """Say whether a voter lets us hold now."""
        return now_ms < self.until_ms(voter)

    def common_until_ms(self, voters: list[str], count: int, latest_ms: int) -> int:
        """Return how long at least `count` of these voters let us hold; 0: they do not.

        Leases counted from a stamp after `latest_ms` are left out.
        """
        given = [found for voter in voters if (found := self._given.get(voter)) is not None]
        ends = sorted((x.until_ms for x in given if x.stamp_ms <= latest_ms), reverse=True)
        return ends[count - 1] if 0 < count <= len(ends) else 0
