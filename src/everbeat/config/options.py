"""Scalar directives: each sets one parameter, checked by its kind and recorded as written.

Source: `heartbeat -D` (defaults), measured reactions of 3.0.6 to good and bad values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from everbeat.config.directives import Directive, Statement
from everbeat.config.draft import Draft
from everbeat.config.suggestions import nearest
from everbeat.config.values import (
    BOOLEAN_REMEDY,
    FALSE_WORDS,
    TRUE_WORDS,
    boolean_from_word,
    is_sloppy_time,
    leading_number,
    number_from_word,
    time_ms_from_word,
)

ValueKind: TypeAlias = Callable[[Draft, Statement, str], None]
"""Checks one value of a line and reports what is wrong with it."""

BAUD_RATES: Final = ("9600", "19200", "38400", "57600", "115200", "230400", "460800")
FACILITIES: Final = (
    *("auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "none"),
    *("security", "syslog", "user", "uucp"),
    *(f"local{number}" for number in range(8)),
)
PORT_MAX: Final = 65_535
NUMBER_MAX: Final = 2**31 - 1


def a_time(minimum_ms: int, example: str) -> ValueKind:
    """Check a time of at least so many milliseconds; `example` is a sensible one."""

    def check(draft: Draft, statement: Statement, word: str) -> None:
        name = statement.directive
        value = time_ms_from_word(word)
        if value is None:
            remedy = f"{name} {time_meant(word) or example}"
            summary = f"{name}: '{word}' is not a time; units are seconds (none), ms and us"
            draft.report("time-malformed", statement.line, summary, remedy)
        elif value < minimum_ms:
            summary = f"{name}: {word} is {value} ms, the least is {minimum_ms} ms"
            draft.report("time-out-of-range", statement.line, summary, f"{name} {example}")
        elif is_sloppy_time(word):
            summary = f"{name}: '{word}' is read as {value} ms"
            draft.report("number-sloppy", statement.line, summary, f"{name} {value}ms")

    return check


def time_meant(word: str) -> str:
    """Guess the time meant by `10s`, `10m` or `2h`, in seconds; "" if it cannot be guessed."""
    digits = word.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}.get(word[len(digits) :][:1].lower())
    number = number_from_word(digits)
    return "" if seconds is None or number is None or number <= 0 else str(number * seconds)


def a_boolean(draft: Draft, statement: Statement, word: str) -> None:
    """Check a truth value."""
    if boolean_from_word(word) is None:
        name = statement.directive
        summary = f"{name}: '{word}' is neither true nor false"
        draft.report("boolean-malformed", statement.line, summary, f"{name} {BOOLEAN_REMEDY}")


def a_number(minimum: int, maximum: int, example: str) -> ValueKind:
    """Check a number that 3.0.6 reads by its leading digits; none of them: 0."""

    def check(draft: Draft, statement: Statement, word: str) -> None:
        name, value = statement.directive, leading_number(word)
        if not minimum <= value <= maximum:
            limits = f"from {minimum} to {maximum}" if maximum < NUMBER_MAX else "above 0"
            summary = f"{name}: {word} is not a number {limits}"
            draft.report("number-out-of-range", statement.line, summary, f"{name} {example}")
        elif number_from_word(word) is None:
            summary = f"{name}: '{word}' is read as {value}"
            draft.report("number-sloppy", statement.line, summary, f"{name} {value}")

    return check


def one_of(words: tuple[str, ...], *, is_caseless: bool = False) -> ValueKind:
    """Check a word of a closed set."""

    def check(draft: Draft, statement: Statement, word: str) -> None:
        if (word.lower() if is_caseless else word) in words:
            return
        name = statement.directive
        choice = ", ".join(words)
        meant = nearest(word, words) or " | ".join(words)
        summary = f"{name}: '{word}' is none of {choice}"
        draft.report("word-not-allowed", statement.line, summary, f"{name} {meant}")

    return check


def boolean_or(words: tuple[str, ...]) -> ValueKind:
    """Check a truth value or one of some words, in any case of letters."""

    def check(draft: Draft, statement: Statement, word: str) -> None:
        if boolean_from_word(word) is not None or word.lower() in words:
            return
        name = statement.directive
        choice = ("on", "off", *words)
        meant = nearest(word, choice) or " | ".join(choice)
        summary = f"{name}: '{word}' is none of {', '.join(choice)}"
        draft.report("word-not-allowed", statement.line, summary, f"{name} {meant}")

    return check


def a_baud_rate(draft: Draft, statement: Statement, word: str) -> None:
    """Check a serial speed; `19200x` is read as 19200."""
    if str(leading_number(word)) not in BAUD_RATES:
        summary = f"baud: {word} is none of {', '.join(BAUD_RATES)}"
        draft.report("baud-unknown", statement.line, summary, "baud 19200")


def a_port(draft: Draft, statement: Statement, word: str) -> None:
    """Check a UDP port; 3.0.6 takes numbers above 65535 and wraps them."""
    value = leading_number(word)
    if value <= 0:
        summary = f"udpport: '{word}' is not a port"
        draft.report("port-malformed", statement.line, summary, "udpport 694")
        return
    if number_from_word(word) is None:
        summary = f"udpport: '{word}' is read as {value}"
        draft.report("number-sloppy", statement.line, summary, f"udpport {value}")
    if value > PORT_MAX:
        summary = f"udpport: {value} is above {PORT_MAX}; it becomes {value % (PORT_MAX + 1)}"
        draft.report("port-wraps", statement.line, summary, "udpport 694")
    owner = draft.host.service_of_port(value)
    if owner not in {None, "ha-cluster"}:
        summary = f"udpport: port {value} belongs to the service {owner}"
        draft.report("port-reserved", statement.line, summary, "udpport 694")
    if draft.media:
        summary = "udpport: the media lines above do not use this port"
        remedy = "move udpport above the first bcast, ucast or mcast line"
        draft.report("udpport-after-media", statement.line, summary, remedy)


def a_facility(draft: Draft, statement: Statement, word: str) -> None:
    """Check a syslog facility or `none`."""
    if word not in FACILITIES:
        meant = nearest(word, FACILITIES) or "local0"
        summary = f"logfacility: '{word}' is no syslog facility"
        draft.report("facility-unknown", statement.line, summary, f"logfacility {meant}")


def a_log_file(draft: Draft, statement: Statement, word: str) -> None:
    """Check where a log file is to be written."""
    name = statement.directive
    if not word.startswith("/"):
        remedy = f"{name} /var/log/{word}"
        summary = f"{name}: '{word}' is not a full path"
        draft.report("path-not-absolute", statement.line, summary, remedy)
        return
    directory = word.rpartition("/")[0] or "/"
    if not draft.host.is_directory(directory):
        summary = f"{name}: the directory {directory} does not exist"
        draft.report("log-directory-missing", statement.line, summary, f"mkdir -p {directory}")


def a_core_directory(draft: Draft, statement: Statement, word: str) -> None:
    """Check where core files are to be written."""
    if not draft.host.is_directory(word):
        summary = f"coreroot: the directory {word} does not exist"
        draft.report("coreroot-missing", statement.line, summary, f"mkdir -p {word}")


def a_compression(draft: Draft, statement: Statement, word: str) -> None:
    """Check the name of a compression."""
    if word not in {"zlib", "bz2"}:
        summary = f"compression: '{word}' does not exist; zlib and bz2 do"
        draft.report("compression-unknown", statement.line, summary, "compression zlib")


def a_compression_style(draft: Draft, statement: Statement, word: str) -> None:
    """Check `traditional_compression`."""
    a_boolean(draft, statement, word)
    if boolean_from_word(word):
        summary = "traditional_compression: whole messages are compressed, heartbeats may be late"
        draft.report(
            "compression-traditional", statement.line, summary, "traditional_compression off"
        )


def a_message_format(draft: Draft, statement: Statement, word: str) -> None:
    """Check `msgfmt`."""
    one_of(("classic", "netstring"))(draft, statement, word)
    if word == "netstring":
        summary = "msgfmt: netstring makes Heartbeat peers hang in standby and shutdown"
        draft.report("msgfmt-netstring", statement.line, summary, "msgfmt classic")


def a_watchdog(draft: Draft, statement: Statement, word: str) -> None:
    """Check the watchdog's device; 3.0.6 starts without it."""
    if not draft.host.is_device(word):
        summary = f"watchdog: there is no device {word}"
        remedy = "load a watchdog driver (modprobe softdog) or name its device: /dev/watchdog"
        draft.report("watchdog-missing", statement.line, summary, remedy)


