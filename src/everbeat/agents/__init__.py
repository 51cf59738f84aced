"""How to ask a resource: which script or built-in serves it and what its answer means."""
