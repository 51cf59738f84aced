"""Why: for every placement, action and non-action the cause, as data and as a sentence."""
