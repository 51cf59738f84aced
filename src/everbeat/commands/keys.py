"""everbeat keys: new ones on this machine, other ones on all nodes without a gap."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.adapters.file_store import StoreError, install_file, read_files
from everbeat.config.edits import free_number, key_text
from everbeat.model.distribution import AUTHKEYS
from everbeat.model.keys import AuthKey, AuthKeys

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from everbeat.commands.change import Manner
    from everbeat.commands.places import Places

SECRET_BYTES: Final = {"aes-siv": 32, "sha256": 32, "sha1": 20}
_WHO: Final = {
    "aes-siv": "everbeat nodes only: everything they say is encrypted",
    "sha256": "everbeat nodes only: signed, not encrypted",
    "sha1": "everbeat and Heartbeat 3.0.6: signed, not encrypted",
}


def new_secret(method: str) -> bytes:
    """Return a random secret as authkeys may hold it: hexadecimal digits."""
    return secrets.token_hex(SECRET_BYTES[method]).encode()


def new_keys(method: str) -> AuthKeys:
    """Return one new key that signs."""
    return AuthKeys(1, (AuthKey(1, method, new_secret(method)),))


def write_new_keys(etc: Path, method: str, out: TextIO, err: TextIO, *, is_forced: bool) -> int:
    """Write ETC/authkeys; return the exit code."""
    path = etc / AUTHKEYS
    if path.exists() and not is_forced:
        print(f"everbeat keys new: {path} exists and is left as it is", file=err)
        print("write: everbeat keys rotate (new keys on all nodes, without a gap)", file=err)
        print("   or: everbeat keys new --force (the former file becomes authkeys.bak)", file=err)
        return 1
    try:
        etc.mkdir(parents=True, exist_ok=True)
        install_file(path, key_text(new_keys(method)).encode())
    except (StoreError, OSError) as error:
        print(f"everbeat keys new: {error}", file=err)
        return 1
    print(f"{path}: a new key, mode 600, {method} ({_WHO[method]})", file=out)
    print("every node needs the same file: everbeat init and join do that for you", file=out)
    return 0


def rotate(places: Places, method: str, manner: Manner) -> int:
    """Have all nodes sign with a new key, in three steps each confirmed by all.

    1 accepted everywhere, 2 signed with everywhere, 3 the old ones removed. At any point every
    node accepts what every other one signs with, so an interruption harms nothing: the next
    rotation begins with what is there. A witness is asked with an old key until it has the new
    one; so the third step waits for that (`finish`).
    """
    former = read_files(places.etc)[AUTHKEYS]
    keys = _keys_here(places, manner)
    if keys is None:
        return 1
    number = free_number(keys)
    signing = keys.key(keys.signing)
    if number is None or signing is None:
        text = "authkeys is full: everbeat keys rotate --finish removes what nobody signs with"
        print(f"everbeat keys rotate: {text}", file=manner.err)
        return 1
    chosen = method or (signing.method if signing.method in SECRET_BYTES else "aes-siv")
    new = AuthKey(number, chosen, new_secret(chosen))
    both = replace(keys, keys=(*keys.keys, new))
    steps = (
        (f"1/3 key {number} ({chosen}) is accepted", both),
        (f"2/3 key {number} signs", replace(both, signing=number)),
    )
    for text, step in steps:
        code = _step(places, text, step, former, manner)
        if code:
            return code
        former = key_text(step).encode()
    return _drop_old(places, replace(both, signing=number), former, manner)


def finish(places: Places, manner: Manner) -> int:
    """Remove the keys that nobody signs with: the last step of a rotation; return the exit code."""
    former = read_files(places.etc)[AUTHKEYS]
    keys = _keys_here(places, manner)
    if keys is None:
        return 1
    if len(keys.keys) == 1:
        print("there is one key only: nothing is left to do", file=manner.out)
        return 0
    return _drop_old(places, keys, former, manner)


def _keys_here(places: Places, manner: Manner) -> AuthKeys | None:
    """Return this node's keys; None if they cannot be used, which is told."""
    from everbeat.adapters.config_files import read_config_file  # noqa: PLC0415 - help is faster without
    from everbeat.config.authkeys import read_authkeys  # noqa: PLC0415 - same

    keys, reports = read_authkeys(read_config_file(places.etc / AUTHKEYS))
    if keys is None:
        text = f"{reports[0].summary}; everbeat check says more"
        print(f"everbeat keys rotate: {text}", file=manner.err)
    return keys


def _drop_old(places: Places, keys: AuthKeys, former: bytes | None, manner: Manner) -> int:
    signing = keys.key(keys.signing)
    assert signing is not None
    why = "" if manner.is_forced else _witness_lacks(places, signing)
    if why:
        print(f"{why}.\nThe old keys stay until it has it: it is asked with them.", file=manner.err)
        print("next: everbeat add witness HOST; what it prints, on the witness;", file=manner.err)
        print("      then everbeat keys rotate --finish", file=manner.err)
        return 1
    left = AuthKeys(signing.number, (signing,))
    return _step(places, "3/3 the old keys are gone", left, former, manner)


def _witness_lacks(places: Places, key: AuthKey) -> str:
    """Say that the witness of this cluster, if it has one, may not know a key; or nothing."""
    from everbeat.adapters.config_files import load_configuration  # noqa: PLC0415 - help is faster without
    from everbeat.adapters.witness_probe import Knows, ask_witness  # noqa: PLC0415 - same
    from everbeat.model.cluster import Quorum  # noqa: PLC0415 - same
    from everbeat.node.witness_presence import presence_ask  # noqa: PLC0415 - same
    from everbeat.wire.witness import witness_keys  # noqa: PLC0415 - same

    config = load_configuration(places.etc).config
    if config is None or config.witness is None or config.quorum is not Quorum.WITNESS:
        return ""
    host = config.witness.host
    usable = witness_keys(host, AuthKeys(key.number, (key,)))
    knows = ask_witness(config.witness, usable[0], presence_ask(config)) if usable else Knows.NO
    match knows:
        case Knows.YES:
            return ""
        case Knows.NO:
            return f"the witness {host} does not know key {key.number} yet"
        case Knows.SILENT:
            return f"the witness {host} does not answer: whether it has key {key.number} is unknown"


def _step(places: Places, text: str, keys: AuthKeys, former: bytes | None, manner: Manner) -> int:
    """Have all nodes use these keys in the place of `former`; return the exit code.

    Another rotation that came between is refused: it would sign with what nobody accepts yet.
    """
    from everbeat.commands.change import distribute_heard  # noqa: PLC0415 - help is faster without
    from everbeat.commands.distributing import bundle_of, tell  # noqa: PLC0415 - same
    from everbeat.ipc.codec import IpcError  # noqa: PLC0415 - same

    print(f"{text} …", file=manner.out, flush=True)
    try:
        bundle = bundle_of({AUTHKEYS: key_text(keys).encode()}, {AUTHKEYS: former})
        reply = distribute_heard(places, bundle, manner)
    except IpcError as error:
        print(f"everbeat keys rotate: {error}", file=manner.err)
        return 1
    code = tell(reply, manner.out, manner.err)
    if code:
        text = "the nodes go on with the keys they have; rotate again when they agree"
        print(text, file=manner.err)
    return code
