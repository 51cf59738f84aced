"""Which actions a resource needs, and how they are ordered."""
