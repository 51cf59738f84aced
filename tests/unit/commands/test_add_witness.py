"""What everbeat add witness refuses before anybody is invited."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

import pytest

from everbeat.commands.change import Manner
from everbeat.commands.pair import PairError, PairOptions
from everbeat.commands.places import Places
from everbeat.commands.witness_setup import add_witness

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "nodeinfo": "alpha\n",
    "ha.cf": (
        "node alpha beta\nauto_failback on\n"
        "ucast lo 203.0.113.2\nucast6 lo 2001:db8::2\nudpport 7694\n"
    ),
    "authkeys": "auth 1\n1 sha1 TopSecretKey\n",
    "haresources": "alpha 192.0.2.50/24/lo\nalpha IPv6addr::2001:db8:0:0:0:0:0:50/64/lo\n",
}


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("no-such-host.invalid", "the host no-such-host.invalid has no address now"),
        ("no-such-host.invalid:6940", "has no address now"),
        ("0.0.0.0", "no machine is reached at 0.0.0.0: it means no address, or any"),
        ("::", "no machine is reached at ::: it means no address, or any"),
        ("[::]:6940", "means no address, or any"),
        ("::ffff:0.0.0.0", "means no address, or any"),
        ("255.255.255.255", "is the broadcast address of every network"),
        ("224.0.0.18", "is a multicast address"),
        ("ff02::1", "is a multicast address"),
        ("127.0.0.1", "127.0.0.1 is this machine itself"),
        ("127.1.2.3:6940", "127.1.2.3 is this machine itself"),
        ("::1", "::1 is this machine itself"),
        ("[0:0:0:0:0:0:0:1]:6940", "is this machine itself"),
        ("::ffff:127.0.0.1", "is this machine itself"),
        ("localhost", "localhost is this machine itself"),
        ("alpha", "alpha is a node of this cluster"),
        ("BETA", "beta is a node of this cluster"),
        ("203.0.113.2", "203.0.113.2 is a peer of a ucast line"),
        ("2001:db8::2", "2001:db8::2 is a peer of a ucast line"),
        ("2001:DB8:0::2", "is a peer of a ucast line"),
        ("192.0.2.50", "is a service address"),
        ("2001:db8::50", "is a service address"),
        ("240.0.0.1", "is of a block that no machine has"),
        ("127.1", "127.1 is this machine itself"),
        ("0", "means no address, or any"),
        (" ", "is not HOST or HOST:PORT"),
        ("host ", "is not HOST or HOST:PORT"),
        ("host\nrespawn root /bin/id", "is not HOST or HOST:PORT"),
        ("host#1", "is not HOST or HOST:PORT"),
        ("a/b", "is not HOST or HOST:PORT"),
        ("192.0.2.9:0", "is not HOST or HOST:PORT"),
    ],
)
def test_what_is_no_third_machine_is_refused_before_anybody_is_invited(
    tmp_path: Path, word: str, why: str
) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    for name, text in FILES.items():
        (etc / name).write_text(text)
        (etc / name).chmod(0o600)
    out = io.StringIO()
    places = Places(etc=etc, state=tmp_path / "state", run=tmp_path / "run")
    with pytest.raises(PairError, match=re.escape(why)):
        add_witness(places, word, PairOptions(), Manner(out=out, err=out))
    assert out.getvalue() == ""
    assert {name: (etc / name).read_text() for name in FILES} == FILES
    assert [path.name for path in tmp_path.iterdir()] == ["etc"]


@pytest.mark.parametrize(
    ("authkeys", "mode", "why"),
    [
        ("auth 1\n1 crc\n", 0o600, "authkeys has no secret"),
        ("auth 1\n1 sha1 TopSecretKey\n", 0o644, "everbeat check says more"),
        ("", 0o600, "everbeat check says more"),
        (FILES["authkeys"], 0o600, "everbeat is not running here"),
    ],
)
def test_what_cannot_come_to_an_end_is_not_begun(
    tmp_path: Path, authkeys: str, mode: int, why: str
) -> None:
    for name, text in {**FILES, "authkeys": authkeys}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    out = io.StringIO()
    places = Places(etc=tmp_path, state=tmp_path / "state", run=tmp_path / "run")
    with pytest.raises(PairError, match=why):
        add_witness(places, "203.0.113.9", PairOptions(), Manner(out=out, err=out))
    assert out.getvalue() == "", "nobody is invited"
