"""Configuration files to all nodes: offered, checked, installed by all or by none. Pure."""
