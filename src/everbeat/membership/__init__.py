"""Messages and time in, who is here out: liveness, delivery, nodes, links."""