def anything(_draft: Draft, _statement: Statement, _word: str) -> None:
    """Accept any word."""


_BOOLEAN: Final = f"{'|'.join(TRUE_WORDS)} or {'|'.join(FALSE_WORDS)}"
_CRM_WORDS: Final = ("respawn", "minimal", "manual", "ccm-only", "valgrind")


def _option(
    name: str, shape: str, default: str, kind: ValueKind, meaning: str, *, is_once: bool = False
) -> Directive:
    return Directive(
        name=name, shape=shape, meaning=meaning, default=default, kind=kind, is_once=is_once
    )


OPTIONS: Final = (
    _option("keepalive", "TIME", "1000ms", a_time(1, "2"), "Interval between heartbeats."),
    _option("deadtime", "TIME", "30000ms", a_time(0, "30"), "A node silent for so long is dead."),
    _option("warntime", "TIME", "", a_time(1, "10"), "A later heartbeat is logged; deadtime/2."),
    _option("initdead", "TIME", "", a_time(0, "60"), "deadtime until communication is up."),
    _option("deadping", "TIME", "", a_time(0, "30"), "deadtime of ping nodes; deadtime."),
    _option("udpport", "PORT", "694", a_port, "UDP port of the bcast and ucast lines below."),
    _option("baud", "RATE", "19200", a_baud_rate, "Speed of the serial lines below.", is_once=True),
    _option(
        "auto_failback",
        "on|off|legacy",
        "legacy",
        boolean_or(("legacy",)),
        "Whether a group returns to its owner.",
    ),
    _option(
        "autojoin",
        "none|other|any",
        "none",
        one_of(("none", "other", "any"), is_caseless=True),
        "Whether unlisted nodes may join.",
    ),
    _option(
        "crm_daemon_dir", "DIRECTORY", "", anything, "Where programs of the CRM are looked for."
    ),
    _option(
        "crmd_spawns_pengine", "BOOLEAN", "", a_boolean, "Whether crmd starts the policy engine."
    ),
    _option("watchdog", "DEVICE", "", a_watchdog, "Kernel watchdog to feed.", is_once=True),
    _option("hopfudge", "0-255", "1", a_number(0, 255, "1"), "Hops above the number of nodes."),
    _option("logfile", "PATH", "", a_log_file, "Where messages are appended."),
    _option("debugfile", "PATH", "", a_log_file, "Where all messages are appended."),
    _option("logfacility", "FACILITY|none", "", a_facility, "Syslog facility."),
    _option("use_logd", "BOOLEAN", "", a_boolean, "Log through the logging daemon."),
    _option(
        "conn_logd_time", "TIME", "60", a_time(1, "60"), "Reconnect interval of the logging daemon."
    ),
    _option("syslogmsgfmt", "BOOLEAN", "true", a_boolean, "Log files look like syslog's."),
    _option("debug", "0-255", "0", a_number(0, 255, "0"), "Debug level."),
    _option("realtime", "BOOLEAN", "true", a_boolean, "Real-time priority and locked memory."),
    _option("rtprio", "1-99", "", a_number(1, 99, "1"), "Real-time priority."),
    _option(
        "memreserve", "KILOBYTES", "6500", a_number(1, NUMBER_MAX, "6500"), "Memory set aside."
    ),
    _option("hbgenmethod", "file|time", "file", one_of(("file", "time")), "Source of generations."),
    _option("uuidfrom", "file|nodename", "file", one_of(("file", "nodename")), "Source of uuids."),
    _option("msgfmt", "classic|netstring", "classic", a_message_format, "Form on the wire."),
    _option("compression", "zlib|bz2", "zlib", a_compression, "Compression of large messages."),
    _option(
        "compression_threshold",
        "KIB",
        "2",
        a_number(1, NUMBER_MAX, "2"),
        "Messages above this size are compressed.",
    ),
    _option(
        "traditional_compression", "BOOLEAN", "no", a_compression_style, "Compress whole messages."
    ),
    _option(
        "max_rexmit_delay",
        "MILLISECONDS",
        "250",
        a_number(1, NUMBER_MAX, "250"),
        "Longest wait before asking for a lost message.",
    ),
    _option("log_badpack", "BOOLEAN", "true", a_boolean, "Log packets that are dropped."),
    _option("coredumps", "BOOLEAN", "true", a_boolean, "Allow core files."),
    _option("coreroot", "DIRECTORY", "", a_core_directory, "Where core files are written."),
    _option("use_apphbd", "BOOLEAN", "", a_boolean, "Register with the application watchdog."),
    _option(
        "distribute",
        "programs",
        "",
        one_of(("programs",)),
        "Other nodes may change lines that name programs.",
        is_once=True,
    ),
    _option("cluster", "NAME", "linux-ha", anything, "Name of the cluster."),
    _option("quorum_server", "HOST", "", anything, "Host of the quorum daemon."),
    _option("record_config_changes", "BOOLEAN", "on", a_boolean, "Passed on to a CRM."),
    _option("record_pengine_inputs", "BOOLEAN", "on", a_boolean, "Passed on to a CRM."),
    _option("enable_config_writes", "BOOLEAN", "on", a_boolean, "Passed on to a CRM."),
)


def is_crm_word(word: str) -> bool:
    """Whether `crm` takes this word, given in lower case."""
    return boolean_from_word(word) is not None or word in _CRM_WORDS


CRM: Final = _option(
    "pacemaker",
    "off|on|respawn|manual|ccm-only",
    "false",
    boolean_or(_CRM_WORDS),
    "Cluster resource manager to run; off: haresources.",
    is_once=True,
)
