"""Which lines hold a secret; tests/golden/badconfig/secret-readable-* show what is said of them."""

from __future__ import annotations

import pytest

from everbeat.config.secrets import holds_secret


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
