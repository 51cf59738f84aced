"""Whether a CIB whose form is good makes sense, and what is surely not meant in it."""
