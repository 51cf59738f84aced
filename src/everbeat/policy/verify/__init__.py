"""Whether a CIB says what it can mean: its form, its references, and whether it makes sense."""
