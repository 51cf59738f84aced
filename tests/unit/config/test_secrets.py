"""Which lines hold a secret; tests/golden/badconfig/secret-readable-* show what is said of them."""

from __future__ import annotations

import pytest

from everbeat.config.files import ConfigFile
from everbeat.config.secrets import holds_secret, masked, masked_file, without_values


@pytest.mark.parametrize(
    "line",
    [
        "stonith_host alpha fence_ipmilan ip=10.0.0.9 username=ha password=x",
        "stonith_host alpha fence_ipmilan ip=10.0.0.9 passwd=x  # with a comment",
        "stonith_host beta /usr/local/sbin/fence_site snmp-community=x",
        "stonith_host * external/riloe hostlist=beta ilo_password=x",
        "stonith_host alpha baytech 10.0.0.3 login x",
        "\tstonith_host\talpha wti_nps 10.0.0.3 x\r",
        "stonith_host alpha external/site beta x",
        "respawn root /usr/local/bin/watch --password=x",
        "env API_TOKEN=x",
        "stonith_host alpha fence_x “password=x”",
    ],
)
def test_a_line_of_ha_cf_holds_a_secret(line: str) -> None:
    assert holds_secret("ha.cf", f"node alpha beta\n{line}\n".encode())


@pytest.mark.parametrize(
    "line",
    [
        "# stonith_host * baytech 10.0.0.3 mylogin mysecretpassword",
        "stonith_host * null alpha beta",
        "stonith_host * external/ssh hostlist=alpha,beta",
        "stonith_host * meatware alpha beta",
        "stonith_host alpha fence_virt port=beta password_script=/root/ask passive=1",
        "stonith_host alpha fence_x ip=10.0.0.9 password=",
        "stonith_host alpha",
        "stonith baytech /etc/ha.d/conf/stonith.baytech",
        "apiauth ipfail uid=hacluster",
        "node password secret",
    ],
)
def test_a_line_of_ha_cf_holds_none(line: str) -> None:
    assert not holds_secret("ha.cf", f"node alpha beta\n{line}\n".encode())


def test_mount_options_may_hold_one_and_keys_always_do() -> None:
    mount = b"alpha Filesystem:://nas/data::/data::cifs::user=web,%b\n"
    assert holds_secret("haresources", mount % b"password=x")
    assert not holds_secret("haresources", mount % b"credentials=/etc/nas,uid=33")
    assert not holds_secret("haresources", b"alpha stonith_host baytech x\n\xff\n")
    assert holds_secret("authkeys", b"")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (
            "stonith_host * external/ipmi beta 10.0.0.9 admin x lan",
            "stonith_host * external/ipmi ******** 10.0.0.9 ******** ******** ********",
        ),
        (
            "stonith_host alpha fence_x ip=10.0.0.9  login=apc\tpasswd=x plug=2 # x",
            "stonith_host alpha fence_x ip=10.0.0.9  login=apc\tpasswd=******** plug=2 #********",
        ),
        (
            "stonit_host alpha external/riloe hostlist=beta ilo_password=x",
            "stonit_host alpha external/riloe hostlist=beta ilo_password=********",
        ),
        (
            "stonith_host alpha baytech 10.0.0.3 x#y",
            "stonith_host alpha baytech 10.0.0.3 ********#********",
        ),
        ("stonith_host * meatware alpha beta", "stonith_host * meatware alpha beta"),
        ("stonith_host alpha fence_x “pwd=x” a=b", "stonith_host alpha fence_x “pwd=********” a=b"),
        ("respawn root /bin/x --password x -v", "respawn root /bin/x --password ******** -v"),
        ("respawn root /bin/x https://u:x@h/p", "respawn root /bin/x https://u:********@h/p"),
        ("env TOKEN = x", "env TOKEN ******** ********"),
        ("1 sha1 x", "1 sha1 ********"),
        ("deadtime 10 # password=x", "deadtime 10 # password=********"),
    ],
)
def test_a_line_of_ha_cf_is_shown_without_its_secret(line: str, shown: str) -> None:
    file = masked_file(ConfigFile("/etc/ha.d/ha.cf", f"node alpha\n{line}\n"))
    assert file.text == f"node alpha\n{shown}\n"


def test_the_rest_of_a_mount_stays_readable() -> None:
    mount = "alpha Filesystem:://nas/x::/srv::cifs::user=web,password={},uid=33::{} nginx \\"
    file = masked_file(ConfigFile("haresources", mount.format("x", "more")))
    assert file.text == mount.format("********", "more")


def test_a_text_from_elsewhere_is_shown_without_what_is_named_a_secret() -> None:
    assert masked("running mount -o user=web,password=x: failed\nagain") == (
        "running mount -o user=web,password=******** failed\nagain"
    )
    assert masked("heard again, passive=1, see /etc/passwd") == (
        "heard again, passive=1, see /etc/passwd"
    )


def test_a_device_is_quoted_without_its_own_values() -> None:
    said = "login admin:hunter2@10.0.0.9 for beta failed; hunter22, passwd=y"
    values = ("beta", "10.0.0.9", "admin", "hunter2")
    assert without_values(said, "external/ipmi", values, "beta") == (
        "login ********:********@10.0.0.9 for beta failed; hunter22, passwd=********"
    )
    named = ("ip=10.0.0.9", "login=admin", "passwd=hunter2")
    assert without_values("admin/hunter2", "fence_x", named, "beta") == "admin/********"
    assert without_values("beta is on", "meatware", ("beta",), "beta") == "beta is on"
