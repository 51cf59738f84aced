"""The engine as one function: a configuration with its status goes in, a finished plan comes out.

The stages run in the order of `STAGES`; each of them says at its top what it reads and writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from everbeat.policy.actions.apply import apply_orderings
from everbeat.policy.actions.config_changes import check_config_changes
from everbeat.policy.actions.internal import order_internally
from everbeat.policy.actions.remote import order_over_connections
from everbeat.policy.actions.resource_actions import create_all_actions
from everbeat.policy.assign.assign import assign_all
from everbeat.policy.stages.fencing import schedule_fencing
from everbeat.policy.stages.node_criteria import apply_health, apply_node_criteria
from everbeat.policy.stages.probes import schedule_probes
from everbeat.policy.unpack.constraints import unpack_constraints
from everbeat.policy.unpack.unpack import plan_from_cib

if TYPE_CHECKING:
    from collections.abc import Callable

    from everbeat.cib.tree import Element
    from everbeat.policy.plan.plan import Plan


def _take_constraints(plan: Plan) -> None:
    configuration = plan.cib.first("configuration")
    if configuration is not None:
        unpack_constraints(plan, configuration.first("constraints"))


STAGES: Final[tuple[tuple[str, Callable[[Plan], None]], ...]] = (
    ("health", apply_health),
    ("constraints", _take_constraints),
    ("node criteria", apply_node_criteria),
    ("internal constraints", order_internally),
    ("configuration changes", check_config_changes),
    ("assign", assign_all),
    ("probes", schedule_probes),
    ("create actions", create_all_actions),
    ("remote connections", order_over_connections),
    ("fencing", schedule_fencing),
    ("orderings", apply_orderings),
)


def schedule(cib: Element, now: int) -> Plan:
    """Decide what should be done. `now` is in seconds since the epoch."""
    plan = plan_from_cib(cib, now)
    for _name, stage in STAGES:
        stage(plan)
    return plan
