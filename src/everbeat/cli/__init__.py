"""The everbeat command and the old names that are links to it."""
