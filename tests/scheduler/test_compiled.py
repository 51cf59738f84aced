"""With EVERBEAT_COMPILED=DIR the cases of this folder run on compiled modules; this proves it."""

import os

from everbeat.cib import tree, upgrade
from everbeat.cib.schema import document
from everbeat.policy import schedule
from everbeat.policy.actions import update
from everbeat.rules import evaluate


def test_the_modules_under_test_are_the_ones_asked_for() -> None:
    wanted = os.environ.get("EVERBEAT_COMPILED")
    for module in (tree, upgrade, document, schedule, update, evaluate):
        assert module.__file__ is not None
        if wanted is None:
            assert module.__file__.endswith(".py")
        else:
            assert module.__file__.startswith(wanted)
            assert module.__file__.endswith(".so")
