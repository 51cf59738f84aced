"""Every problem the checker can name: code, severity, and a sentence for the manual.

Severity follows Heartbeat 3.0.6: what it refuses is an error, what it swallows a warning.
Where we are stricter or milder the sentence says so.
"""

from __future__ import annotations

from typing import Final

from everbeat.config.files import shortened
from everbeat.model.reports import Code, Place, Report, Severity

_E: Final = Severity.ERROR
_W: Final = Severity.WARNING
_I: Final = Severity.INFO


ALL_FILES: Final = (
    Code("file-missing", _E, "The file does not exist or cannot be read."),
    Code("not-text", _W, "A line holds control characters; a binary file was put here."),
    Code("nul-byte", _E, "A NUL byte: where it stands every program takes the text to end."),
    Code("dos-line-ends", _W, "The lines end as in DOS (CR LF): Heartbeat stumbles over the CR."),
    Code("mac-line-ends", _E, "The lines end as on old Macs (CR alone): all is read as one line."),
    Code("byte-order-mark", _E, "The file begins with a byte-order mark, or is UTF-16."),
    Code("comment-sign", _E, "A line begins as a comment does elsewhere; here only # begins one."),
    Code("character-unseen", _E, "A no-break space, or a mark without width, is a part of a word."),
    Code("quotes-typographic", _E, "Quotation marks of typography are a part of no word."),
    Code("secret-readable", _W, "Group or others may read a file in which a secret stands."),
    Code("line-too-long", _E, "A line is longer than Heartbeat's buffer, which would cut it."),
)

