"""What fencing agents say of themselves; the real ones as well where they are installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from everbeat.adapters.host_facts import RealHost
from everbeat.config.fence_metadata import parameters_from_metadata, parameters_from_names

METADATA = """<?xml version="1.0" ?>
<resource-agent name="fence_x"><parameters>
<parameter name="action" required="1"/>
<parameter name="ip" required="1" obsoletes="ipaddr"/>
<parameter name="ipaddr" required="1" deprecated="1"/>
<parameter name="delay" required="0"/>
</parameters></resource-agent>
"""


def test_a_needed_parameter_may_be_given_under_its_older_name() -> None:
    described = parameters_from_metadata(METADATA)
    assert described is not None
    assert described.names == ("action", "ip", "ipaddr", "delay")
    assert described.required == (("action",), ("ip", "ipaddr"))


@pytest.mark.parametrize("text", ["", "no such file", "<html/>", METADATA[:200]])
def test_what_is_no_metadata_tells_nothing(text: str) -> None:
    assert parameters_from_metadata(text) is None


def test_a_plug_in_needs_all_that_it_lists() -> None:
    described = parameters_from_names("hostname  ipaddr \n")
    assert described is not None
    assert described.required == (("hostname",), ("ipaddr",))
    assert parameters_from_names("") is None


@pytest.mark.real
def test_the_real_plug_ins_tell_what_they_need() -> None:
    host = RealHost(Path("/etc/ha.d"), is_thorough=True)
    described = host.stonith_parameters("external/ipmi")
    assert described is not None
    assert described.names[:2] == ("hostname", "ipaddr")
    assert RealHost(Path("/etc/ha.d")).stonith_parameters("external/ipmi") is None
