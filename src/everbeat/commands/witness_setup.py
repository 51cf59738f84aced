"""everbeat add witness, everbeat witness join: a third machine gets the keys, both nodes its name.

    node     add witness HOST ► token ► the machine calls ► authkeys ► it answers with them?
                                                             └► `witness HOST` in ha.cf of all nodes
    machine  witness join TOKEN ► authkeys ► installed ► the witness reads them, or is started

Said again it brings other keys: the file of this cluster, known by a secret that it shares, is
replaced, so that a cluster never goes by two names there.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from everbeat.adapters.config_files import load_configuration, read_config_file
from everbeat.adapters.configuration_store import parsed_with
from everbeat.adapters.file_store import StoreError, install_file, read_files
from everbeat.adapters.host_facts import RealHost
from everbeat.adapters.invitation_socket import talk_to_inviter
from everbeat.adapters.peer import signal_listener
from everbeat.adapters.witness_probe import Knows, ask_witness
from everbeat.commands.change import Manner, change_all
from everbeat.commands.core_request import fetch_status
from everbeat.commands.daemon_start import (
    Daemon,
    StartError,
    folder_words,
    is_up_in_time,
    start,
)
from everbeat.commands.distributing import bundle_of
from everbeat.commands.lines import printable
from everbeat.commands.pair import (
    CLUSTER_NAME,
    PairError,
    PairOptions,
    cipher_here,
    wait_for_caller,
)
from everbeat.commands.witness import WitnessNotRunning, fetch_witness_status
from everbeat.config.authkeys import read_authkeys
from everbeat.config.edits import with_line
from everbeat.config.files import bytes_from_text, text_from_bytes
from everbeat.config.quorum import witness_from_word
from everbeat.ipc.codec import IpcError
from everbeat.model.distribution import AUTHKEYS, HA_CF, Bundle, FileContent
from everbeat.model.names import node_name_from_text
from everbeat.node.witness_presence import presence_ask
from everbeat.wire.invitation import InvitationError, token_from_text
from everbeat.wire.witness import witness_keys

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from everbeat.adapters.invitation_socket import Talk
    from everbeat.commands.places import Places
    from everbeat.model.cluster import HaConfig, WitnessPlace
    from everbeat.model.keys import AuthKeys
    from everbeat.wire.witness import WitnessKey

UNIT: Final = "everbeat-witness"
SYSTEMD_S: Final = 30.0
STARTED_S: Final = 20.0
ANSWERS_S: Final = 5.0
"""How long a witness that has just read its keys may take to answer with them."""

_NO_THIRD_MACHINE: Final = frozenset({
    "witness-malformed", "witness-is-node", "witness-unfit", "witness-unresolvable",
})  # fmt: skip


def add_witness(places: Places, word: str, options: PairOptions, manner: Manner) -> int:
    """Bring this cluster's keys to a witness and name it in ha.cf. Raises PairError."""
    place = witness_from_word(word)
    if place is None:
        raise PairError(f"'{word}' is not HOST or HOST:PORT")
    config = load_configuration(places.etc).config
    if config is None:
        raise PairError(f"the configuration in {places.etc} is wrong: everbeat check says more")
    if len(config.nodes) != 2:
        raise PairError("a witness is the third voter of two nodes; three and more need none")
    if config.witness is not None and config.witness != place:
        raise PairError(f"ha.cf names the witness {config.witness.host}: delete that line first")

    _refuse_what_is_no_third(places, word)
    _key_for_witness(places, place)
    try:
        fetch_status(places)  # whoever joins, joins a cluster that runs
    except IpcError as error:
        raise PairError(str(error)) from error

    def hand_over(talk: Talk, asked: dict[str, Any]) -> None:  # Any: JSON
        if "witness" not in asked:
            raise PairError("this token is for a witness: write there everbeat witness join TOKEN")
        name = node_name_from_text(str(asked["witness"]))
        if name in config.nodes:
            raise PairError(f"{name} is a node of this cluster: a witness is a third machine")
        keys = read_files(places.etc)[AUTHKEYS] or b""
        talk.say({"cluster": config.cluster, "authkeys": keys.decode("latin-1")})
        talk.hear()
        print(f"{printable(name)} has the keys", file=manner.out, flush=True)

    wait_for_caller(places, "witness join", options, hand_over, manner.out)
    _see_that_it_answers(place, _key_for_witness(places, place), config)
    if config.witness is not None:
        print(f"the witness {place.host} answers", file=manner.out)
        return 0
    former = read_files(places.etc)
    bundle = bundle_of({HA_CF: _with_witness(former[HA_CF] or b"", word)}, former)
    try:
        return change_all(places, bundle, manner)
    except IpcError as error:
        raise PairError(str(error)) from error


def _with_witness(ha_cf: bytes, word: str) -> bytes:
    return bytes_from_text(with_line(text_from_bytes(ha_cf), f"witness {word}"))


