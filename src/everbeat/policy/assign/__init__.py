"""Where every resource shall run: scores, colocations and the choice of a node."""
