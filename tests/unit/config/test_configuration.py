"""Good files: every directive once, the defaults of 3.0.6, and the values they become."""

from __future__ import annotations

import pytest

from config_cases import GOOD, HOST
from everbeat.config.configuration import ConfigFile, ConfigFiles, Parsed, config_from_files
from everbeat.config.ha_cf import TABLE, read_ha_cf
from everbeat.config.quorum import quorum_of, witness_from_word
from everbeat.config.timing import timing_of
from everbeat.model.cluster import (
    ApiAuthorization,
    HaConfig,
    Medium,
    MediumKind,
    Quorum,
    RespawnClient,
    StonithDevice,
    Timing,
    WitnessPlace,
)
from everbeat.model.fencing import FenceAction, FenceDevice, StopFailure
from everbeat.model.groups import AutoFailback, ResourceSpec
from everbeat.model.keys import AuthKey
from everbeat.model.names import LinkName, NodeName
from everbeat.model.reports import Severity

EVERYTHING = """
# A cluster that uses whatever there is.
logfile /var/log/ha-log
debugfile /var/log/ha-debug
logfacility local0
syslogmsgfmt yes
debug 1
udpport 695
baud 38400
keepalive 500ms         # twice a second
deadtime 10
warntime 2.5
initdead 30
deadping 12
node alpha,beta
bcast eth0, eth1
ucast eth0 beta
ucast eth0 10.99.0.1    # this machine: not a path
mcast eth1 239.0.0.42 694 1 0
mcast6 eth1 ff12::42 694 2 0
ucast6 eth0 fe80::2
serial /dev/tty0
ping 10.99.0.254
ping_group routers 10.99.0.253 10.99.0.252
ping6 2001:db8::1
auto_failback off
autojoin none
crm off
respawn hacluster /usr/libexec/heartbeat/ipfail -v
failfast root /bin/true
apiauth foo uid=root,hacluster gid=haclient
apiauth ping gid=root
stonith null /etc/hostname
stonith_host * ssh alpha beta
stonith_host beta ssh alpha
stonith_host alpha fence_apc ip=10.99.0.9 username=apc pcmk_host_map=beta:2
stonith_host * meatware alpha,beta
stonith_timeout 20
stonith_action off
stop_failure fence
watchdog /dev/null
hopfudge 2
use_logd off
conn_logd_time 30
realtime off
rtprio 5
memreserve 1000
hbgenmethod time
uuidfrom nodename
msgfmt classic
compression bz2
compression_threshold 4
traditional_compression off
max_rexmit_delay 100
log_badpack off
coredumps off
coreroot /tmp
env COLOR=blue
cluster shop
distribute programs
quorum_server quorum.example.org
record_config_changes off
record_pengine_inputs off
enable_config_writes off
crm_daemon_dir /tmp
crmd_spawns_pengine on
use_apphbd off
quorum votes
stoptime 2
witness 10.99.0.9:7000
monitor 10s
monitor nginx 2s
operation_timeout start 2m
operation_timeout nginx monitor 5s
max_failures 5
failure_window 30m
"""


def parsed_of(
    ha_cf: str = GOOD["ha.cf"],
    authkeys: str = GOOD["authkeys"],
    haresources: str = GOOD["haresources"],
) -> Parsed:
    files = ConfigFiles(
        ConfigFile("ha.cf", ha_cf),
        ConfigFile("authkeys", authkeys),
        ConfigFile("haresources", haresources),
    )
    return config_from_files(files, HOST)


def config_of(ha_cf: str) -> HaConfig:
    parsed = parsed_of(ha_cf)
    assert parsed.config is not None, parsed.reports
    return parsed.config


def test_good_files_have_no_reports() -> None:
    assert parsed_of(GOOD["ha.cf"] + "quorum none\n").reports == ()


def test_two_nodes_with_nothing_between_them_are_warned_of() -> None:
    assert [report.code for report in parsed_of().reports] == ["quorum-none"]


def test_a_file_with_every_directive_has_no_problem() -> None:
    assert [r for r in parsed_of(EVERYTHING).reports if r.severity > Severity.INFO] == []


def test_every_directive_of_the_table_is_in_the_full_sample() -> None:
    named = {line.split()[0] for line in EVERYTHING.splitlines() if line and line[0] != "#"}
    without = {"udp", "nice_failback", "hbaping", "pacemaker"}
    assert {row.name for row in TABLE} - named == without


