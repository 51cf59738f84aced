"""everbeat init, join and invite: from two bare machines to a pair, and further nodes.

init    files for one node ► start ► invite
invite  token ► wait ► a machine calls ► its files ► it agrees ► all members agree ► it starts
join    call ► files ► check them here ► install ► start ► wait until the others are seen
"""

from __future__ import annotations

import re
import time
from contextlib import closing
from dataclasses import dataclass
from ipaddress import ip_address
from secrets import token_bytes
from typing import TYPE_CHECKING, Any, Final

from everbeat.adapters.cipher import AesSiv, CipherMissingError
from everbeat.adapters.file_store import StoreError, install_file, read_files
from everbeat.adapters.host_facts import RealHost
from everbeat.adapters.invitation_socket import (
    Callers,
    listening,
    own_address,
    talk_to_inviter,
)
from everbeat.commands.change import DOUBT_QUESTION, Manner, distribute_heard, nobody
from everbeat.commands.core_request import fetch_status
from everbeat.commands.daemon_start import (
    Daemon,
    StartError,
    folder_words,
    is_up_in_time,
    start,
)
from everbeat.commands.distributing import bundle_of
from everbeat.commands.keys import new_keys
from everbeat.commands.places import RUN_DEFAULT
from everbeat.commands.render_reports import render_reports
from everbeat.config.doubts import doubts
from everbeat.config.edits import NewNode, key_text, with_node
from everbeat.config.files import words_of
from everbeat.config.first_files import FirstNode, first_ha_cf, first_haresources
from everbeat.distribution.placing import localized, usual_interface
from everbeat.ipc.codec import IpcError
from everbeat.model.distribution import (
    AUTHKEYS,
    FILE_NAMES,
    HA_CF,
    HARESOURCES,
    Bundle,
    FileContent,
)
from everbeat.model.members import NodeStatus
from everbeat.model.names import node_name_from_text
from everbeat.model.reports import Severity
from everbeat.wire.invitation import (
    SECRET_BYTES,
    InvitationError,
    Token,
    files_from_json,
    joiner_from_json,
    token_from_text,
    token_text,
)

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from ipaddress import IPv4Address, IPv6Address
    from typing import TextIO

    from everbeat.adapters.invitation_socket import Talk
    from everbeat.commands.places import Places
    from everbeat.ipc.messages import StatusReply
    from everbeat.model.members import MembershipView
    from everbeat.model.reports import Report
    from everbeat.ports.host import Interface
    from everbeat.wire.invitation import Joiner

JOIN_PORT: Final = 6941
CLUSTER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
WRONG_CALLS_TOLD: Final = 10
"""So many calls without the token are told. They change nothing: nobody guesses its 128 bits."""

STARTED_S: Final = 40.0
SYSTEMD_S: Final = 90.0
_LIVE: Final = frozenset({NodeStatus.UP, NodeStatus.ACTIVE})


