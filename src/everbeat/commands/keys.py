"""everbeat keys: new ones on this machine, other ones on all nodes without a gap."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from everbeat.adapters.file_store import StoreError, install_file
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
    rotation begins with what is there.
    """
    from everbeat.adapters.config_files import read_config_file  # noqa: PLC0415 - help is faster without
    from everbeat.commands.change import distribute_heard  # noqa: PLC0415 - same
    from everbeat.commands.distributing import bundle_of, tell  # noqa: PLC0415 - same
    from everbeat.config.authkeys import read_authkeys  # noqa: PLC0415 - same
    from everbeat.ipc.codec import IpcError  # noqa: PLC0415 - same

    out, err = manner.out, manner.err
    keys, reports = read_authkeys(read_config_file(places.etc / AUTHKEYS))
    if keys is None:
        print(f"everbeat keys rotate: {reports[0].summary}; everbeat check says more", file=err)
        return 1
    number = free_number(keys)
    signing = keys.key(keys.signing)
    if number is None or signing is None:
        text = "authkeys is full: delete a key that nobody signs with, then everbeat reload --all"
        print(f"everbeat keys rotate: {text}", file=err)
        return 1
    chosen = method or (signing.method if signing.method in SECRET_BYTES else "aes-siv")
    new = AuthKey(number, chosen, new_secret(chosen))
    both = replace(keys, keys=(*keys.keys, new))
    steps = (
        (f"1/3 key {number} ({chosen}) is accepted", both),
        (f"2/3 key {number} signs", replace(both, signing=number)),
        ("3/3 the old keys are gone", AuthKeys(number, (new,))),
    )
    for text, step in steps:
        print(f"{text} …", file=out, flush=True)
        try:
            bundle = bundle_of(places, {AUTHKEYS: key_text(step).encode()})
            reply = distribute_heard(places, bundle, manner)
        except IpcError as error:
            print(f"everbeat keys rotate: {error}", file=err)
            return 1
        code = tell(reply, out, err)
        if code:
            print("the nodes go on with the keys they have; rotate again when they agree", file=err)
            return code
    return 0
