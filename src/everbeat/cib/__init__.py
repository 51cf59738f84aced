"""The configuration and status document: its tree, and how old ones are brought up to date."""