class PairError(Exception):
    """It cannot be done; the text says why, and what to write instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions:
    """What the command line says; empty: found out."""

    interface: str = ""
    address: str = ""
    port: int = JOIN_PORT
    lasts_s: int = 900
    is_waiting: bool = True
    is_replacing: bool = False
    is_started: bool = True
    may_pass_over: bool = False
    is_forced: bool = False
    asks: Callable[[str], bool] = nobody


def init(places: Places, name: str, options: PairOptions, out: TextIO) -> None:
    """Begin a cluster. Raises PairError."""
    if not CLUSTER_NAME.fullmatch(name):
        raise PairError(f"'{name}' is no name of a cluster: letters, digits, - and _; write: shop")
    _refuse_existing(places, "everbeat invite lets machines join the cluster that is here", options)
    host = RealHost(places.etc)
    interface, address = _way(host.interfaces(), options)
    node = node_name_from_text(host.node_name())
    first = FirstNode(cluster=name, node=node, interface=interface, address=address)
    files = {
        HA_CF: first_ha_cf(first).encode(),
        AUTHKEYS: key_text(new_keys("aes-siv")).encode(),
        HARESOURCES: first_haresources().encode(),
    }
    cipher_here()
    if options.is_waiting:
        _opened(address, options.port).close()  # before anything is begun
    _install(places, files, out)
    print(f"{node} at {address} ({interface}) is the first node", file=out, flush=True)
    _start(places, out)
    _wait_alone(places)
    if options.is_waiting:
        invite(places, options, out)
    else:
        print("next: everbeat invite", file=out)


def invite(places: Places, options: PairOptions, out: TextIO) -> None:
    """Wait for one machine to join. Raises PairError."""
    _status(places)  # what joins, joins a cluster that runs
    interface = _own_way(places, options)[0]

    def admit(talk: Talk, asked: dict[str, Any]) -> None:  # Any: JSON
        _admit(places, talk, joiner_from_json(asked), interface, options, out)

    wait_for_caller(places, "join", options, admit, out)


def wait_for_caller(
    places: Places,
    command: str,
    options: PairOptions,
    admit: Callable[[Talk, dict[str, Any]], None],  # Any: JSON
    out: TextIO,
) -> None:
    """Print a token for `everbeat COMMAND` and wait for one machine. Raises PairError."""
    cipher = cipher_here()
    address = _own_way(places, options)[1]
    with closing(_opened(address, options.port)) as waiting:
        token = Token(
            address=_parsed_address(address),
            port=options.port,
            expires_s=int(time.time()) + options.lasts_s,
            secret=token_bytes(SECRET_BYTES),
        )
        minutes = options.lasts_s // 60 or 1
        print(f"on the machine that is to join, within {minutes} min:\n", file=out)
        print(f"    everbeat {command} {token_text(token)}\n", file=out, flush=True)
        _wait_for_joiner(waiting, token, cipher, admit, out)


def _opened(address: str, port: int) -> socket.socket:
    try:
        return listening(address, port)
    except OSError as error:
        text = f"{address} port {port} cannot be opened: {error.strerror}; write --port"
        raise PairError(text) from error


def _own_way(places: Places, options: PairOptions) -> tuple[str, str]:
    return _way(RealHost(places.etc).interfaces(), options, read_files(places.etc)[HA_CF])


def join(places: Places, word: str, options: PairOptions, out: TextIO) -> None:
    """Join a cluster. Raises PairError."""
    try:
        token = token_from_text(word)
        _refuse_existing(places, "everbeat join --replace keeps each as NAME.bak", options)
        cipher = cipher_here()
        with closing(talk_to_inviter(token, cipher)) as talk:
            _join(places, talk, token, options, out)
    except InvitationError as error:
        raise PairError(_with_age(str(error), word)) from error


# --- the inviter ---------------------------------------------------------------------------------


def _wait_for_joiner(
    waiting: socket.socket,
    token: Token,
    cipher: AesSiv,
    admit: Callable[[Talk, dict[str, Any]], None],  # Any: JSON
    out: TextIO,
) -> None:
    wrong = 0
    with closing(Callers(waiting, token, cipher)) as callers:
        while (left_s := token.expires_s - time.time()) > 0:
            call = callers.next_call(left_s)
            if call is None:
                break
            if call.talk is None:
                wrong += 1
                if wrong <= WRONG_CALLS_TOLD:
                    text = f"{call.source} has called without the token: {call.error}"
                    print(text, file=out, flush=True)
                continue
            with closing(call.talk):
                try:
                    admit(call.talk, call.asked)
                except (PairError, InvitationError, IpcError) as error:
                    _say_error(call.talk, str(error))
                    text = f"the machine at {call.source} has not joined: {error}"
                    raise PairError(text) from error
            return
    raise PairError("nobody has joined in time; say it again")


def _admit(
    places: Places,
    talk: Talk,
    joiner: Joiner,
    interface: str,
    options: PairOptions,
    out: TextIO,
) -> None:
    name, address = joiner.name, str(joiner.address)
    print(f"{name} at {address} wants to join …", file=out, flush=True)
    present = read_files(places.etc)
    ha_cf = (present[HA_CF] or b"").decode("utf-8", "surrogateescape")
    status = _status(places)
    known = status.membership.node(name)
    if name == status.membership.own or (known is not None and known.status in _LIVE):
        raise PairError(f"{name} is a node of this cluster and runs; give the machine another name")
    is_new = known is None
    if is_new:
        taken = [words for words in map(words_of, ha_cf.split("\n")) if address in words]
        if taken:
            raise PairError(f"{address} belongs to another node: {' '.join(taken[0])}")
        ha_cf = with_node(ha_cf, NewNode(name, joiner.address, interface))
    files = {HA_CF: ha_cf.encode("utf-8", "surrogateescape")}
    for other in (AUTHKEYS, HARESOURCES):
        files[other] = present[other] or b""
    talk.say({"files": {n: content.decode("latin-1") for n, content in files.items()}})
    talk.hear()  # it agrees
    if is_new:
        manner = Manner(
            may_pass_over=options.may_pass_over,
            is_forced=options.is_forced,
            asks=options.asks,
            out=out,
        )
        reply = distribute_heard(places, bundle_of({HA_CF: files[HA_CF]}, present), manner)
        if not reply.is_done:
            fates = ", ".join(f"{o.node}: {o.fate.value} {o.text}" for o in reply.outcomes)
            raise PairError(f"the members do not agree: {reply.reason or fates}")
    talk.say({"done": True})
    print(f"{name} has the files and is a node of the cluster now", file=out)


def _say_error(talk: Talk, text: str) -> None:
    try:
        talk.say({"error": text})
    except InvitationError:
        return  # it has hung up and knows


def _with_age(text: str, word: str) -> str:
    """Add that a token has expired by this machine's clock, which may be wrong: it was tried."""
    try:
        expires_s = token_from_text(word).expires_s
    except InvitationError:
        return text
    if expires_s > time.time():
        return text
    minutes = int((time.time() - expires_s) // 60)
    return f"the token expired {minutes} min ago; write on a node: everbeat invite\n({text})"


# --- the joiner ----------------------------------------------------------------------------------


def _join(places: Places, talk: Talk, token: Token, options: PairOptions, out: TextIO) -> None:
    from everbeat.adapters.configuration_store import parsed_with  # noqa: PLC0415 - others are faster without

    host = RealHost(places.etc)
    interfaces = host.interfaces()
    speaking = options.address or own_address(token)
    chosen = PairOptions(interface=options.interface, address=speaking)
    interface, address = _way(interfaces, chosen)
    name = node_name_from_text(host.node_name())
    talk.say({"name": name, "address": address, "interface": interface})
    files = files_from_json(talk.hear().get("files"), FILE_NAMES)
    names = [entry.name for entry in interfaces]
    files[HA_CF] = localized(files[HA_CF], names, interface)
    bundle = Bundle(tuple(FileContent(n, files[n]) for n in FILE_NAMES if n in files))
    _agree(parsed_with(places.etc, bundle, host).reports, talk, options, out)
    talk.say({"ok": True})
    talk.hear()
    _install(places, files, out)
    if not options.is_started:
        print(f"{name} is a node of the cluster; start it: everbeat run", file=out)
        return
    _start(places, out)
    _wait_seen(places, out)


def _agree(reports: tuple[Report, ...], talk: Talk, options: PairOptions, out: TextIO) -> None:
    """Refuse files that this machine cannot use; ask about what would not work here."""
    wrong = tuple(report for report in reports if report.severity is Severity.ERROR)
    doubted = () if wrong or options.is_forced else doubts(reports)
    if not wrong and not doubted:
        return
    text = render_reports(wrong or doubted, "", color=False)
    if doubted:
        print(f"not all of it would work on this machine:\n{text}", file=out, flush=True)
        if options.asks(DOUBT_QUESTION):
            return
    talk.say({"error": f"its files do not fit there:\n{text}"})
    if wrong:
        raise PairError(f"the cluster's files do not fit this machine:\n{text}")
    raise PairError("this machine has not joined; to join all the same: --force")


# --- this machine --------------------------------------------------------------------------------


def cipher_here() -> AesSiv:
    """Return the cipher that joining needs. Raises PairError."""
    try:
        return AesSiv()
    except CipherMissingError as error:
        text = "joining is encrypted and needs it: apt install python3-cryptography"
        raise PairError(text) from error


def _refuse_existing(places: Places, choice: str, options: PairOptions) -> None:
    found = [name for name, content in read_files(places.etc).items() if content is not None]
    if found and not options.is_replacing:
        raise PairError(
            f"{places.etc} has {', '.join(found)} already, and nothing of it is touched.\n"
            f"Choose: {choice};\n  or --replace begins anew and keeps each as NAME.bak"
        )


def _way(
    interfaces: tuple[Interface, ...], options: PairOptions, ha_cf: bytes | None = None
) -> tuple[str, str]:
    """Return the interface and address heartbeats use here: as told, as in ha.cf, or the first."""
    usable = [entry for entry in interfaces if entry.name != "lo" and entry.addresses]
    usual = usual_interface(ha_cf or b"", [entry.name for entry in usable])
    wanted = options.interface or ("" if options.address else usual)
    for entry in usable:
        if wanted not in {"", entry.name}:
            continue
        if options.address in entry.addresses:
            return entry.name, options.address
        if not options.address:
            return entry.name, _heard_address(entry, ha_cf or b"")
    known = "; ".join(f"{e.name} {', '.join(e.addresses)}" for e in usable) or "none"
    word = options.address or options.interface or "a network interface with an address"
    raise PairError(f"{word} is not on this machine; it has: {known}")


def _heard_address(entry: Interface, ha_cf: bytes) -> str:
    """Return the address that ha.cf's unicast lines give this node; else the interface's first."""
    named = {word for word in ha_cf.decode("latin-1").split() if word in entry.addresses}
    return next((a for a in entry.addresses if a in named), entry.addresses[0])


def _parsed_address(address: str) -> IPv4Address | IPv6Address:
    try:
        return ip_address(address)
    except ValueError as error:
        raise PairError(f"'{address}' is no address") from error


def _install(places: Places, files: dict[str, bytes], out: TextIO) -> None:
    try:
        places.etc.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            install_file(places.etc / name, content)
    except (StoreError, OSError) as error:
        raise PairError(str(error)) from error
    print(f"written: {', '.join(str(places.etc / name) for name in files)}", file=out)


def _start(places: Places, out: TextIO) -> None:
    words = folder_words(places)
    if str(places.run) != RUN_DEFAULT:
        words += ("--pidfile", str(places.run.absolute() / "heartbeat.pid"))
    node = Daemon(
        unit="everbeat",
        systemd_s=SYSTEMD_S,
        command="everbeat run",
        module="everbeat.daemons.keeper",
        words=words,
        output="everbeat.out",
    )
    try:
        start(places, node, out)
    except StartError as error:
        raise PairError(str(error)) from error


def _status(places: Places) -> StatusReply:
    try:
        return fetch_status(places)
    except IpcError as error:
        raise PairError(str(error)) from error


def _wait_alone(places: Places) -> None:
    def is_up() -> bool:
        membership = _membership(places)
        return membership is not None and membership.is_communication_up

    if not is_up_in_time(is_up, STARTED_S):
        raise PairError(f"everbeat has not started within {STARTED_S:.0f} s; its log says why")


def _wait_seen(places: Places, out: TextIO) -> None:
    """Wait until another node is seen; the command has done its work either way."""

    def is_seen() -> bool:
        membership = _membership(places)
        if membership is None or not membership.is_communication_up:
            return False
        live = [node.node for node in membership.peers() if node.status is NodeStatus.ACTIVE]
        if live:
            print(f"{membership.own} is in the cluster with {', '.join(live)}", file=out)
        return bool(live)

    if not is_up_in_time(is_seen, STARTED_S):
        print("no other node is seen yet: everbeat status shows it later", file=out)


def _membership(places: Places) -> MembershipView | None:
    """Return what this node knows of the nodes; None while it is starting."""
    try:
        return fetch_status(places).membership
    except IpcError:
        return None
