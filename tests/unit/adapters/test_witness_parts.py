from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from everbeat.adapters.witness_client import UNANSWERED_MAX, UNKNOWN_KEY, WitnessClient
from everbeat.adapters.witness_grants import read_grants, write_grants
from everbeat.adapters.witness_socket import Listening, StatusSocket, listening_from_word
from everbeat.daemons.witness import EXIT_BROKEN, WitnessOptions, serve
from everbeat.membership.witness import KeptGrant
from everbeat.model.cluster import WitnessPlace
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import NodeName
from everbeat.model.quorum import Want, WitnessAsk, WitnessReason, WitnessReply
from everbeat.node.witness_node import NOTICES_MAX, STRANGERS_MAX, Reply, WitnessNode
from everbeat.wire.witness import (
    OpenedAsk,
    WitnessKeyring,
    open_ask,
    seal_ask,
    seal_reply,
    witness_keys,
)
from everbeat.wire.witness_notice import notice_of

if TYPE_CHECKING:
    from pathlib import Path

KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"TopSecretKey"),))
ASK = WitnessAsk(
    node=NodeName("alpha"),
    generation=1,
    stamp_ms=5,
    nonce=6,
    about=NodeName("beta"),
    wants=Want.LEASE,
    lease_ms=500,
    dead_ms=1_000,
)
PRESENCE = replace(ASK, wants=Want.PRESENCE, generation=0, stamp_ms=0, nonce=0)
REPLY = WitnessReply(
    stamp_ms=5,
    nonce=6,
    wants=Want.LEASE,
    is_granted=True,
    holder=NodeName("alpha"),
    reason=WitnessReason.GRANTED,
)


def test_grants_come_back_as_they_were_kept_and_garbage_counts_as_none(tmp_path: Path) -> None:
    grants = (
        KeptGrant(node=NodeName("alpha"), dead_ms=1_000, about=(NodeName("be ta"),)),
        KeptGrant(node=NodeName("ü%"), dead_ms=2_000, about=()),
    )
    write_grants(tmp_path, "shop", grants)
    (tmp_path / "mail.grants").write_bytes(b"\xff\xfe alpha")
    (tmp_path / "post.grants").write_text("alpha soon beta\n")
    assert read_grants(tmp_path) == {"shop": grants}
    write_grants(tmp_path, "shop", ())
    assert read_grants(tmp_path) == {"shop": ()}


@pytest.mark.parametrize(
    ("word", "listening"),
    [
        ("", Listening("", 6_940)),
        (":7000", Listening("", 7_000)),
        ("192.0.2.1", Listening("192.0.2.1", 6_940)),
        ("192.0.2.1:7000", Listening("192.0.2.1", 7_000)),
        ("2001:db8::1", Listening("2001:db8::1", 6_940)),
        ("[2001:db8::1]:7000", Listening("2001:db8::1", 7_000)),
        ("[2001:db8::1]", Listening("2001:db8::1", 6_940)),
    ],
)
def test_where_to_listen_is_an_address_a_port_or_both(word: str, listening: Listening) -> None:
    assert listening_from_word(word) == listening


@pytest.mark.parametrize(
    "word", ["tie", "192.0.2.1:0", "192.0.2.1:x", "[::1", "[::1]7000", "1.2.3"]
)
def test_other_words_are_no_place_to_listen(word: str) -> None:
    assert listening_from_word(word) is None


def test_a_witness_keeps_no_grants_where_others_may_write(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "authkeys").write_text("auth 1\n1 sha1 TopSecretKey\n")
    (tmp_path / "authkeys").chmod(0o600)
    shared = tmp_path / "witness"
    shared.mkdir()
    shared.chmod(0o777)
    place = Listening("192.0.2.1", 6940)  # of nobody: it is not opened
    options = WitnessOptions(etc=tmp_path, state=shared, run=tmp_path / "run", listening=(place,))
    assert serve(options) == EXIT_BROKEN
    assert f"{shared}: others may write here" in capfd.readouterr().err


def test_what_lies_in_the_place_of_its_socket_keeps_no_witness_from_starting(
    tmp_path: Path,
) -> None:
    (tmp_path / "witness.sock").mkdir()
    (tmp_path / "witness.sock" / "file").touch()
    for _ in range(2):
        StatusSocket(tmp_path / "witness.sock").close()
    assert (tmp_path / "witness.sock.foreign.1" / "file").exists()
    assert not (tmp_path / "witness.sock").exists()