def test_a_resource_has_its_own_times_and_its_word_goes_before_its_script() -> None:
    lines = "monitor 30\nmonitor web off\nmonitor web::two 500ms\noperation_timeout web stop 9s\n"
    monitoring = config_of(GOOD["ha.cf"] + lines).monitoring
    one = monitoring.times(ResourceSpec("web::one", "web", ("one",)))
    two = monitoring.times(ResourceSpec("web::two", "web", ("two",)))
    assert (one.interval_ms, one.stop_ms, one.start_ms) == (0, 9_000, 300_000)
    assert (two.interval_ms, two.stop_ms) == (500, 9_000)
    assert monitoring.times(ResourceSpec("mail", "mail")).interval_ms == 30_000


def test_times_become_milliseconds() -> None:
    assert config_of(EVERYTHING).timing == Timing(
        keepalive_ms=500,
        deadtime_ms=10_000,
        warntime_ms=2_500,
        initdead_ms=30_000,
        deadping_ms=12_000,
        stoptime_ms=2_000,
    )
    assert config_of(EVERYTHING).witness == WitnessPlace("10.99.0.9", 7_000)
    assert config_of(EVERYTHING).quorum is Quorum.WITNESS


@pytest.mark.parametrize(
    ("nodes", "more", "kind"),
    [
        ("alpha beta", "", Quorum.NONE),
        ("alpha beta", "ping 192.0.2.1\n", Quorum.NONE),
        ("alpha beta", "ping 192.0.2.1\nquorum ping\n", Quorum.PING),
        ("alpha beta", "ping_group routers 192.0.2.1\n", Quorum.NONE),
        ("alpha beta", "quorum ping\nping_group routers 192.0.2.1\n", Quorum.PING),
        ("alpha beta", "quorum ping\n", Quorum.NONE),
        ("alpha beta", "ping 192.0.2.1\nquorum ping\nwitness 192.0.2.9\n", Quorum.PING),
        ("alpha beta", "ping 192.0.2.1\nstonith_host * null alpha beta\n", Quorum.FENCING),
        ("alpha beta gamma", "ping 192.0.2.1\nquorum ping\n", Quorum.VOTES),
        ("alpha beta", "ping 192.0.2.1\nwitness 192.0.2.9\n", Quorum.WITNESS),
        ("alpha beta", "stonith_host * null alpha beta\n", Quorum.FENCING),
        ("alpha beta", "ping 192.0.2.1\nquorum none\n", Quorum.NONE),
        ("alpha beta gamma", "", Quorum.VOTES),
        ("alpha beta gamma", "deadtime 3\nkeepalive 2\ninitdead 30\n", Quorum.NONE),
        ("alpha beta gamma", "quorum none\n", Quorum.NONE),
    ],
)
def test_what_decides_a_split_follows_from_what_is_there(
    nodes: str, more: str, kind: Quorum
) -> None:
    ha_cf = GOOD["ha.cf"].replace("alpha beta", nodes) + more
    draft = read_ha_cf(ConfigFile("ha.cf", ha_cf), HOST)[0]
    assert quorum_of(draft, timing_of(draft)) is kind


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("third", WitnessPlace("third")),
        ("third:7", WitnessPlace("third", 7)),
        ("2001:db8::9", WitnessPlace("2001:db8::9")),
        ("[2001:db8::9]", WitnessPlace("2001:db8::9")),
        ("[2001:db8::9]:7", WitnessPlace("2001:db8::9", 7)),
        ("third:", None),
        ("third:0", None),
        (":7", None),
        ("[2001:db8::9", None),
    ],
)
def test_a_witness_is_a_host_and_perhaps_a_port(word: str, place: WitnessPlace | None) -> None:
    assert witness_from_word(word) == place


@pytest.mark.parametrize(
    ("deadtime", "initdead_ms"),
    [("3", 12_000), ("6", 12_000), ("8", 16_000), ("10", 20_000), ("11", 11_000), ("30", 30_000)],
)
def test_times_that_are_not_given_follow_from_deadtime(deadtime: str, initdead_ms: int) -> None:
    config = config_of(GOOD["ha.cf"] + f"deadtime {deadtime}\n")
    assert config.timing.initdead_ms == initdead_ms
    assert config.timing.warntime_ms == config.timing.deadtime_ms // 2
    assert config.timing.deadping_ms == config.timing.deadtime_ms
    assert config.parameter("initdead") == f"{initdead_ms}ms"


