"""What a run of the engine works on: nodes, resources, actions, constraints, one plan."""
