"""Orders for this node in, runs of agents and hooks out; clients that are kept running."""