HA_CF: Final = (
    Code("directive-unknown", _E, "No directive has this name; names are case-sensitive."),
    Code("directive-unsupported", _E, "A directive of other builds, absent from Debian's 3.0.6."),
    Code("directive-obsolete", _W, "An old directive still understood; another replaced it."),
    Code("directive-without-value", _W, "Heartbeat ignores the line; the default stays."),
    Code("directive-repeated", _W, "The last line wins without a word."),
    Code("directive-twice", _E, "A directive that may stand only once."),
    Code("value-surplus", _W, "More values than the directive takes; which one counts surprises."),
    Code("time-malformed", _E, "Not a time: a number, alone for seconds, or with ms or us."),
    Code("time-out-of-range", _E, "The time is zero, negative or too large."),
    Code("boolean-malformed", _E, "Not a truth value."),
    Code("number-sloppy", _W, "Heartbeat reads only the digits at the beginning of this word."),
    Code("number-out-of-range", _E, "The number is outside the allowed range."),
    Code("word-not-allowed", _E, "The directive takes one of a few words, and this is none."),
    Code("baud-unknown", _E, "Not a speed of serial ports that Heartbeat knows."),
    Code("facility-unknown", _E, "Not a syslog facility."),
    Code("compression-unknown", _E, "No such compression; zlib and bz2 exist."),
    Code("compression-traditional", _W, "Whole messages are compressed at a real-time price."),
    Code("msgfmt-netstring", _W, "Heartbeat peers lose messages of their own scripts with it."),
    Code("port-malformed", _E, "Not a UDP port."),
    Code("port-wraps", _W, "Above 65535: Heartbeat uses the remainder of a division by 65536."),
    Code("port-reserved", _W, "The UDP port belongs to another service."),
    Code("udpport-after-media", _W, "Media lines above keep the old port."),
    Code("baud-after-serial", _W, "Serial lines above keep the old speed."),
    Code("own-node-missing", _E, "This machine's name is on no node line."),
    Code("nodes-missing", _E, "No node line."),
    Code("node-twice", _W, "The same node is named more than once."),
    Code("node-name-upper-case", _I, "Node names are compared and sent in lower case."),
    Code("node-name-unusual", _W, "A node name no machine can have, or that is an address."),
    Code("node-name-too-long", _E, "A node name of more than 99 bytes does not fit on the wire."),
    Code("node-words-surplus", _W, "Words of a node line that name no node; they do not count."),
    Code("node-unresolvable", _W, "No address is known for a node; a misspelt name looks so."),
    Code("node-single", _W, "Only one node: nothing can take over."),
    Code("nodes-too-many", _E, "More than 100 nodes."),
    Code(
        "nodes-more-than-two", _W, "Heartbeat V1 is made for two nodes: both survivors take over."
    ),
    Code("media-missing", _E, "No line says how heartbeats travel."),
    Code("media-too-many", _E, "More than 64 media."),
    Code("medium-twice", _W, "The same medium is configured twice."),
    Code("medium-incomplete", _E, "A media line lacks an argument."),
    Code("medium-surplus", _W, "A media line has words that Heartbeat does not read."),
    Code("media-single-path", _I, "All heartbeats travel over one path."),
    Code("media-ping-only", _W, "Ping lines alone carry no heartbeats between nodes."),
    Code("interface-missing", _E, "This machine has no such network interface."),
    Code("interface-missing-ucast", _W, "No such interface; Heartbeat starts and sends nothing."),
    Code("interface-not-broadcast", _E, "The interface has no broadcast address."),
    Code("interface-without-address", _W, "mcast on an interface without IPv4 address: it waits."),
    Code("interface-loopback", _W, "Loopback reaches no other machine."),
    Code("peer-unresolvable", _E, "The host name of a unicast peer has no address."),
    Code("peer-is-service", _W, "A service address is where its group is, not where the peer is."),
    Code("ucast-own-only", _W, "All unicast lines name this machine: nobody else is reached."),
    Code("multicast-address", _E, "Not a multicast address."),
    Code("multicast-ttl", _E, "The ttl or hop limit is outside the allowed range."),
    Code("multicast-ttl-zero", _W, "With ttl 0 no packet leaves this machine."),
    Code("multicast-loop", _E, "The loop argument is neither 0 nor 1."),
    Code("multicast-loop-on", _W, "Our own packets come back to us."),
    Code("address-family", _E, "The directive wants an IPv6 address."),
    Code("serial-missing", _E, "The serial port does not exist or is no character device."),
    Code("ping-unresolvable", _E, "The host to ping has no address."),
    Code("ping-group-host-unresolvable", _W, "A host of a ping group has no address."),
    Code("ping-is-node", _W, "A cluster node is no use as a ping node: it dies with its node."),
    Code("ping-is-service", _W, "A service address answers wherever its group is."),
    Code("ping-own-address", _W, "Pinging this very machine proves nothing."),
    Code("ping-group-incomplete", _E, "A ping group is a name and one host at least."),
    Code("ping-name-unusual", _E, "A ping node has a name that no message can carry."),
    Code("deadtime-too-small", _E, "deadtime must be more than twice keepalive."),
    Code("deadtime-tight", _W, "deadtime leaves room for few lost heartbeats."),
    Code("deadtime-low", _W, "Below two seconds a busy machine is easily taken for dead."),
    Code("deadping-too-small", _E, "deadping must be more than twice keepalive."),
    Code("warntime-above-deadtime", _W, "The late-heartbeat warning can never be given."),
    Code("warntime-below-keepalive", _W, "Every heartbeat will be called late."),
    Code("initdead-below-deadtime", _E, "initdead must not be below deadtime."),
    Code("initdead-short", _W, "Below ten seconds a slow network start looks like a dead peer."),
    Code("auto-failback-missing", _W, "Without it as on; beside a Heartbeat its deprecated way."),
    Code("auto-failback-legacy", _W, "As on; beside a Heartbeat no standby, no takeover."),
    Code("autojoin-without-crm", _E, "autojoin other and any need a cluster resource manager."),
    Code("crm-unavailable", _E, "The named cluster resource manager is not part of this program."),
    Code("crm-no-membership-daemon", _W, "ccm is not run; its clients find nobody."),
    Code("haresources-unused", _W, "With a cluster resource manager haresources is ignored."),
    Code("user-unknown", _E, "No such user."),
    Code("group-unknown", _E, "No such group."),
    Code("command-not-absolute", _E, "A program must be given with its full path."),
    Code("command-not-executable", _E, "The program does not exist or may not be executed."),
    Code("command-missing", _E, "A respawn or failfast line is a user and a program."),
    Code("ipfail-built-in", _I, "The ipfail built into everbeat serves a respawn line."),
    Code("respawn-twice", _W, "The same program is started twice."),
    Code("apiauth-malformed", _E, "An apiauth line is a client and uid=, gid= or both."),
    Code("apiauth-twice", _E, "A client has two apiauth lines."),
    Code("stonith-type-missing", _E, "A stonith line lacks its arguments."),
    Code("stonith-type-unknown", _E, "No such STONITH plug-in."),
    Code("stonith-file-missing", _E, "The file with the device's parameters does not exist."),
    Code("stonith-file-agent", _E, "Fence agents take their parameters from the line."),
    Code("stonith-parameter-malformed", _E, "A parameter of a fence agent is NAME=VALUE."),
    Code("stonith-parameter-missing", _E, "The agent needs a parameter that is not given."),
    Code("stonith-parameter-unknown", _W, "The agent has no such parameter and passes it over."),
    Code("stonith-hosts-missing", _E, "It is not said which nodes a fence agent controls."),
    Code("stonith-node-uncovered", _W, "No device of this node controls one of the others."),
    Code("stonith-node-unknown", _W, "stonith_host names a node outside the cluster."),
    Code("quorum-none", _W, "Two nodes and nothing to decide between them: both sides would hold."),
    Code("quorum-third-missing", _E, "Two nodes cannot outvote each other: name a witness."),
    Code("quorum-timing", _E, "deadtime leaves no room for the lease and for stopping."),
    Code("quorum-off", _W, "deadtime is too short for quorum: both sides of a split would hold."),
    Code("quorum-by-ping", _I, "Ping nodes decide a split; they may serve both sides."),
    Code("quorum-ping-missing", _E, "Ping nodes are to decide, and none is named."),
    Code("quorum-ping-unfit", _E, "What is to decide is a node or a service of this cluster."),
    Code("quorum-ping-unused", _W, "Three and more nodes decide by votes, not by ping nodes."),
    Code("witness-malformed", _E, "A witness is HOST, HOST:PORT or [ADDRESS]:PORT."),
    Code("witness-is-node", _E, "The witness must be a third machine, not one of the nodes."),
    Code("witness-unfit", _E, "No machine has the address of the witness."),
    Code("witness-unresolvable", _W, "The witness has no address now; it is looked up again."),
    Code("witness-unused", _W, "A witness is asked by clusters of two nodes alone."),
    Code("watchdog-missing", _W, "The watchdog device does not exist: nothing resets a hung node."),
    Code("log-target-missing", _E, "use_logd is off and no other log target is given."),
    Code("log-target-default", _I, "No log target is given: the system's log is used."),
    Code("log-directory-missing", _W, "The directory of the log file does not exist."),
    Code("path-not-absolute", _W, "A relative path depends on where the program is started."),
    Code("coreroot-missing", _W, "The directory for core files does not exist."),
    Code("monitor-malformed", _E, "A monitor line is a time, or a resource and a time."),
    Code("monitor-resource-unknown", _W, "The resource named stands nowhere in haresources."),
    Code(
        "operation-timeout-malformed",
        _E,
        "An operation_timeout line is start, stop or monitor, and a time; a resource may precede.",
    ),
    Code("env-malformed", _W, "Not NAME=VALUE; Heartbeat exports an empty value."),
)

