from __future__ import annotations

import pytest

from everbeat.config.script_words import knows_status

KNOWS = {
    "a case": "#!/bin/sh\ncase $1 in start) a;; status) b;; esac",
    "a usage": '#!/bin/bash\necho "usage: $0 {start|stop|status}"',
    "a pattern that matches": "#!/bin/sh\ncase $1 in sta[rt]) a;; st*) b;; esac",
    "an alternative that matches": '#!/bin/sh\ncase "$1" in\n  stop | "stat"*)\n  b;; esac',
    "words handed on": '#!/bin/sh\nexec /usr/lib/real "$@"',
    "the word handed on": "#!/bin/sh\nsystemctl $1 nginx",
    "the word handed on by name": '#!/bin/sh\nACTION="${1:-start}"\nif true; then svc $ACTION; fi',
    "the word as a function": '#!/bin/sh\nstart() { a; }\n"$1"',
    "another script read in": "#!/bin/sh\n. /usr/share/app/common.sh",
    "an interpreter of its own": "#!/lib/init/init-d-script\nNAME=x",
    "Python that names it": "#!/usr/bin/env python3\nif sys.argv[1] == 'status': pass",
    "Perl that hands on": "#!/usr/bin/perl\nexec('/usr/lib/real', @ARGV, 'argv');",
}
DOES_NOT = {
    "nothing at all": "killall -9 nfsd\nexit 0",
    "the usual killnfsd": '#!/bin/sh\n# status? no\necho "$(date +%T) kill; $*" >>/var/log/c',
    "start and stop alone": "#!/bin/sh\n. /lib/lsb/init-functions\ncase $1 in start) a;; *) b;esac",
    "an if": '#!/bin/bash\nif [ "$1" = start ]; then a; else b; fi',
    "a comment behind a command": "#!/bin/sh\nkillall nfsd # asks for no status",
    "awk's own fields": "#!/bin/sh\nkill $(ps ax | awk '{print $1}')",
    "a log of its words": '#!/bin/sh\nlogger "called: $1"; ACTION=$1\n[ "$ACTION" = stop ] && b',
    "Python without it": "#!/usr/bin/python3\nimport os\nos.kill(int(open('/run/x').read()), 9)",
    "settings read in": "#!/bin/sh\n. /etc/default/nfs\nkillall $NAME",
}


@pytest.mark.parametrize("text", KNOWS.values(), ids=KNOWS)
def test_who_names_or_hands_on_the_word_may_be_asked(text: str) -> None:
    assert knows_status(text)


@pytest.mark.parametrize("text", DOES_NOT.values(), ids=DOES_NOT)
def test_who_does_not_know_the_word_is_not_asked(text: str) -> None:
    assert not knows_status(text)
