"""What everbeat add vip refuses before any node is asked, and what it says to write instead."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from everbeat.commands.places import Places
from everbeat.commands.vip import VipOptions, add_services, add_vip

if TYPE_CHECKING:
    from pathlib import Path


def pair(folder: Path) -> Places:
    """Return the places of a node `alpha` whose files are right."""
    files = {
        "nodeinfo": "alpha\n",
        "ha.cf": "node alpha beta\nucast lo 127.0.0.2\nauto_failback on\nquorum none\n",
        "authkeys": "auth 1\n1 sha1 TopSecretKey\n",
        "haresources": "alpha 192.0.2.50/24/lo\n",
    }
    etc = folder / "etc"
    etc.mkdir()
    for name, text in files.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o600)
    return Places(etc=etc, state=folder / "state", run=folder / "run")


def refusal(places: Places, address: str, *services: str) -> str:
    """Return what add vip says; nobody is asked, and nothing is written."""
    out, err = io.StringIO(), io.StringIO()
    before = (places.etc / "haresources").read_bytes()
    options = VipOptions(address=address, services=services)
    assert add_vip(places, options, lambda: pytest.fail("asked"), out, err) == 1
    assert (places.etc / "haresources").read_bytes() == before
    assert out.getvalue() == ""
    return err.getvalue()


@pytest.mark.parametrize(
    ("word", "why", "meant"),
    [
        ("10.0.0.1//eth0", "where the prefix length is expected", "10.0.0.1/24/eth0"),
        ("10.0.0.1/", "where the prefix length is expected", "10.0.0.1"),
        ("/24", "the address is missing", "192.0.2.10/24/eth0"),
        ("10.0.0.1/33", "'33' is neither prefix length nor netmask", "10.0.0.1/24"),
        ("10.0.0.1/24/eth0/x/y", "more than 4 parts", "10.0.0.1/24/eth0"),
        ("fd00::1//eth0", "where the prefix length is expected", "fd00::1/64/eth0"),
        ("fd00::1/129", "'129' is neither prefix length nor netmask", "fd00::1/64"),
        ("fd00::1%eth0", "stands behind the prefix", "fd00::1/64/eth0"),
    ],
)
def test_a_malformed_address_is_refused_as_what_it_is(
    tmp_path: Path, word: str, why: str, meant: str
) -> None:
    said = refusal(pair(tmp_path), word)
    assert said.startswith(f"everbeat add vip: '{word}' cannot be served: ")
    assert why in said
    assert said.endswith(f"; write: {meant}\n")


def test_what_is_no_address_at_all_is_answered_by_examples(tmp_path: Path) -> None:
    said = refusal(pair(tmp_path), "shop")
    assert said == (
        "everbeat add vip: 'shop' is no address; write one like 192.0.2.80 or 2001:db8::80\n"
    )


def test_an_address_among_the_services_is_looked_at_as_well(tmp_path: Path) -> None:
    places = pair(tmp_path)
    said = "'IPaddr2::10.0.0.1//eth0' cannot be served: "
    assert said in refusal(places, "192.0.2.80/24/lo", "IPaddr2::10.0.0.1//eth0")
    err = io.StringIO()
    options = VipOptions(address="192.0.2.50", services=("IPaddr2::10.0.0.1//eth0",))
    assert add_services(places, options, lambda: pytest.fail("asked"), io.StringIO(), err) == 1
    assert said in err.getvalue()


@pytest.mark.parametrize(
    "service", ["#nginx", "nginx#", "ngi nx", "nginx\\", "", " ", "ngi\nnx", "'nginx'", "“nginx”"]
)
def test_a_service_that_haresources_would_read_as_something_else_is_refused(
    tmp_path: Path, service: str
) -> None:
    places = pair(tmp_path)
    said = f"'{service}' is not one word of haresources"
    assert said in refusal(places, "192.0.2.80/24/lo", "apache2", service)
    err = io.StringIO()
    options = VipOptions(address="192.0.2.50", services=(service,))
    assert add_services(places, options, lambda: pytest.fail("asked"), io.StringIO(), err) == 1
    assert err.getvalue().startswith(f"everbeat add service: {said}")


def test_a_service_that_is_named_twice_is_refused(tmp_path: Path) -> None:
    assert "nginx is named twice" in refusal(pair(tmp_path), "192.0.2.80/24/lo", "nginx", "nginx")