AUTHKEYS: Final = (
    Code("authkeys-mode", _E, "Group or others may read the keys."),
    Code("auth-missing", _E, "No auth line says which key signs."),
    Code("auth-malformed", _E, "An auth line is `auth NUMBER`."),
    Code("auth-twice", _W, "A second auth line; the last one with a known key counts."),
    Code("auth-key-missing", _E, "The signing key is not in the file."),
    Code("auth-after-key", _E, "The auth line must stand before the key it names."),
    Code("key-malformed", _E, "A key line is `NUMBER METHOD SECRET`."),
    Code("key-number", _E, "Key numbers go from 0 to 15."),
    Code("key-twice", _W, "The same number again: the later key replaces the former."),
    Code("key-method-unknown", _E, "The method is none of aes-siv, sha256, sha1, md5 and crc."),
    Code("key-own-method", _I, "A method of everbeat's own; Heartbeat 3.0.6 refuses the file."),
    Code("key-secret-missing", _E, "All methods but crc need a secret."),
    Code("key-secret-unexpected", _E, "crc takes no secret."),
    Code("key-surplus", _W, "Only the third word is the secret; the rest of the line is ignored."),
    Code("key-comment", _W, "A # inside a line is no comment here."),
    Code("key-quotes", _W, "Typographic quotes are read as a part of the word they stand at."),
    Code("key-unseen", _W, "A no-break space, or a mark without width, is a part of a word."),
    Code("key-short", _W, "A secret of fewer than eight characters is quickly guessed."),
    Code("key-crc", _W, "crc protects against accidents, not against people."),
    Code("auth-recordings", _I, "Heartbeat speaks this key, too, and its recordings look present."),
    Code("auth-sloppy", _W, "Heartbeat reads only the digits after auth."),
    Code("key-several", _I, "Several keys: Heartbeat 3.0.6 verifies all with its own signing key."),
)