def _refuse_what_is_no_third(places: Places, word: str) -> None:
    """Raise PairError, before anybody is invited, if a report says that nobody can be asked there.

    A name without an address is a warning in ha.cf, for a name server may be down at a start. Here
    it would only be said after the token has been used.
    """
    bundle = Bundle(
        (FileContent(HA_CF, _with_witness(read_files(places.etc)[HA_CF] or b"", word)),)
    )
    host = RealHost(places.etc, is_thorough=True)
    reports = parsed_with(places.etc, bundle, host).reports
    found = [report for report in reports if report.code in _NO_THIRD_MACHINE]
    if found:
        report = max(found, key=lambda report: report.severity)
        raise PairError(f"{report.summary.removeprefix('witness: ')}; write: {report.remedy}")


def _key_for_witness(places: Places, place: WitnessPlace) -> WitnessKey:
    """Return the key that the witness will be asked with. Raises PairError."""
    keys, reports = read_authkeys(read_config_file(places.etc / AUTHKEYS))
    if keys is None:
        raise PairError(f"{reports[0].summary}; everbeat check says more")
    usable = witness_keys(place.host, keys)
    if not usable:
        raise PairError("authkeys has no secret: a witness could not tell who asks")
    return usable[0]


def _see_that_it_answers(place: WitnessPlace, key: WitnessKey, config: HaConfig) -> None:
    end_s = time.monotonic() + ANSWERS_S
    while (knows := ask_witness(place, key, presence_ask(config))) is not Knows.YES:
        if time.monotonic() >= end_s:
            break
    match knows:
        case Knows.YES:
            return
        case Knows.NO:
            raise PairError(f"{place.host} does not know our key: is it the machine that joined?")
        case Knows.SILENT:
            raise PairError(
                f"{place.host} does not answer at UDP port {place.port}; everbeat witness --status "
                "there says more; a firewall on the way?"
            )


def join_as_witness(places: Places, word: str, out: TextIO) -> None:
    """Get a cluster's keys and serve it as witness. Raises PairError."""
    try:
        token = token_from_text(word)
        with closing(talk_to_inviter(token, cipher_here())) as talk:
            talk.say({"witness": os.uname().nodename})
            told = talk.hear()
            keys = told.get("authkeys")
            if not isinstance(keys, str):
                raise PairError("this token is for a node: write everbeat join TOKEN")
            try:
                path = _install(places, str(told.get("cluster")), keys)
                print(f"written: {path}", file=out)
                serve_here(places, out)
            except PairError as error:
                talk.say({"error": str(error)})
                raise
            talk.say({"ok": True})
    except InvitationError as error:
        raise PairError(str(error)) from error


def _install(places: Places, cluster: str, text: str) -> Path:
    """Write the keys to the file of this cluster; return which it is."""
    folder = places.etc / "witness.d"
    name = cluster if CLUSTER_NAME.fullmatch(cluster) else "cluster"
    path = folder / f"{name}.authkeys"
    content = text.encode("latin-1", "replace")  # what was no byte makes a file that is refused
    known = [places.etc / AUTHKEYS, *sorted(folder.glob("*.authkeys"))]
    secrets = {key: file for file in known for key in _secrets(file)}
    received = folder / AUTHKEYS  # a name that no cluster's file has, and mode 600
    try:
        folder.mkdir(parents=True, exist_ok=True)
        received.unlink(missing_ok=True)
        install_file(received, content)
        if not _secrets(received):
            received.unlink()
            raise PairError("the cluster has sent no keys that a witness can use")
        ours = [secrets[secret] for secret in _secrets(received) if secret in secrets]
        if not ours and path.exists():
            received.unlink()
            raise PairError(f"{path} belongs to another cluster of that name: move it away")
        target = ours[0] if ours else path
        received.replace(target)
    except (StoreError, OSError) as error:
        raise PairError(str(error)) from error
    return target


def _secrets(path: Path) -> set[bytes]:
    keys: AuthKeys | None
    keys, _ = read_authkeys(read_config_file(path))
    return {key.secret for key in keys.keys if key.secret} if keys is not None else set()


def serve_here(places: Places, out: TextIO) -> None:
    """Have the witness that runs here read its keys again, or start one. Raises PairError."""
    path = places.run / "witness.sock"
    try:
        is_running = signal_listener(path, signal.SIGHUP)
    except OSError as error:
        raise PairError(f"{path}: {error.strerror or error}") from error
    if is_running:
        print("the witness that runs here reads its keys again", file=out, flush=True)
        return
    witness = Daemon(
        unit=UNIT,
        systemd_s=SYSTEMD_S,
        command="everbeat witness",
        module="everbeat.daemons.witness",
        words=folder_words(places, places.state / "witness"),
        output="witness.out",
    )
    try:
        start(places, witness, out)
    except StartError as error:
        raise PairError(str(error)) from error
    if not is_up_in_time(lambda: _answers(places), STARTED_S):
        raise PairError(f"the witness has not started within {STARTED_S:.0f} s; its log says why")


def _answers(places: Places) -> bool:
    try:
        fetch_witness_status(places.run)
    except WitnessNotRunning:
        return False
    return True
