"""The cores of one process put together, facts of one routed to the next. Still pure."""
