"""Fencing: making sure that a node is off before anybody takes what it held."""
