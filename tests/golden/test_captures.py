"""What real Heartbeat 3.0.6 nodes sent decodes, verifies and comes out again byte for byte.

A few dozen captured datagrams live beside this file. All captures (some 3200 datagrams) are
read from the facts folder beside the repository, if there is one.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path

import pytest

from everbeat.model.keys import AuthKeys
from everbeat.wire.client_frame import FrameSplitter, encode_frame
from everbeat.wire.datagram import (
    Form,
    Opened,
    Rejected,
    open_datagram,
    open_string,
    seal,
    seal_string,
)
from everbeat.wire.identity import (
    generation_from_bytes,
    generation_text,
    uuid_from_bytes,
    uuid_from_node_name,
    uuid_from_text,
    uuid_text,
)
from everbeat.wire.netstring import decode_netstring
from everbeat.wire.packing import ALGORITHM_FIELD
from everbeat.wire.stream import StreamSplitter
from golden.keyfiles import read_keys
from golden.pcap import read_datagrams

OWN = Path(__file__).parent / "captures"
SHARED = Path(os.environ.get("EVERBEAT_SHARED", Path(__file__).parents[3] / "shared"))
ALL = SHARED / "heartbeat" / "captures"

needs_facts = pytest.mark.skipif(
    not ALL.is_dir(), reason=f"the folder of captures {ALL} is not here"
)

EXAMPLE = read_keys(OWN / "authkeys.example")
SECRET = read_keys(OWN / "authkeys.secret")
WITH_SECRET = {"autojoin-any", "autojoin-none", "autojoin-other", "split-heal"}

DATAGRAMS = {
    "autojoin-any": 93,
    "autojoin-none": 75,
    "autojoin-other": 90,
    "classic-crc-lifecycle": 163,
    "classic-md5-lifecycle": 161,
    "classic-sha1-lifecycle": 161,
    "compress-bz2-trad": 27,
    "compress-zlib-default": 36,
    "compress-zlib-trad": 35,
    "media-bcast-port": 46,
    "media-mcast": 46,
    "media-mcast6": 44,
    "media-two-links": 43,
    "media-ucast": 67,
    "media-ucast6": 37,
    "netstring-sha1-lifecycle": 707,
    "ping": 119 + 320,  # the rest are echoes
    "rexmit": 272,
    "speaker": 479,
    "split-heal": 207,
    "uuidfrom-nodename": 7,
}
DELIBERATELY_BAD = {
    "rexmit": Counter({"no-auth": 1, "malformed": 3}),  # junk thrown at a node
    "speaker": Counter({"bad-digest": 11}),  # a wrong secret
}


def keys_of(capture: str) -> AuthKeys:
    return SECRET if capture in WITH_SECRET else EXAMPLE


def sealed_again(opened: Opened, original: bytes, keys: AuthKeys) -> bytes:
    """Seal the way the original was: its key, its form, its compression, its inner auth."""
    same_key = AuthKeys(opened.key_number, keys.keys)
    if opened.form is Form.STRING:
        return seal_string(opened.message, same_key)
    outer, _ = decode_netstring(original)
    has_inner_auth = outer.text("auth") is not None or opened.is_compressed
    return seal(
        opened.message,
        same_key,
        msgfmt="classic" if has_inner_auth else "netstring",
        compression=outer.text(ALGORITHM_FIELD) or "",
        is_traditional=opened.is_compressed,
    )


@needs_facts
@pytest.mark.parametrize("capture", sorted(DATAGRAMS))
def test_every_captured_datagram_opens_and_is_sealed_to_the_same_bytes(capture: str) -> None:
    keys = keys_of(capture)
    datagrams = list(read_datagrams(ALL / f"{capture}.pcap"))
    rejected: Counter[str] = Counter()
    for datagram in datagrams:
        opened = open_datagram(datagram.payload, keys)
        if isinstance(opened, Rejected):
            rejected[opened.reason] += 1
        else:
            assert sealed_again(opened, datagram.payload, keys) == datagram.payload
    assert len(datagrams) == DATAGRAMS[capture]
    assert rejected == DELIBERATELY_BAD.get(capture, Counter())


@needs_facts
def test_every_capture_is_known_here() -> None:
    assert sorted(path.stem for path in ALL.glob("*.pcap")) == sorted(DATAGRAMS)


@needs_facts
@pytest.mark.parametrize("kind", ["hb_uuid", "hb_generation"])
def test_every_captured_state_file_is_read_and_written_alike(kind: str) -> None:
    contents = [path.read_bytes() for path in sorted(ALL.glob(f"*.{kind}.bin"))]
    assert len(contents) == 6
    for content in contents:
        assert state_file_again(kind, content) == content


def state_file_again(kind: str, content: bytes) -> bytes:
    if kind == "hb_uuid":
        return uuid_from_text(uuid_text(uuid_from_bytes(content)))
    return generation_text(generation_from_bytes(content))


@needs_facts
def test_frames_of_the_client_api_are_read_and_written_alike() -> None:
    frames = [frame for path in sorted((ALL / "api").glob("*.strace.txt")) for frame in calls(path)]
    assert len(frames) >= 50
    assert_frames(frames)


def test_frames_of_the_client_api_kept_here_are_read_and_written_alike() -> None:
    frames = [frame for path in sorted(OWN.glob("*.strace.txt")) for frame in calls(path)]
    assert len(frames) >= 10
    assert_frames(frames)


def calls(strace: Path) -> list[bytes]:
    """Return the data of each send and receive on the API socket (strace shows C strings)."""
    texts = re.findall(r'(?:sendto|recvfrom)\(3, "((?:[^"\\]|\\.)*)"', strace.read_text())
    data = [text.encode().decode("unicode_escape").encode("latin-1") for text in texts]
    return [piece for piece in data if piece]


def assert_frames(pieces: list[bytes]) -> None:
    for piece in pieces:
        assert b"".join(encode_frame(message) for message in FrameSplitter().feed(piece)) == piece


def own_dumps() -> list[Path]:
    others = ("serial-", "compress-")
    return [
        path
        for path in sorted(OWN.glob("*.bin"))
        if not path.name.startswith(others) and ".hb_" not in path.name
    ]


@pytest.mark.parametrize("dump", own_dumps(), ids=lambda path: path.stem)
def test_a_kept_datagram_opens_and_is_sealed_to_the_same_bytes(dump: Path) -> None:
    data = dump.read_bytes()
    opened = open_datagram(data, EXAMPLE)
    if dump.stem == "rexmit-foo":
        assert opened == Rejected("no-auth")
    else:
        assert isinstance(opened, Opened)
        assert sealed_again(opened, data, EXAMPLE) == data


@pytest.mark.parametrize("name", ["compress-bz2-trad", "compress-zlib-trad"])
def test_a_kept_compressed_datagram_is_compressed_to_the_same_bytes(name: str) -> None:
    data = (OWN / f"{name}.bin").read_bytes()
    opened = open_datagram(data, EXAMPLE)
    assert isinstance(opened, Opened)
    assert opened.is_compressed
    assert opened.message.type == "mytest"
    assert sealed_again(opened, data, EXAMPLE) == data


def test_without_traditional_compression_a_long_message_travels_as_it_is() -> None:
    data = (OWN / "compress-zlib-default.bin").read_bytes()
    opened = open_datagram(data, EXAMPLE)
    assert isinstance(opened, Opened)
    assert not opened.is_compressed
    assert seal(opened.message, EXAMPLE, compression="zlib") == data


@pytest.mark.parametrize(
    ("name", "dropped"),
    [
        ("serial-alpha-to-beta", 0),
        ("serial-beta-to-alpha", 650),  # the first three had CR LF: the line was not raw yet
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 64, 100_000])
def test_a_captured_serial_stream_is_cut_into_messages(name: str, dropped: int, piece: int) -> None:
    data = (OWN / f"{name}.bin").read_bytes()
    splitter = StreamSplitter()
    messages = [
        message
        for start in range(0, len(data), piece)
        for message in splitter.feed(data[start : start + piece])
    ]
    assert len(messages) == 32
    assert splitter.dropped_bytes == dropped
    for message in messages:
        opened = open_string(message, EXAMPLE)
        assert isinstance(opened, Opened)
        assert seal_string(opened.message, EXAMPLE) == message


def test_kept_state_files_are_read_and_written_alike() -> None:
    for kind in ("hb_uuid", "hb_generation"):
        for path in sorted(OWN.glob(f"*.{kind}.bin")):
            assert state_file_again(kind, path.read_bytes()) == path.read_bytes()


@pytest.mark.parametrize(
    ("name", "uuid"),
    [
        ("alpha", "cc301fda-9190-a843-de51-a987ec340ccc"),
        ("beta", "bf4514df-59e5-20af-3817-c93be31e6e01"),
    ],
)
def test_the_uuid_from_a_node_name_is_the_peers(name: str, uuid: str) -> None:
    assert uuid_text(uuid_from_node_name(name)) == uuid


@needs_facts
def test_the_uuid_from_a_node_name_is_seen_on_the_wire() -> None:
    seen = set()
    for datagram in read_datagrams(ALL / "uuidfrom-nodename.pcap"):
        opened = open_datagram(datagram.payload, EXAMPLE)
        assert isinstance(opened, Opened)
        seen.add((opened.message.text("src"), opened.message.binary("srcuuid")))
    assert seen
    assert all(uuid_from_node_name(name or "") == uuid for name, uuid in seen)
