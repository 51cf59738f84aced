"""Vocabulary shared by every package. Imports nothing of ours."""
