"""The keeper as a process whose children are stubs: python keeper_of_stubs.py RUN."""

import sys
from pathlib import Path

from everbeat.daemons.keeper import KeeperOptions, keep
from everbeat.supervision.plan import Limits

run = Path(sys.argv[1])
sys.exit(
    keep(
        KeeperOptions(
            etc=run,
            state=run,
            run=run,
            pidfile=run / "pid",
            command=(sys.executable, "-S", str(Path(__file__).with_name("stub_child.py"))),
            limits=Limits(link_lease_ms=400, core_lease_ms=400, feed_ms=50),
        )
    )
)
