"""Laws of secrets: whatever is wrong with a file, no report says a secret of it, here or there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from config_cases import GOOD, HOST
from everbeat.commands.render_reports import render_reports, render_reports_json
from everbeat.config.configuration import ConfigFile, ConfigFiles, config_from_files
from everbeat.config.files import bytes_from_text, lines_of, without_comment, words_of
from everbeat.config.secrets import MASK, holds_secret, masked, masked_file
from everbeat.distribution.bundle import packed_reports, unpacked_reports
from everbeat.distribution.programs import program_reports
from everbeat.model.distribution import Bundle, FileContent

if TYPE_CHECKING:
    from everbeat.model.reports import Report

PIECES = st.integers(0, 2**64).map("Zq{:x}Zq".format)  # nothing else has them by chance
SIGNS = st.sampled_from(["", "=", "#", ",", "“", '"', "'", "\\", "ß", "@", "/", "\x7f", "%", "=="])
SECRETS = st.tuples(PIECES, SIGNS, PIECES, SIGNS)

HA_CF_LINES = (
    "stonith_host * external/ipmi beta 10.99.0.9 admin {}",
    "stonith_host * external/ipmi beta {}",
    "stonith_host alpha external/ipmi beta 10.99.0.9 admin {} surplus",
    "stonith_host gamma baytech 10.99.0.3 login {}  # the new one",
    "stonith_host * nosuch 10.99.0.9 {}",
    "stonith_host * external/ipmi hostname=beta passwd={} userid=admin",
    "stonith_host * external/ipmi beta passwd={}",
    "stonith_host external/ipmi beta 10.99.0.9 admin {}",
    "stonith_host: * external/ipmi beta 10.99.0.9 admin {}",
    "stonith_host=alpha wti_nps 10.99.0.3 {}",
    "stonithhost alpha external/ipmi beta {}",
    "Stonith_Host alpha external/ipmi beta {}",
    "stonit_host alpha fence_apc ip=10.99.0.9 password={}",
    "stonith external/ipmi beta 10.99.0.9 admin {}",
    "stonith external/ipmi {}",
    "stonith external/ipmi /etc/ha.d/ipmi.conf {}",
    "stonith_host alpha fence_apc ip=10.99.0.9 login=apc passwd={} plug=2",
    "stonith_host alpha fence_apc 10.99.0.9 apc {}",
    "stonith_host alpha fence_apc ip=10.99.0.9 password= {}",
    "stonith_host alpha fence_apc ip=10.99.0.9 password = {}",
    "stonith_host alpha fence_apc ip=10.99.0.9 password ={}",
    "stonith_host alpha fence_nosuch “password={}” plug=2 pcmk_host_list=delta",
    "respawn nobody /no/such --password {} --verbose",
    "respawn root /bin/true --url=https://admin:{}@10.99.0.9/x",
    "respawn noone /bin/true --api-key={}",
    "env API_TOKEN={}",
    "env API_TOKEN {}",
    "password {}",
    "passwd={}",
    "passwd: {}",
    "1 sha1 {}",
    "auth 1 md5 {}",
    "logfile token={}",
    "deadtime 10 # password={}",
    "deadtime x # stonith_host alpha baytech 10.99.0.3 login {}",
)
HARESOURCES_LINES = (
    "alpha Filesystem:://nas/srv::/srv::cifs::user=web,password={} nginx",
    "alpha Filesystem:://nas/srv::/srv::cifs::password={},uid=33 nosuch",
    "delta nginx Filesystem:://nas/srv::/srv::cifs::pass={}",
    "Filesystem:://nas/srv::/srv::cifs::password={}",
    "alpha,nginx Filesystem:://nas/srv::/srv::cifs::password={}",
    "alpha “nginx” Filesystem:://nas/srv::/srv::cifs::password={}",
    'alpha "nginx" nosuch::token={}',
    "alpha nosuch::ftp://web:{}@nas/srv",
    "alpha 10.99.0.50 \\\n nosuch::secret={}",
    "alpha nosuch::secret={}\\\n 10.99.0.50",
    "alpha postfix::secret={} \\ \n nginx",
    "alpha nginx # password={} \\\n postfix",
    "stonith_host alpha baytech 10.99.0.3 login {}",
    "1 sha1 {}",
)
FAULTS = (
    "",
    "deadtime soon\n",
    "nodes alpha\n",
    "node\x01 beta\n",
    "bcast eth9\n",
    "deadtime 10\n",
)


def files_with(ha_cf: str, haresources: str) -> ConfigFiles:
    """Return the good files with more lines, readable by everybody."""
    return ConfigFiles(
        ConfigFile("/etc/ha.d/ha.cf", f"{GOOD['ha.cf']}{ha_cf}\n", 0o644),
        ConfigFile("/etc/ha.d/authkeys", GOOD["authkeys"]),
        ConfigFile("/etc/ha.d/haresources", f"{GOOD['haresources']}{haresources}\n", 0o644),
    )


def reports_here_and_there(files: ConfigFiles) -> list[Report]:
    """Return what is said of the files on this node, and of them on one that has others."""
    reports = list(config_from_files(files, HOST).reports)
    good = {name: text.encode() for name, text in GOOD.items()}
    for name, file in (("ha.cf", files.ha_cf), ("haresources", files.haresources)):
        content = bytes_from_text(file.text or "")
        for there, here in ((content, good[name]), (good[name], content)):
            reports += program_reports(Bundle((FileContent(name, there),)), {**good, name: here})
    return reports


@given(
    st.sampled_from(HA_CF_LINES), st.sampled_from(HARESOURCES_LINES), SECRETS, SECRETS, st.data()
)
@settings(max_examples=100)
def test_no_report_says_a_secret(
    device: str,
    mount: str,
    one: tuple[str, ...],
    other: tuple[str, ...],
    data: st.DataObject,
) -> None:
    fault, others = data.draw(st.sampled_from(FAULTS)), data.draw(st.sampled_from(HA_CF_LINES))
    secrets = ("".join(one), "".join(other))
    assume("\\" not in secrets[1] or "\\" not in mount)  # it continues the line there
    assume("," not in secrets[1] or "=" not in secrets[1])  # a mount option that follows
    ha_cf = f"{fault}{device.format(secrets[0])}\n{others.format(secrets[1])}"
    reports = reports_here_and_there(files_with(ha_cf, mount.format(secrets[1])))
    assert reports
    sent = unpacked_reports(packed_reports(tuple(reports)))
    shown = (
        render_reports(reports, "/etc/ha.d", color=False),
        render_reports_json(reports),
        "\n".join(str(report) for report in sent),
    )
    for piece in (one[0], one[2], other[0], other[2]):
        assert all(piece not in text for text in shown), piece


@given(
    st.sampled_from(HA_CF_LINES),
    st.sampled_from(HARESOURCES_LINES),
    st.sampled_from(["alpha", "node", "needs", "stonith_host", "password", "plug-in", "1", "is"]),
)
@settings(max_examples=40)
@example(HA_CF_LINES[1], HARESOURCES_LINES[0], "10.99.0.50x")
def test_what_a_secret_is_changes_no_word(device: str, mount: str, word: str) -> None:
    """Also one that is a common word, which no search for it would tell from the text."""

    def told(secret: str) -> list[Report]:
        return reports_here_and_there(files_with(device.format(secret), mount.format(secret)))

    assert told(word) == told("Kq8vJ2mZxWpR")


@given(st.sampled_from(HA_CF_LINES), st.sampled_from(HARESOURCES_LINES), PIECES)
def test_a_masked_line_has_the_words_of_the_line(device: str, mount: str, secret: str) -> None:
    files = files_with(device.format(secret), mount.format(secret))
    for file in (files.ha_cf, files.haresources):
        shown = masked_file(file)
        assert masked_file(shown) == shown
        assert secret not in (shown.text or "")
        for line, other in zip(lines_of(file), lines_of(shown), strict=True):
            words = words_of(without_comment(line.text))
            told = words_of(without_comment(other.text))
            pairs = zip(words, told, strict=True)
            assert all(secret in word or word == new or MASK in new for word, new in pairs)


@given(st.sampled_from(HA_CF_LINES[:20]), PIECES)
def test_what_is_masked_is_read_by_root_alone(line: str, secret: str) -> None:
    assert holds_secret("ha.cf", line.format(secret).encode())


@given(st.text(), st.text())
def test_any_text_can_be_masked_once(begin: str, end: str) -> None:
    text = f"{begin}password=x{end}"
    assert masked(masked(text)) == masked(text)


@given(
    st.text(), st.lists(st.sampled_from([*HA_CF_LINES, *HARESOURCES_LINES, "\\", "#", "\n", "“"]))
)
@settings(max_examples=50)
def test_lines_with_and_without_secrets_stay_side_by_side(text: str, lines: list[str]) -> None:
    whole = f"{text}\n" + "\n".join(lines) + text
    assert isinstance(reports_here_and_there(files_with(whole, whole)), list)
