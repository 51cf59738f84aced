"""When a rule of the CIB holds: dates, durations, comparisons, and their evaluation."""
