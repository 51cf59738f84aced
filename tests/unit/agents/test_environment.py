from __future__ import annotations

import pytest

from everbeat.agents.environment import (
    VARIABLES_MAX,
    Places,
    accepted,
    client_environment,
    script_environment,
)
from everbeat.model.cluster import HaConfig
from everbeat.model.names import NodeName

CONFIG = HaConfig(
    node=NodeName("alpha"),
    nodes=(NodeName("alpha"), NodeName("beta")),
    debugfile="/var/log/ha-debug",
    compression="bz2",
    environment=(("SITE", "berlin"),),
    parameters=(("keepalive", "1"), ("deadtime", "500ms")),
)
PLACES = Places(etc="/etc/ha.d", state="/var/lib/heartbeat")


def test_fields_of_a_message_pass_as_ha_words() -> None:
    fields = (("HA_st", "dead"), ("HA_src", "beta"), ("HA_rsc_hold", ""))
    assert accepted(fields) == fields


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "LD_PRELOAD",
        "HA_",
        "HA_a-b",
        "HA_a=b",
        "HA_a b",
        "HA_\0",
        "HA_\u00e9",
        "ha_x",
        "HA_x\n",
    ],
)
def test_a_name_that_is_not_a_plain_ha_word_is_left_out(name: str) -> None:
    assert accepted([(name, "1")]) == ()


@pytest.mark.parametrize("name", ["HA_FUNCS", "HA_DIR", "HA_BIN", "HA_NOARCHBIN", "HA_CURHOST"])
def test_no_message_says_where_scripts_find_programs(name: str) -> None:
    assert accepted([(name, "/tmp/evil")]) == ()


def test_values_and_their_number_are_bounded() -> None:
    assert accepted([("HA_x", "a\0b"), ("HA_y", "a" * 5_000), ("HA_" + "n" * 90, "1")]) == ()
    assert len(accepted([("HA_x", "1")] * 1_000)) == VARIABLES_MAX


def test_scripts_see_where_they_are() -> None:
    seen = dict(script_environment(CONFIG, PLACES))
    assert seen["HA_CURHOST"] == "alpha"
    assert seen["HA_FUNCS"] == "/etc/ha.d/shellfuncs"
    assert seen["HA_DEBUGLOG"] == "/var/log/ha-debug"
    assert "HA_LOGFILE" not in seen
    assert "HA_keepalive" not in seen


def test_respawn_clients_see_each_parameter_as_written() -> None:
    seen = dict(client_environment(CONFIG, PLACES))
    assert (seen["HA_keepalive"], seen["HA_deadtime"]) == ("1", "500ms")
    assert (seen["HA_SITE"], seen["HA_COMPRESSION"]) == ("berlin", "bz2")
    assert seen["HA_CURHOST"] == "alpha"
