"""The stages that run over a plan, one after the other; each says what it reads and writes."""
