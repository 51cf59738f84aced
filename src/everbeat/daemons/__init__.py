"""One file per process: takes a node, plugs in adapters, runs the loop."""