WITNESS: Final = (
    Code("witness-key-crc", _E, "crc has no secret; a witness needs one to know who asks."),
    Code("witness-key-shared", _W, "Two clusters share a key: the witness knows them by one name."),
)

HARESOURCES: Final = (
    Code("quotes-straight", _E, "A quote is a part of the word that it stands at."),
    Code("haresources-node-unknown", _E, "The line begins with a name that is no cluster node."),
    Code("group-empty", _W, "A node name alone; Heartbeat ignores the line."),
    Code(
        "group-key-secret", _W, "A group is named on the wire by its first word, password and all."
    ),
    Code("group-key-twice", _W, "Two groups begin with the same resource; look-ups find both."),
    Code("resource-shared", _W, "Two groups name one resource: a stop of one stops it for both."),
    Code("address-twice", _W, "The same service address stands in two places."),
    Code("address-is-node", _W, "A node's fixed address: it goes when the group goes."),
    Code("address-malformed", _W, "Not an address, or not one that its script serves."),
    Code(
        "address-short", _I, "An IPv6 address with `::`: everbeat's nodes read it, 3.0.6's do not."
    ),
    Code("address-prefix", _W, "The prefix length or netmask makes no sense."),
    Code("address-interface", _W, "The interface named for an address does not exist."),
    Code("address-broadcast", _W, "The broadcast address makes no sense."),
    Code("address-ipv6-bare", _W, "A bare IPv6 address is taken for a script name."),
    Code("resource-name", _E, "A path, or .., in the place of a script's name."),
    Code("script-missing", _W, "No script, built-in or unit has this name."),
    Code(
        "script-without-status", _W, "A script that knows no `status` is never asked, nor watched."
    ),
    Code("script-interpreter", _W, "The script's first line names what cannot be found."),
    Code("resource-malformed", _W, "A resource word with an empty part or a single colon."),
    Code("comment-after-continuation", _W, "Heartbeat takes this comment for resources."),
    Code("comment-continued", _W, "The backslash ends a comment: the next line is one as well."),
    Code("continuation-open", _W, "The last line ends with a backslash."),
    Code("continuation-blank", _W, "Blanks after the backslash: Heartbeat does not go on."),
    Code("haresources-none", _I, "No group: nothing is managed."),
    Code("haresources-emptied", _W, "No group is left of those in use: all of them are stopped."),
)

ANOTHER_NODES_FILES: Final = (
    Code(
        "program-not-allowed",
        _E,
        "Another node would change a line here that names programs, users, files or devices.",
    ),
    Code("address-not-allowed", _E, "Another node would bring an address that is malformed."),
)

SECTIONS: Final = (
    ("All files", ALL_FILES),
    ("ha.cf", HA_CF),
    ("authkeys", AUTHKEYS),
    ("authkeys of a witness's clusters", WITNESS),
    ("haresources", HARESOURCES),
    ("Files that another node distributes", ANOTHER_NODES_FILES),
)

CODES: Final = {code.name: code for _, codes in SECTIONS for code in codes}


def report_of(code: str, place: Place, summary: str, remedy: str = "") -> Report:
    """Build a report whose severity is the table's. An unknown code is a bug (KeyError).

    Summary and remedy may quote words of any length; they are cut.
    """
    return Report(
        code=code,
        severity=CODES[code].severity,
        summary=shortened(summary),
        remedy=shortened(remedy),
        place=place,
    )
