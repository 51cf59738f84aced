"""The policy engine: from a configuration and what is known to what should be done.

`schedule(cib, now)` runs the stages listed in `schedule.py` over one `Plan` and returns it; `emit`
turns a plan into a graph, scores, a summary and a drawing. Pure: no clock, no files, no log.
"""
