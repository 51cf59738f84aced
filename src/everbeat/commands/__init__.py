"""Use cases of the people who run a cluster, shared by every front end."""
