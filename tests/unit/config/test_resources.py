"""The checker and whoever serves an address have one opinion of its argument."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everbeat.config.any_host import AnyHost
from everbeat.config.resources import check_resource, resource_from_word, service_address
from everbeat.model.reports import Place, Severity
from everbeat.model.service_address import (
    AddressError,
    address_from_arguments,
    address_of,
    unfit,
    word_of,
)


class Bare(AnyHost):
    """A machine without any script or unit."""

    def script_path(self, name: str) -> str | None:  # noqa: ARG002 - HostLookup's signature
        """Say no."""
        return None

    def has_unit(self, name: str) -> bool:  # noqa: ARG002 - HostLookup's signature
        """Say no."""
        return False


BARE, SCRIPTED = Bare("alpha", ("eth0",)), AnyHost("alpha", ("eth0",))
PLACE = Place("haresources", 1)


def codes(word: str, host: AnyHost = BARE) -> list[str]:
    """Return the codes of the reports on one word."""
    return [report.code for report in check_resource(resource_from_word(word), PLACE, host)]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("10.0.0.9", []),
        ("10.0.0.9/24/eth0:1/10.0.0.255", []),
        ("IPaddr2::10.0.0.9/255.255.255.0", []),
        ("IPv6addr::fd00:9:0:0:0:0:0:50/64/eth0", []),
        ("IPaddr2::fd00:9:0:0:0:0:0:50", []),
        ("IPv6addr::fd00:9::50", ["address-short"]),
        ("IPaddr2::fd00:9::50/64/eth0", ["address-short"]),
        ("IPv6addr::::2/128", ["address-short"]),
        ("fd00:9::50", ["address-ipv6-bare"]),
        ("IPv6addr::fd00:9::5g", ["address-malformed"]),
        ("IPv6addr::fd00:9:0:0:0:0:0:50/129", ["address-prefix"]),
        ("IPv6addr::fd00:9:0:0:0:0:0:50/0", ["address-prefix"]),
        ("10.0.0.9/33/eth9/10.0.0", ["address-prefix", "address-broadcast", "address-interface"]),
        ("10.0.0.9/24/eth0/10.0.0.255/more", ["address-malformed"]),
        ("IPaddr", ["address-malformed"]),
        ("IPv6addr::fd00:9:0:0:0:0:0:50%eth0/64", ["address-malformed"]),
        ("0.0.0.0/24/eth0", ["address-malformed"]),
        ("IPv6addr::0:0:0:0:0:0:0:0", ["address-malformed"]),
        ("224.0.0.18/24", ["address-malformed"]),
        ("IPv6addr::ff02:0:0:0:0:0:0:12/64/eth0", ["address-malformed"]),
        ("127.0.0.5/8", ["address-malformed"]),
        ("IPv6addr::0:0:0:0:0:0:0:1/64/eth0", ["address-malformed"]),
        ("10.0.0.0/24/eth0", ["address-malformed"]),
        ("10.0.0.255/255.255.255.0", ["address-malformed"]),
        ("10.0.0.0/31", []),
        ("10.0.0.255/23", []),
        ("10.0.0.255", []),
        ("10.0.0.1/", ["address-prefix"]),
        ("10.0.0.1//eth0", ["address-prefix"]),
        ("10.0.0.1/24//10.0.0.255", ["address-interface"]),
        ("10.0.0.1/24/eth0/", ["address-broadcast"]),
        ("10.0.0.1/24/eth0/x/y", ["address-malformed", "address-broadcast"]),
        ("10.0.0.1/24/..", ["address-interface"]),
        ("/24", ["address-malformed"]),
        ("/255.255.255.0/eth0", ["address-malformed"]),
        ("10.0.0/24", ["address-malformed"]),
        ("10.0.0", ["address-malformed"]),
        ("web.example.com/24/eth0", ["address-malformed"]),
        ("fd00:9::50/", ["address-prefix"]),
        ("fd00:9::50//eth0", ["address-prefix"]),
        ("fd00:9::50/129", ["address-prefix"]),
        ("fd00:9::1::2/64", ["address-malformed"]),
        ("fd00:9::50%eth0", ["address-malformed"]),
        ("fd00:9/64", ["address-malformed"]),
        ("../24", ["resource-name"]),
        ("Filesystem/ext4", ["resource-name"]),
        ("IPaddr:10.0.0.1/24", ["resource-malformed"]),
    ],
)
def test_what_is_reported_of_an_address(word: str, expected: list[str]) -> None:
    assert codes(word) == expected


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("10.0.0.1/", "10.0.0.1"),
        ("10.0.0.1//eth0", "10.0.0.1/24/eth0"),
        ("10.0.0.1/33/eth0:1", "10.0.0.1/24/eth0:1"),
        ("10.0.0.1/24//10.0.0.255", "10.0.0.1/24/10.0.0.255"),
        ("10.0.0.1/24/eth0/x/y", "10.0.0.1/24/eth0"),
        ("IPaddr2::10.0.0.1//eth0", "10.0.0.1/24/eth0"),
        ("/24", "192.0.2.10/24/eth0"),
        ("fd00:9::50//eth0", "IPv6addr::fd00:9:0:0:0:0:0:50/64/eth0"),
        ("IPv6addr::fd00:9::50/129/eth0", "IPv6addr::fd00:9:0:0:0:0:0:50/64/eth0"),
        ("fd00:9::50%eth0", "IPv6addr::fd00:9:0:0:0:0:0:50/64/eth0"),
        ("fd00:9::1::2", "IPv6addr::2001:db8:0:0:0:0:0:10/64/eth0"),
    ],
)
def test_of_a_malformed_address_it_is_said_what_to_write_instead(word: str, meant: str) -> None:
    reports = check_resource(resource_from_word(word), PLACE, BARE)
    assert {report.remedy for report in reports} == {meant}
    assert codes(meant) == []


def test_a_script_of_heartbeat_serves_one_family_and_the_built_in_both() -> None:
    assert codes("IPaddr::fd00:9:0:0:0:0:0:50", SCRIPTED) == ["address-malformed"]
    assert codes("IPv6addr::10.0.0.9", SCRIPTED) == ["address-malformed"]
    assert codes("IPaddr2::fd00:9:0:0:0:0:0:50", SCRIPTED) == []
    assert codes("IPaddr::fd00:9:0:0:0:0:0:50") == codes("IPv6addr::10.0.0.9") == []


def test_an_interface_behind_a_percent_sign_is_no_part_of_the_word_that_is_written() -> None:
    assert word_of("fd00:9::50%eth0") == "fd00:9::50%eth0"


def test_one_address_is_known_however_it_is_written() -> None:
    words = ("IPv6addr::fd00:9::50/64", "IPaddr2::fd00:9:0:0:0:0:0:50", "IPv6addr::FD00:9::0:50")
    assert {service_address(resource_from_word(word)) for word in words} == {"fd00:9::50"}
    assert {address_of(word) for word in (*words, "fd00:9::50/64/eth0")} == {"fd00:9::50"}


@given(
    st.ip_addresses(v=6).filter(lambda a: not unfit(a)),
    st.sampled_from(("", "/64", "/64/eth0")),
)
def test_the_word_that_is_written_is_one_that_works(address: object, rest: str) -> None:
    word = word_of(f"{address}{rest}")
    assert codes(word) == []
    assert service_address(resource_from_word(word)) == str(address)
    assert len(resource_from_word(word).arguments) == 1, "Heartbeat reads it too"


@given(
    st.from_regex(r"(IPaddr2?|IPv6addr)::[0-9a-f:.]{0,14}(/[0-9a-z.:]{0,10}){0,4}", fullmatch=True)
)
@example("IPaddr::10.0.0.1/024")
@example("IPaddr::10.0.0.1/24/eth0/")
def test_the_checker_warns_of_what_cannot_be_served_and_of_slashes_at_the_end(word: str) -> None:
    resource = resource_from_word(word)
    try:
        spec = address_from_arguments(resource.arguments)
        is_served = spec.interface in {"", "eth0"}
    except AddressError:
        is_served = False
    reports = check_resource(resource, PLACE, BARE)
    is_silent = all(report.severity is Severity.INFO for report in reports)
    assert is_silent is (is_served and not word.endswith("/")), reports
