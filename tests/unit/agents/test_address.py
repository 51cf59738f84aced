from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from everbeat.agents.address import Route, place_address
from everbeat.model.service_address import AddressError, AddressSpec, address_from_arguments


def spec(text: str) -> AddressSpec:
    return address_from_arguments(tuple(text.split("::")))


ROUTES = (
    Route(ip_network("0.0.0.0/0"), "wan0"),
    Route(ip_network("10.0.0.0/8"), "eth0"),
    Route(ip_network("10.1.0.0/16"), "eth1", metric=100),
    Route(ip_network("10.1.0.0/16"), "eth2", metric=50),
    Route(ip_network("2001:db8::/64"), "eth1"),
)


@pytest.mark.parametrize(
    ("text", "prefix", "interface", "label", "broadcast"),
    [
        ("10.0.0.1", None, "", "", None),
        ("10.0.0.1/24", 24, "", "", None),
        ("10.0.0.1/255.255.255.0", 24, "", "", None),
        ("10.0.0.1/255.255.255.255", 32, "", "", None),
        ("10.0.0.1/24/eth0", 24, "eth0", "", None),
        ("10.0.0.1/24/eth0:vip", 24, "eth0", "eth0:vip", None),
        ("10.0.0.1/24/10.0.0.255", 24, "", "", "10.0.0.255"),
        ("10.0.0.1/24/eth0/10.0.0.255", 24, "eth0", "", "10.0.0.255"),
        ("10.0.0.1/24/eth0:0/10.0.0.255", 24, "eth0", "eth0:0", "10.0.0.255"),
        ("2001:db8:0:0:0:0:0:5/64/eth0", 64, "eth0", "", None),
        ("2001:db8::5/64/eth0", 64, "eth0", "", None),
        # Slashes at the end: Heartbeat passes them over.
        ("10.0.0.1/", None, "", "", None),
        ("10.0.0.1//", None, "", "", None),
        ("10.0.0.1/24/", 24, "", "", None),
        ("10.0.0.1/24/eth0/", 24, "eth0", "", None),
        ("2001:db8::5/64/", 64, "", "", None),
    ],
)
def test_the_argument_of_ipaddr_is_read_part_by_part(
    text: str, prefix: int | None, interface: str, label: str, broadcast: str | None
) -> None:
    read = spec(text)
    assert read.prefix == prefix
    assert (read.interface, read.label) == (interface, label)
    assert read.broadcast == (ip_address(broadcast) if broadcast else None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host",
        "10.0.0",
        "10.0.0.1/33",
        "10.0.0.1//eth0",
        "10.0.0.1/24//10.0.0.255",
        "10.0.0.1/24/..",
        "10.0.0.1/24/../../x",
        "10.0.0.1/" + "9" * 5_000,
        "2001:db8::5//eth0",
        "10.0.0.1/255.0.255.0",
        "10.0.0.1/0.0.0.255",
        "10.0.0.1/x",
        "10.0.0.1/0",
        "10.0.0.1/000",
        "10.0.0.1/24/eth0:",
        "10.0.0.1/24/:0",
        "10.0.0.1/24/averyverylonginterface",
        "10.0.0.1/24/10.0.0.255/10.0.0.255",
        "10.0.0.1/24/10.0.0",
        "10.0.0.1/24/eth0/255/1",
        "2001:db8::5/129",
        "2001:db8::5/64/10.0.0.255",
    ],
)
def test_an_argument_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        spec(text)


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::5"])
@pytest.mark.parametrize("digit", ["0", "6"])
def test_a_prefix_of_more_digits_than_python_makes_a_number_of_is_refused(
    address: str, digit: str
) -> None:
    with pytest.raises(AddressError):
        spec(f"{address}/{digit * 5_000}24")


def test_the_most_specific_route_gives_interface_prefix_and_broadcast() -> None:
    placed = place_address(spec("10.1.2.3"), ROUTES)
    assert (placed.interface, placed.prefix) == ("eth2", 16)
    assert placed.broadcast == ip_address("10.1.255.255")


def test_what_is_written_beats_the_route() -> None:
    placed = place_address(spec("10.1.2.3/24/eth1/10.1.2.254"), ROUTES)
    assert (placed.interface, placed.prefix) == ("eth1", 24)
    assert placed.broadcast == ip_address("10.1.2.254")
    on_eth0 = AddressSpec(address=ip_address("10.1.2.3"), interface="eth0")
    assert place_address(on_eth0, ROUTES).prefix == 8


def test_behind_the_default_route_an_address_stands_alone() -> None:
    placed = place_address(spec("192.0.2.9"), ROUTES)
    assert (placed.interface, placed.prefix, placed.broadcast) == ("wan0", 32, None)
    on_eth5 = AddressSpec(address=ip_address("192.0.2.9"), interface="eth5")
    elsewhere = place_address(on_eth5, ROUTES)
    assert (elsewhere.interface, elsewhere.prefix) == ("eth5", 32)


def test_ipv6_is_placed_without_broadcast() -> None:
    placed = place_address(spec("2001:db8::9"), ROUTES)
    assert (placed.interface, placed.prefix, placed.broadcast) == ("eth1", 64, None)


def test_without_route_and_interface_an_address_has_no_place() -> None:
    with pytest.raises(AddressError):
        place_address(spec("10.0.0.1/24"), ())