def test_a_question_reaches_the_witness_and_its_answer_comes_back() -> None:
    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as witness:
            witness.bind(("127.0.0.1", 0))
            witness.settimeout(5)
            place = WitnessPlace("127.0.0.1", witness.getsockname()[1])
            replies: asyncio.Queue[WitnessReply] = asyncio.Queue()
            troubles: list[str] = []
            heard: list[None] = []
            client = WitnessClient(
                place,
                KEYS,
                PRESENCE,
                on_reply=replies.put_nowait,
                on_trouble=troubles.append,
                on_heard=lambda: heard.append(None),
            )
            client.open()
            resolving = asyncio.ensure_future(client.keep_present())
            await asyncio.sleep(0)
            for _ in range(UNANSWERED_MAX - 1):
                client.ask(ASK)
            assert troubles == ["does not answer"]
            keyring = WitnessKeyring(witness_keys("shop", KEYS))
            data, source = witness.recvfrom(1_000)
            first = open_ask(data, keyring)
            assert isinstance(first, OpenedAsk)
            assert replace(first.ask, nonce=0) == PRESENCE
            data, source = witness.recvfrom(1_000)
            opened = open_ask(data, keyring)
            assert isinstance(opened, OpenedAsk)
            assert opened.ask == ASK
            witness.sendto(b"rubbish", source)
            recorded = replace(REPLY, nonce=REPLY.nonce + 1, stamp_ms=4)
            witness.sendto(seal_reply(recorded, opened.key), source)
            witness.sendto(seal_reply(REPLY, opened.key), source)
            assert await asyncio.wait_for(replies.get(), 5) == REPLY
            assert troubles == ["does not answer", ""]
            assert len(heard) == 1
            client.use_keys(AuthKeys(1, (AuthKey(1, "crc"),)))
            client.ask(ASK)
            assert "no secret" in troubles[-1]
            resolving.cancel()
            client.close()

    asyncio.run(run())


def test_a_key_that_the_witness_does_not_know_is_told_and_its_other_one_tried() -> None:
    former, newer = AuthKey(1, "sha1", b"FormerKey"), AuthKey(2, "sha1", b"NewerKey")
    node = WitnessNode(witness_keys("shop", AuthKeys(1, (former,))), {}, started_ms=0, life=1)

    def answer(witness: socket.socket) -> None:
        data, source = witness.recvfrom(1_000)
        for effect in node.on_datagram(data, "198.51.100.1", 60_000):
            if isinstance(effect, Reply):
                witness.sendto(effect.data, source)

    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as witness:
            witness.bind(("127.0.0.1", 0))
            witness.settimeout(5)
            troubles: asyncio.Queue[str] = asyncio.Queue()
            replies: asyncio.Queue[WitnessReply] = asyncio.Queue()
            heard = asyncio.Event()
            client = WitnessClient(
                WitnessPlace("127.0.0.1", witness.getsockname()[1]),
                AuthKeys(2, (former, newer)),
                PRESENCE,
                on_reply=replies.put_nowait,
                on_trouble=troubles.put_nowait,
                on_heard=heard.set,
            )
            client.open()
            looking = asyncio.ensure_future(client.keep_present())
            await asyncio.to_thread(answer, witness)  # the newer key is not known to it,
            await asyncio.to_thread(answer, witness)  # so it is asked with the former one
            await asyncio.wait_for(heard.wait(), 5)
            assert troubles.empty()
            client.use_keys(AuthKeys(2, (newer,)))
            client.ask(ASK)
            await asyncio.to_thread(answer, witness)
            assert await asyncio.wait_for(troubles.get(), 5) == UNKNOWN_KEY
            looking.cancel()
            client.close()

    asyncio.run(run())
    (stranger,) = node.strangers
    assert (stranger.source, stranger.count) == ("198.51.100.1", 2)


def test_strangers_are_counted_and_told_within_bounds() -> None:
    node = WitnessNode(witness_keys("shop", KEYS), {}, started_ms=0, life=1)
    (other,) = witness_keys("other", AuthKeys(1, (AuthKey(1, "sha1", b"OtherKey"),)))
    question = seal_ask(ASK, other)
    notices = 0
    for number in range(3 * STRANGERS_MAX):
        effects = node.on_datagram(question, f"198.51.100.{number}", 60_000)
        notices += sum(isinstance(effect, Reply) for effect in effects)
    assert notices == NOTICES_MAX
    assert len(node.strangers) == STRANGERS_MAX
    assert len(notice_of(question)) == len(question), "nobody is flooded by it"
