"""What another node's files may not change here: whatever says which programs root runs."""

from __future__ import annotations

import re

import pytest

from everbeat.distribution.programs import GUARDED, allows_programs, program_reports
from everbeat.model.distribution import Bundle, FileContent

HA_CF = b"""# by hand
keepalive 1
respawn hacluster /usr/libexec/heartbeat/ipfail
stonith_host * meatware alpha beta
ucast eth0 192.0.2.1
node alpha beta
"""
HARESOURCES = b"alpha 192.0.2.50/24/eth0 Filesystem::/dev/vdb1::/srv nginx\n"
PRESENT = {"ha.cf": HA_CF, "haresources": HARESOURCES, "authkeys": b"auth 1\n1 sha1 word\n"}


def refused(name: str, content: bytes, present: dict[str, bytes | None] | None = None) -> list[str]:
    """Return the lines of whose content the reports are."""
    bundle = Bundle((FileContent(name, content),))
    reports = program_reports(bundle, PRESENT if present is None else present)
    assert {report.code for report in reports} <= {"program-not-allowed", "address-not-allowed"}
    assert all(report.place.file == name for report in reports)
    return [f"{report.place.line} {report.place.text}" for report in reports]


def test_the_same_lines_differently_written_are_no_change() -> None:
    same = HA_CF.replace(b"respawn hacluster ", b"  respawn\thacluster   ")
    same = same.replace(b"ipfail\n", b"ipfail   # since 2009\n").replace(b"# by hand\n", b"")
    assert refused("ha.cf", same) == []
    assert refused("ha.cf", b"\n".join(reversed(same.split(b"\n")))) == []


def test_a_node_a_path_and_times_may_come() -> None:
    more = HA_CF + b"node gamma\nucast eth0 192.0.2.3\n"
    assert refused("ha.cf", more.replace(b"keepalive 1", b"keepalive 2")) == []


@pytest.mark.parametrize("directive", sorted(GUARDED))
def test_no_guarded_line_comes_goes_or_changes(directive: str) -> None:
    line = f"{directive} root /usr/bin/id".encode()
    assert refused("ha.cf", HA_CF + line) == [f"7 {line.decode()}"]
    here: dict[str, bytes | None] = {"ha.cf": HA_CF + line + b"\n"}
    assert refused("ha.cf", HA_CF, here) == [f"7 {line.decode()}"]
    shown = "********" if directive in {"stonith", "stonith_host"} else "-u"  # may be a password
    assert refused("ha.cf", HA_CF + line + b" -u\n", here) == [
        f"7 {line.decode()} {shown}",
        f"7 {line.decode()}",
    ]
    assert refused("ha.cf", HA_CF + line + b"\n" + line, here) == [f"8 {line.decode()}"], "twice"


def test_the_report_says_what_a_person_can_do() -> None:
    bundle = Bundle((FileContent("ha.cf", HA_CF + b"respawn root /usr/bin/id\n"),))
    (report,) = program_reports(bundle, PRESENT)
    assert "'respawn root /usr/bin/id' names what root is to use here" in report.summary
    assert "by hand, then distribute again; or distribute programs in its ha.cf" in report.remedy


def test_a_line_of_this_nodes_own_ha_cf_allows_all_of_it() -> None:
    here: dict[str, bytes | None] = {**PRESENT, "ha.cf": HA_CF + b" distribute  programs # yes\n"}
    assert refused("ha.cf", b"respawn root /usr/bin/id\n", here) == []
    assert refused("haresources", b"alpha apache::/run/evil.conf\n", here) == []
    for no in (b"# distribute programs\n", b"distribute\n", b"distribute nothing\n", b""):
        assert not allows_programs(HA_CF + no)
    assert not allows_programs(None)
    assert refused("ha.cf", HA_CF + b"distribute programs\n") == ["7 distribute programs"]