def test_media_keep_their_order_and_take_the_port_and_speed_above_them() -> None:
    bcast, ucast, mcast = MediumKind.BCAST, MediumKind.UCAST, MediumKind.MCAST
    eth0, eth1 = LinkName("eth0"), LinkName("eth1")
    expected = (
        Medium(kind=bcast, link=eth0, interface="eth0", address="10.99.0.255", port=695),
        Medium(kind=bcast, link=eth1, interface="eth1", address="10.98.0.255", port=695),
        Medium(kind=ucast, link=eth0, interface="eth0", address="10.99.0.2", port=695),
        Medium(kind=mcast, link=eth1, interface="eth1", address="239.0.0.42"),
        Medium(kind=MediumKind.MCAST6, link=eth1, interface="eth1", address="ff12::42", ttl=2),
        Medium(kind=MediumKind.UCAST6, link=eth0, interface="eth0", address="fe80::2", port=695),
        Medium(kind=MediumKind.SERIAL, link=LinkName("/dev/tty0"), device="/dev/tty0", baud=38_400),
        Medium(kind=MediumKind.PING, link=LinkName("10.99.0.254"), hosts=("10.99.0.254",)),
        Medium(
            kind=MediumKind.PING_GROUP,
            link=LinkName("routers"),
            hosts=("10.99.0.253", "10.99.0.252"),
        ),
        Medium(kind=MediumKind.PING6, link=LinkName("2001:db8::1"), hosts=("2001:db8::1",)),
    )
    assert config_of(EVERYTHING).media == expected


APC = ("ip=10.99.0.9", "username=apc", "pcmk_host_map=beta:2")


def test_a_node_asks_the_devices_of_its_own_lines_and_of_those_for_all() -> None:
    config = config_of(EVERYTHING)
    beta = NodeName("beta")
    assert config.fence_devices == (
        FenceDevice(name="null", type="null", file="/etc/hostname"),
        FenceDevice(name="ssh", type="ssh", parameters=("alpha", "beta")),
        FenceDevice(
            name="fence_apc",
            type="fence_apc",
            parameters=APC,
            hosts=(beta,),
            ports=((beta, "2"),),
        ),
        FenceDevice(
            name="meatware",
            type="meatware",
            parameters=("alpha,beta",),
            hosts=(NodeName("alpha"), beta),
        ),
    )
    assert config.stonith_timeout_ms == 20_000
    assert config.stonith_action is FenceAction.OFF
    assert config.stop_failure is StopFailure.FENCE


def test_in_a_pair_a_fence_agent_of_one_node_is_for_the_other() -> None:
    line = "stonith_host alpha fence_apc ip=10.99.0.9 username=apc\n"
    [device] = config_of(GOOD["ha.cf"] + line).fence_devices
    assert device.hosts == ("beta",)
    [second, third] = config_of(
        GOOD["ha.cf"] + line.replace(" ip=", " plug=1 ip=") * 2
    ).fence_devices
    assert (second.name, third.name) == ("fence_apc", "fence_apc-2")


def test_programs_clients_and_devices_are_kept_as_written() -> None:
    config = config_of(EVERYTHING)
    assert config.nodes == ("alpha", "beta")
    assert config.auto_failback is AutoFailback.OFF
    assert config.respawn == (
        RespawnClient("hacluster", ("/usr/libexec/heartbeat/ipfail", "-v")),
        RespawnClient("root", ("/bin/true",), reboots=True),
    )
    assert config.apiauth[:2] == (
        ApiAuthorization("foo", ("root", "hacluster"), ("haclient",)),
        ApiAuthorization("ping", (), ("root",)),
    )
    assert [entry.client for entry in config.apiauth[2:]] == [
        "ipfail",
        "ccm",
        "lha-snmpagent",
        "anon",
    ]
    assert config.stonith == (
        StonithDevice("*", "null", ("/etc/hostname",)),
        StonithDevice("*", "ssh", ("alpha", "beta")),
        StonithDevice("beta", "ssh", ("alpha",)),
        StonithDevice("alpha", "fence_apc", APC),
        StonithDevice("*", "meatware", ("alpha,beta",)),
    )
    assert config.environment == (("COLOR", "blue"),)


