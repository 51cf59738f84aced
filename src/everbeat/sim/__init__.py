"""The simulated world: one seed, one history."""
