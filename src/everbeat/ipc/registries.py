"""Which types the sockets between our processes speak; core.sock, for tools: `messages`."""

from __future__ import annotations

from typing import Final, get_args

from everbeat.model.members import MembershipView
from everbeat.model.membership import MembershipFact, MembershipOrder
from everbeat.model.operations import ExecutorFact, ExecutorOrder
from everbeat.model.reload import UseConfiguration

LINK_TYPES: Final[tuple[type, ...]] = (
    *get_args(MembershipFact),
    *get_args(MembershipOrder),
    MembershipView,
    UseConfiguration,
)
"""link.sock: the view first, then facts; orders the other way."""

EXECUTOR_TYPES: Final[tuple[type, ...]] = (
    *get_args(ExecutorOrder),
    *get_args(ExecutorFact),
    UseConfiguration,
)
"""executor.sock: orders in, facts out."""