def test_defaults_are_those_heartbeat_exports() -> None:
    """What a respawn client of 3.0.6 sees as HA_<name> with this ha.cf."""
    text = "logfile /var/log/ha-log\nlogfacility none\nkeepalive 100ms\ndeadtime 500ms\n"
    config = config_of(text + "initdead 1\nbcast eth0\nnode alpha beta\n")
    assert dict(config.parameters) == {
        "auto_failback": "legacy",
        "autojoin": "none",
        "baud": "19200",
        "cluster": "linux-ha",
        "compression": "zlib",
        "compression_threshold": "2",
        "conn_logd_time": "60",
        "coredumps": "true",
        "deadping": "500ms",
        "deadtime": "500ms",
        "debug": "0",
        "enable_config_writes": "on",
        "hbgenmethod": "file",
        "hopfudge": "1",
        "initdead": "1",
        "keepalive": "100ms",
        "log_badpack": "true",
        "logfacility": "none",
        "logfile": "/var/log/ha-log",
        "max_rexmit_delay": "250",
        "memreserve": "6500",
        "msgfmt": "classic",
        "pacemaker": "false",
        "realtime": "true",
        "record_config_changes": "on",
        "record_pengine_inputs": "on",
        "syslogmsgfmt": "true",
        "traditional_compression": "no",
        "udpport": "694",
        "uuidfrom": "file",
        "warntime": "250ms",
    }


@pytest.mark.parametrize("row", [row for row in TABLE if row.kind], ids=lambda row: row.name)
def test_a_silent_file_gives_the_default_of_the_table(row: object) -> None:
    name, default = getattr(row, "name", ""), getattr(row, "default", "")
    derived = name in {"warntime", "initdead", "deadping"}
    silent = config_of(GOOD["ha.cf"].replace("auto_failback on\n", "")).parameter(name)
    if not derived and name != "logfacility":
        assert silent == (default or None)


@pytest.mark.parametrize(
    ("word", "script", "arguments"),
    [
        ("10.0.0.1", "IPaddr", ("10.0.0.1",)),
        ("10.0.0.1/24/eth0:0/10.0.0.255", "IPaddr", ("10.0.0.1/24/eth0:0/10.0.0.255",)),
        ("IPaddr2::10.0.0.1/24", "IPaddr2", ("10.0.0.1/24",)),
        ("nginx", "nginx", ()),
        ("Filesystem::/dev/sdb1::/mnt::ext4", "Filesystem", ("/dev/sdb1", "/mnt", "ext4")),
        ("3ware", "3ware", ()),
    ],
)
def test_a_resource_word_is_a_script_and_its_arguments(
    word: str, script: str, arguments: tuple[str, ...]
) -> None:
    (group,) = parsed_of(haresources=f"beta {word}\n").groups
    assert group.key == word
    assert group.resources == (ResourceSpec(word, script, arguments),)


def test_a_group_may_go_on_over_several_lines() -> None:
    parsed = parsed_of(
        haresources="# web\nAlpha 10.99.0.50 \\\n\tnginx\\\n postfix\n\nbeta MailTo::x\n"
    )
    assert [(g.owner, g.key, len(g.resources)) for g in parsed.groups] == [
        ("alpha", "10.99.0.50", 3),
        ("beta", "MailTo::x", 1),
    ]
    assert [report.code for report in parsed.reports] == ["quorum-none"]


def test_keys_are_raw_bytes_and_the_last_named_one_signs() -> None:
    parsed = parsed_of(
        authkeys="# old\nauth 1\n1 sha1 s#cr\u00e9t12\n\nauth 3\n3\tmd5 OtherSecret\r\n"
    )
    assert parsed.keys is not None
    assert parsed.keys.signing == 3
    assert parsed.keys.keys == (
        AuthKey(1, "sha1", "s#cr\u00e9t12".encode()),
        AuthKey(3, "md5", b"OtherSecret"),
    )


def test_the_service_ha_cluster_sets_the_default_port() -> None:
    config = config_of("node alpha beta\nbcast eth0\nauto_failback on\n")
    assert config.media[0].port == 694
