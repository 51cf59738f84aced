"""Arguments and fields from outside are read the same way whatever they hold."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from everbeat.agents.address import Route, place_address
from everbeat.agents.environment import NAME_BYTES_MAX, VALUE_BYTES_MAX, accepted
from everbeat.agents.reading import is_held_by_words
from everbeat.model.service_address import AddressError, address_from_arguments

INTERFACES = st.from_regex(r"[a-z][a-z0-9.-]{0,8}", fullmatch=True)
ADDRESSES = st.integers(0x01000000, 0xDFFFFFFF).map(IPv4Address)


@given(
    address=ADDRESSES,
    prefix=st.none() | st.integers(1, 32),
    is_netmask=st.booleans(),
    interface=INTERFACES | st.just(""),
    label=st.from_regex(r"[a-z0-9]{0,4}", fullmatch=True),
    broadcast=st.none() | ADDRESSES,
)
def test_what_is_written_of_an_address_is_what_is_read(
    address: IPv4Address,
    prefix: int | None,
    is_netmask: bool,  # noqa: FBT001 - named by hypothesis
    interface: str,
    label: str,
    broadcast: IPv4Address | None,
) -> None:
    if prefix is None:  # nothing can follow what is left out
        interface, broadcast = "", None
        written = ""
    else:
        written = str(IPv4Network((0, prefix)).netmask) if is_netmask else str(prefix)
    third = f"{interface}:{label}" if interface and label else interface
    parts = [str(address), *(word for word in (written, third) if word)]
    parts += [str(broadcast)] if broadcast else []
    spec = address_from_arguments(("/".join(parts),))
    assert (spec.address, spec.prefix, spec.interface) == (address, prefix, interface)
    assert spec.label == (third if ":" in third else "")
    assert spec.broadcast == broadcast


@given(st.text(max_size=60))
def test_any_argument_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(AddressError):
        assert address_from_arguments(tuple(text.split("::"))).address


@given(address=ADDRESSES, prefixes=st.lists(st.integers(0, 32), min_size=1, max_size=6))
def test_the_interface_is_that_of_the_longest_prefix(
    address: IPv4Address, prefixes: list[int]
) -> None:
    routes = [
        Route(IPv4Network((address, prefix), strict=False), f"eth{number}")
        for number, prefix in enumerate(prefixes)
    ]
    spec = address_from_arguments((str(address),))
    placed = place_address(spec, routes)
    assert placed.interface == f"eth{prefixes.index(max(prefixes))}"
    assert placed.prefix == (max(prefixes) or 32)


@given(st.lists(st.tuples(st.text(max_size=80) | st.just("HA_src"), st.text(max_size=50))))
def test_nothing_but_plain_ha_words_enters_a_scripts_environment(
    pairs: list[tuple[str, str]],
) -> None:
    for name, value in accepted(pairs):
        assert (name, value) in pairs
        assert name.startswith("HA_")
        assert name.replace("_", "a").isascii()
        assert name.replace("_", "a").isalnum()
        assert len(name) <= NAME_BYTES_MAX
        assert len(value) <= VALUE_BYTES_MAX
        assert "\0" not in value


@given(st.text(st.sampled_from("not runigNOTRKO.\n"), max_size=60))
def test_words_are_read_as_the_shell_patterns_of_3_0_6_read_them(words: str) -> None:
    from fnmatch import translate  # noqa: PLC0415 - the oracle of this test alone
    from re import match  # noqa: PLC0415 - the oracle of this test alone

    def fits(pattern: str) -> bool:
        return match(translate(pattern), words) is not None

    denied = fits("*[Nn][Oo][Tt] *[Rr]unning*")
    assert is_held_by_words(words) == (not denied and (fits("*[Rr]unning*") or fits("*OK*")))
