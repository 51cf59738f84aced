"""Files of another node: what they may replace, and names of interfaces."""

from __future__ import annotations

from everbeat.distribution.placing import digest_of, fitted, localized, refusal, usual_interface
from everbeat.model.distribution import Bundle, FileContent

HA_CF = b"# ucast eth9 10.0.0.9\nucast eth0 10.0.0.1\nucast eth0 10.0.0.2\nnode alpha beta\n"


def test_what_differs_from_the_senders_former_file_is_not_replaced() -> None:
    bundle = Bundle((FileContent("haresources", b"new"),), (("haresources", digest_of(b"old")),))
    assert refusal(bundle, {"haresources": b"old"}) == ""
    assert refusal(bundle, {"haresources": b"new"}) == ""
    assert "haresources differs here" in refusal(bundle, {"haresources": b"mine"})
    assert "haresources differs here" in refusal(bundle, {"haresources": None})
    assert refusal(Bundle(bundle.files), {"haresources": b"mine"}) == ""


def test_an_interface_that_is_not_here_becomes_the_one_this_machine_uses() -> None:
    here = fitted(
        Bundle((FileContent("ha.cf", HA_CF),)), {"ha.cf": b"bcast ens3\nnode alpha\n"}, ["ens3"]
    )
    assert here.files[0].content == HA_CF.replace(b"ucast eth0", b"ucast ens3")


def test_an_interface_that_is_here_is_left_alone_and_so_are_unknown_ones_without_a_hint() -> None:
    assert localized(HA_CF, ["eth0", "ens3"], "ens3") == HA_CF
    assert localized(HA_CF, ["ens3"], "") == HA_CF
    assert usual_interface(HA_CF, ["ens3"]) == ""
    assert usual_interface(HA_CF, ["eth0"]) == "eth0"
