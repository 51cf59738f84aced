"""Frames and messages between our own processes."""