@pytest.mark.parametrize(
    "word",
    [
        "192.0.2.51/24/eth0",
        "192.0.2.51/255.255.255.0/eth0:1/192.0.2.255",
        "IPaddr2::192.0.2.51/24",
        "IPv6addr::2001:db8::51/64/eth0",
        "nginx",
        "MailTo::admin@example.org",
        "drbddisk::r0",
        "Filesystem::/dev/vdb1::/srv",  # is here already
    ],
)
def test_addresses_and_words_without_a_path_may_come(word: str) -> None:
    assert refused("haresources", f"beta {word}\n".encode()) == []


@pytest.mark.parametrize(
    "word",
    [
        "../../../tmp/u/evil",
        "/tmp/u/evil",
        "apache::/run/evil.conf",
        "Filesystem::192.0.2.9:/export::/etc/ha.d::nfs",
        "IPaddr::192.0.2.51/24/../../x",
        "192.0.2.51::/tmp/x",
    ],
)
def test_a_resource_word_with_a_path_does_not_come(word: str) -> None:
    text = f"beta 192.0.2.50 \\\n  {word}\n".encode()
    assert refused("haresources", text) == ["1 beta 192.0.2.50 \\"]
    assert refused("haresources", text, {"ha.cf": HA_CF, "haresources": None}) != []
    assert refused("haresources", text, {"ha.cf": HA_CF, "haresources": text}) == []


@pytest.mark.parametrize(
    ("word", "why", "meant"),
    [
        ("10.0.0.1//eth0", "nothing stands behind a slash", "10.0.0.1/24/eth0"),
        ("/24", "the address is missing", "192.0.2.10/24/eth0"),
        ("IPaddr::10.0.0.1/33", "'33' is neither prefix length nor netmask", "10.0.0.1/24"),
        ("fd00::1//eth0", "nothing stands", "IPv6addr::fd00:0:0:0:0:0:0:1/64/eth0"),
    ],
)
def test_a_malformed_address_is_called_so_and_no_program(word: str, why: str, meant: str) -> None:
    bundle = Bundle((FileContent("haresources", f"beta {word}\n".encode()),))
    (report,) = program_reports(bundle, PRESENT)
    assert (report.code, report.remedy) == ("address-not-allowed", meant)
    assert f"'{word}' cannot be served: " in report.summary
    assert why in report.summary


def test_slashes_at_the_end_of_an_address_are_no_reason_to_refuse_it() -> None:
    bundle = Bundle((FileContent("haresources", b"beta 10.0.0.1/ 10.0.0.2/24/\n"),))
    assert program_reports(bundle, PRESENT) == ()


def test_what_leaves_haresources_is_only_stopped() -> None:
    assert refused("haresources", b"alpha 192.0.2.50/24/eth0 nginx\n") == []


def test_keys_have_no_such_lines() -> None:
    assert refused("authkeys", b"respawn root /usr/bin/id\n") == []


def test_a_changed_password_is_refused_and_not_shown() -> None:
    device = b"stonith_host * external/site beta 192.0.2.9 admin "
    mount = b"alpha Filesystem:://nas/srv::/srv::cifs::user=web,password="
    here: dict[str, bytes | None] = {
        "ha.cf": HA_CF + device + b"former\n",
        "haresources": mount + b"former,uid=33 nginx\n",
    }
    files = (
        FileContent("ha.cf", HA_CF + device + b"hunter2\n"),
        FileContent("haresources", mount + b"hunter2,uid=33 nginx\n"),
    )
    assert program_reports(Bundle(files), {**here, files[0].name: files[0].content})
    reports = program_reports(Bundle(files), here)
    assert [report.place.line for report in reports] == [7, 7, 1]
    assert not {"hunter2", "former"} & set(re.findall(r"\w+", repr(reports)))
    assert "external/site ******** 192.0.2.9 ******** ********" in reports[0].summary
    shown = "Filesystem:://nas/srv::/srv::cifs::user=web,password=********,uid=33"
    assert shown in reports[2].summary
    assert reports[2].place.text == f"alpha {shown} nginx"
