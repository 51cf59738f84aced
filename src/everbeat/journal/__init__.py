"""The journal: which events there were, whatever manages the resources."""
