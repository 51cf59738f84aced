"""From the document to the plan: options, nodes, resources, constraints, history."""
