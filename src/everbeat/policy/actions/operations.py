"""An operation as configured: its meta table, what its failure asks for and leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.policy.plan.words import (
    ON_FAIL_BAN,
    ON_FAIL_BLOCK,
    ON_FAIL_DEMOTE,
    ON_FAIL_FENCE,
    ON_FAIL_IGNORE,
    ON_FAIL_RESET_REMOTE,
    ON_FAIL_RESTART,
    ON_FAIL_RESTART_CONTAINER,
    ON_FAIL_STANDBY,
    ON_FAIL_STOP,
    PROMOTED,
    STARTED,
    STOPPED,
    UNPROMOTED,
    role_from_text,
)
from everbeat.policy.unpack.attributes import agent_of, parameters_on, take_blocks
from everbeat.policy.unpack.rules_seam import RuleFacts
from everbeat.policy.values import (
    DEFAULT_TIMEOUT_MS,
    boolean_from_text,
    duration_ms,
    epoch_from_text,
    interval_ms,
)

if TYPE_CHECKING:
    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan
    from everbeat.policy.plan.resource import Resource


def is_enabled(op: Element) -> bool:
    """Say whether a configured operation is in use."""
    return boolean_from_text(op.get("enabled")) is not False


def find_operation(
    resource: Resource, task: str, interval: int, *, with_disabled: bool
) -> Element | None:
    """Find the configuration of an operation."""
    fallback: Element | None = None
    for op in resource.operations:
        if not with_disabled and not is_enabled(op):
            continue
        name = op.get("name")
        if name == task and interval_ms(op.get("interval")) == interval:
            return op
        if (
            name == "migrate"
            and task in ("migrate_to", "migrate_from")
            and interval_ms(op.get("interval")) == 0
            and fallback is None
        ):
            fallback = op
    return fallback


def operation_meta(plan: Plan, resource: Resource, task: str, interval: int) -> dict[str, str]:
    """Return a new meta table of an operation, defaults and checks applied."""
    config_task = "notify" if task in ("notify", "notified") else task
    op = find_operation(resource, config_task, interval, with_disabled=True)
    agent = agent_of(resource) if resource.is_primitive() else None
    facts = RuleFacts(agent=agent, operation=(config_task, interval))
    meta: dict[str, str] = {}
    if op is not None:
        take_blocks(plan, op, "meta_attributes", facts, meta)
        meta.update(op.attributes)
    if task == "monitor" and interval == 0 and "timeout" not in meta:
        timeout = _timeout_of_most_frequent_monitor(resource)
        if timeout is not None:
            meta["timeout"] = timeout
    from everbeat.policy.unpack.resources import operation_defaults  # noqa: PLC0415 - a cycle

    for name, value in operation_defaults(plan, facts).items():
        meta.setdefault(name, value)
    meta.pop("id", None)
    if interval > 0:
        meta["interval"] = str(interval)
    else:
        meta.pop("interval", None)
    if resource.is_fence_device and (task == "start" or (task == "monitor" and interval == 0)):
        timeout = parameters_on(plan, resource, None).get("pcmk_monitor_timeout")
        if timeout is not None:
            meta["timeout"] = timeout
    timeout_ms = duration_ms(meta.get("timeout"))
    if timeout_ms is None or timeout_ms <= 0:
        timeout_ms = DEFAULT_TIMEOUT_MS
    meta["timeout"] = str(timeout_ms)
    _check_on_fail(resource, task, interval, meta)
    _settle_start_delay(plan, meta, interval)
    return meta


def _timeout_of_most_frequent_monitor(resource: Resource) -> str | None:
    best: Element | None = None
    best_interval = 0
    for op in resource.operations:
        interval = interval_ms(op.get("interval"))
        if op.get("name") != "monitor" or interval == 0 or not is_enabled(op):
            continue
        if best is None or interval < best_interval:
            best, best_interval = op, interval
    return None if best is None else best.get("timeout")


def _check_on_fail(resource: Resource, task: str, interval: int, meta: dict[str, str]) -> None:
    written = meta.get("on-fail")
    if task == "stop" and written in ("standby", "demote", "stop"):
        del meta["on-fail"]
        return
    if task == "demote" and written is None:
        for op in resource.operations:
            if (
                op.get("name") == "monitor"
                and is_enabled(op)
                and interval_ms(op.get("interval")) > 0
                and role_from_text(op.get("role")) == PROMOTED
                and op.get("on-fail") not in (None, "demote")
            ):
                meta["on-fail"] = op.text("on-fail")
        return
    if task == "lrm_delete":
        meta["on-fail"] = "ignore"
        return
    if written == "demote":
        recurring = task == "monitor" and interval > 0
        if not (task == "promote" or (recurring and role_from_text(meta.get("role")) == PROMOTED)):
            del meta["on-fail"]


def _settle_start_delay(plan: Plan, meta: dict[str, str], interval: int) -> None:
    if "start-delay" in meta:
        meta["start-delay"] = str(max(0, duration_ms(meta["start-delay"]) or 0))
    elif "interval-origin" in meta and interval > 0:
        from everbeat.policy.unpack.rules_seam import epoch_of_date  # noqa: PLC0415

        origin = epoch_of_date(meta["interval-origin"])
        if origin is None:
            origin = epoch_from_text(meta["interval-origin"], 0)
        seconds = max(1, interval // 1000)
        since = plan.now - origin
        rest = abs(since) % seconds
        delay = rest
        if since > 0:
            delay = seconds - rest if rest else 0
        meta["start-delay"] = str(delay * 1000)


_WRITTEN = {
    "block": ON_FAIL_BLOCK,
    "standby": ON_FAIL_STANDBY,
    "ignore": ON_FAIL_IGNORE,
    "nothing": ON_FAIL_IGNORE,
    "migrate": ON_FAIL_BAN,
    "stop": ON_FAIL_STOP,
    "restart": ON_FAIL_RESTART,
    "demote": ON_FAIL_DEMOTE,
}


def on_fail_of(
    plan: Plan, resource: Resource, task: str, interval: int, meta: dict[str, str]
) -> int:
    """Return what a failure of the operation asks for."""
    written = meta.get("on-fail")
    value: int | None = None
    if written == "fence":
        value = ON_FAIL_FENCE if plan.options.fencing_enabled else ON_FAIL_STOP
        if not plan.options.fencing_enabled:
            return value
    elif written == "restart-container":
        value = ON_FAIL_RESTART_CONTAINER if resource.launcher is not None else None
    elif written is not None:
        value = _WRITTEN.get(written)
    probe_or_start = task == "start" or (task == "monitor" and interval == 0)
    connection = resource.is_remote_connection() and resource.launcher is None
    if value is None and resource.launcher is not None:
        return ON_FAIL_RESTART_CONTAINER
    if connection and not probe_or_start and (value is None or not resource.managed):
        return ON_FAIL_RESET_REMOTE if resource.managed else ON_FAIL_STOP
    if value is not None:
        return value
    if task == "stop":
        return ON_FAIL_FENCE if plan.options.fencing_enabled else ON_FAIL_BLOCK
    return ON_FAIL_RESTART


def role_after_failure(resource: Resource, task: str, on_fail: int) -> int:
    """Return the role a resource has after the failure was dealt with."""
    if on_fail == ON_FAIL_STOP:
        return STOPPED
    if on_fail == ON_FAIL_RESET_REMOTE and resource.reconnect_ms:
        return STOPPED
    return UNPROMOTED if task == "promote" else STARTED
