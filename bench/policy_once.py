"""One run of the policy engine for `policy.py`: prints its CPU seconds, XML parse included.

    python bench/policy_once.py decide|whatif FILE…

`decide` stops at the graph, as a DC does; `whatif` plays the transition through and writes the
summary. The process is warm: modules are imported and one small document decided before. Which
engine it is, the path of modules (PYTHONPATH) says.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from pathlib import Path

from everbeat.cib.tree import tree_from_text
from everbeat.cib.upgrade import upgrade_cib
from everbeat.policy.emit.graph import build_graph
from everbeat.policy.emit.graph_xml import render_graph
from everbeat.policy.emit.transition import transition_from_cib
from everbeat.policy.schedule import schedule

_NOW = 1_700_100_000
_WARM_UP = b'<cib validate-with="pacemaker-4.0"><configuration/><status/></cib>'


def decide(text: bytes) -> str:
    """Return the graph of a document."""
    plan = schedule(upgrade_cib(tree_from_text(text)).root, _NOW)
    return render_graph(plan, build_graph(plan))


def what_if(text: bytes) -> str:
    """Return the summary of a document, with the state after its transition."""
    return transition_from_cib(upgrade_cib(tree_from_text(text)).root, _NOW).summary


def main() -> None:
    """Run over the files; the first line of output is JSON."""
    run = {"decide": decide, "whatif": what_if}[sys.argv[1]]
    sys.setrecursionlimit(50_000)
    run(_WARM_UP)
    gc.disable()  # as the engine's worker does during a run
    seconds: list[float] = []
    for name in sys.argv[2:]:
        text = Path(name).read_bytes()
        began = time.process_time()
        run(text)
        seconds.append(time.process_time() - began)
        gc.collect()
    print(json.dumps(seconds))


if __name__ == "__main__":
    main()
