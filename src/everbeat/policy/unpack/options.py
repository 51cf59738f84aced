"""The cluster options the engine knows, read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, final

from everbeat.cib.whole_numbers import integer_prefix
from everbeat.policy.score import INFINITY, score_from_text
from everbeat.policy.values import boolean_from_text, duration_ms, interval_ms, seconds_from_ms

if TYPE_CHECKING:
    from everbeat.cib.tree import Element

_OLD_NAMES: Final = {
    "fencing-enabled": "stonith-enabled",
    "fencing-action": "stonith-action",
    "fencing-timeout": "stonith-timeout",
    "stop-removed-resources": "stop-orphan-resources",
    "cancel-removed-actions": "stop-orphan-actions",
    "fencing-watchdog-timeout": "stonith-watchdog-timeout",
}
_QUORUM_POLICIES: Final = ("stop", "ignore", "freeze", "demote", "fence", "suicide")


@final
class Options:
    """Cluster options as values; `text` keeps them as written."""

    def __init__(self, written: dict[str, str], cib: Element) -> None:
        self.written: Final = written
        self.fencing_enabled: Final = self._flag("fencing-enabled", default=True)
        self.fencing_action: Final = self._choice("fencing-action", ("reboot", "off"), "reboot")
        self.have_watchdog: Final = self._flag("have-watchdog", default=False)
        self.concurrent_fencing: Final = self._flag("concurrent-fencing", default=True)
        self.startup_fencing: Final = self._flag("startup-fencing", default=True)
        self.symmetric: Final = self._flag("symmetric-cluster", default=True)
        self.stop_all: Final = self._flag("stop-all-resources", default=False)
        self.stop_removed: Final = self._flag("stop-removed-resources", default=True)
        self.cancel_removed: Final = self._flag("cancel-removed-actions", default=True)
        self.start_failure_is_fatal: Final = self._flag("start-failure-is-fatal", default=True)
        self.startup_probes: Final = self._flag("enable-startup-probes", default=True)
        self.maintenance_mode: Final = self._flag("maintenance-mode", default=False)
        self.shutdown_lock: Final = self._flag("shutdown-lock", default=False)
        self.fence_remote_without_quorum: Final = self._flag(
            "fence-remote-without-quorum", default=False
        )
        self.shutdown_lock_limit: Final = seconds_from_ms(self._time("shutdown-lock-limit"))
        self.priority_fencing_delay: Final = seconds_from_ms(self._time("priority-fencing-delay"))
        self.node_pending_timeout: Final = seconds_from_ms(self._time("node-pending-timeout"))
        self.placement: Final = self._choice(
            "placement-strategy", ("default", "utilization", "minimal", "balanced"), "default"
        )
        self.health_strategy: Final = self._choice(
            "node-health-strategy",
            ("none", "migrate-on-red", "only-green", "progressive", "custom"),
            "none",
        )
        self.health_base: Final = score_from_text(self.text("node-health-base"))
        self.health_green: Final = score_from_text(self.text("node-health-green"))
        self.health_yellow: Final = score_from_text(self.text("node-health-yellow"))
        self.health_red: Final = score_from_text(self.text("node-health-red"), -INFINITY)
        self.batch_limit: Final = integer_prefix(self.text("batch-limit") or "0") or 0
        self.migration_limit: Final = integer_prefix(self.text("migration-limit") or "-1") or 0
        self.quorum_policy: Final = self._quorum_policy(cib)
        self.unfencing_in_use: Final = _unfencing_in_use(cib)

    def text(self, name: str) -> str | None:
        """Return an option as written, under its new or its old name."""
        value = self.written.get(name)
        if value is None and name in _OLD_NAMES:
            value = self.written.get(_OLD_NAMES[name])
        return value

    def _flag(self, name: str, *, default: bool) -> bool:
        value = boolean_from_text(self.text(name))
        return default if value is None else value

    def _choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(name)
        if value == "poweroff":
            value = "off"
        return value if value in choices else default

    def _time(self, name: str) -> int:
        return interval_ms(self.text(name))

    def time_as_written(self, name: str, default: str) -> str:
        """Return a time for the head of the graph; an invalid one counts as not written."""
        value = self.text(name)
        return default if value is None or duration_ms(value) is None else value

    def _quorum_policy(self, cib: Element) -> str:
        policy = self._choice("no-quorum-policy", _QUORUM_POLICIES, "stop")
        if policy not in ("fence", "suicide"):
            return policy
        had_quorum = boolean_from_text(cib.get("no-quorum-panic")) or boolean_from_text(
            cib.get("have-quorum")
        )
        return "fence" if self.fencing_enabled and had_quorum else "stop"


def _unfencing_in_use(cib: Element) -> bool:
    configuration = cib.first("configuration")
    if configuration is None:
        return False
    for section in ("resources", "rsc_defaults"):
        element = configuration.first(section)
        if element is not None and _mentions_unfencing(element):
            return True
    return False


def _mentions_unfencing(element: Element) -> bool:
    for child in element.children:
        if child.tag == "meta_attributes":
            for pair in child.children:
                if (
                    pair.get("name") in ("provides", "requires")
                    and pair.get("value") == "unfencing"
                ):
                    return True
        elif _mentions_unfencing(child):
            return True
    return False
