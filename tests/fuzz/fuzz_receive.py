"""Throw broken and nonsensical datagrams at a link node and count what comes of them.

    python tests/fuzz/fuzz_receive.py --inputs 1000000 --seed 1

Half of the inputs are captured datagrams, mutated; half are well sealed messages of known nodes
with nonsense in their fields. Laws checked for each: no exception; what is not authentic changes
neither the view nor anything sent; effects stay few; folding the facts gives the view.
Ends with a traceback that names seed, number and bytes at the first breach.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

sys.path[:0] = [
    str(Path(__file__).parents[1]),
    str(Path(__file__).parents[2] / "src"),
]

# ruff: noqa: E402, S311 - the path must be set first for a run from the command line; repeatable
from everbeat.membership.outbound import RESENT_PER_REQUEST_MAX
from everbeat.model.cluster import Autojoin, HaConfig, Medium, MediumKind
from everbeat.model.members import MembershipView
from everbeat.model.membership import Broadcast, PacketsRejected, RaiseGeneration, fold
from everbeat.model.message import Field, FieldType, Message, message_of
from everbeat.model.names import LinkName, NodeName
from everbeat.node.link_node import (
    Identity,
    LinkEffect,
    LinkNode,
    PersistGeneration,
    ReserveSequence,
    Transmit,
)
from everbeat.wire.datagram import Rejected, open_datagram, open_string, seal, seal_string
from everbeat.wire.errors import WireError
from fuzz.mutator import KEYS, Mutator, captured_datagrams

if TYPE_CHECKING:
    from collections.abc import Iterator

EFFECTS_MAX: Final = 2_000
"""More effects than this from one input would be an amplifier (a full list of requests: 500)."""

TICKS_MAX: Final = 3
"""One tick may shorten a limit (communication is up) that the next one finds exceeded."""

NODE_LIFE: Final = 1_000
"""A node that has believed an absurd generation or number is of little use afterwards."""

MEDIA: Final = (
    Medium(kind=MediumKind.BCAST, link=LinkName("eth0"), interface="eth0"),
    Medium(kind=MediumKind.SERIAL, link=LinkName("/dev/ttyS0"), device="/dev/ttyS0"),
    Medium(kind=MediumKind.SERIAL, link=LinkName("/dev/ttyS1"), device="/dev/ttyS1"),
    Medium(kind=MediumKind.PING, link=LinkName("10.77.0.100"), hosts=("10.77.0.100",)),
)
TYPES: Final = (
    *("status",) * 6,
    *("NS_ackmsg", "NS_rexmit", "NS_rexmit", "NS_nak_rexmit", "NS_st", "NS_other"),
    *("reqnodes", "repnodes", "addnode", "delnode", "setweight", "setsite", "hbapi-clstat"),
    *("starting", "resource", "shutdone", "", "x" * 200, "\xff\n"),
)
NAMES: Final = ("alpha", "beta", "gamma", "ALPHA", "stranger", "10.77.0.100", "x" * 120, "", "a b")
NUMBERS: Final = (
    *("0", "1", "2", "9", "a", "10", "fa", "1f4", "ffffffff", "7fffffffffffffff"),
    *("ffffffffffffffff", "10000000000000000", "-1", "+1", "0x1", "1_0", "", " 1", "x", "\u00b2"),
)
WORDS: Final = (
    *("init", "up", "active", "dead", "ping", "", "alpha beta ", "delta ", "a " * 300),
    *("join", "leave", "local", "\n", "\x00", "z" * 3000),
)
HEADER: Final = ("src", "ts", "hg", "seq", "ttl", "t")
OTHERS: Final = (
    *("st", "dt", "protocol", "dest", "ackseq", "firstseq", "lastseq", "nodelist"),
    *("delnodelist", "node", "weight", "site", "info", "ld"),
)


class Crafter:
    """Well sealed messages whose fields make little sense, mostly from nodes we know."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._seq = Counter[str]()
        self._generation = Counter[str]()

    def message(self) -> Message:
        pick = self._random.choice
        source = pick(("alpha", "beta", "beta", "beta", "gamma", "stranger"))
        self._seq[source] += pick((0, 1, 1, 1, 1, 2, 5, 100, 251, -3))
        if self._random.randrange(60) == 0:
            self._generation[source] += pick((1, 1, -1))
        values = {
            "t": pick(TYPES),
            "src": source,
            "seq": f"{max(self._seq[source], 0):x}",
            "hg": f"{100 + self._generation[source]:x}",
            "ts": "6b02fccb",
            "ttl": pick(("3", "1", "0", "99999")),
        }
        for name in OTHERS:
            if self._random.randrange(3) == 0:
                values[name] = pick(NUMBERS if self._random.randrange(2) else WORDS)
        if self._random.randrange(2):
            values["dest"] = pick(("gamma", "gamma", "alpha", "nobody"))
        if self._random.randrange(8) == 0:
            values[pick(HEADER)] = pick(NUMBERS if self._random.randrange(2) else NAMES)
        if self._random.randrange(20) == 0:
            values.pop(pick(HEADER), None)
        if values.get("t") == "status" and self._random.randrange(4):
            values |= {"st": pick(("init", "up", "active", "active")), "protocol": "1"}
        fields = [Field(FieldType.STRING, name, value) for name, value in values.items()]
        uuid = pick((source.encode().ljust(16, b"\1"), self._random.randbytes(16), b"", b"short"))
        if self._random.randrange(2):
            fields.append(Field(FieldType.BINARY, "srcuuid", uuid))
        if self._random.randrange(6) == 0:
            fields.append(Field(FieldType.BINARY, "destuuid", pick((bytes(16), uuid))))
        return Message(fields)

    def datagram(self) -> bytes:
        while True:
            try:
                message = self.message()
                return (seal_string if self._random.randrange(4) == 0 else seal)(message, KEYS)
            except WireError:
                continue


class Victim:
    """A link node that is fed, and the laws it must keep."""

    def __init__(self, random: Random) -> None:
        names = tuple(NodeName(name) for name in ("alpha", "beta", "gamma"))
        config = HaConfig(
            node=NodeName("gamma"),
            nodes=names,
            media=MEDIA,
            autojoin=random.choice((Autojoin.NONE, Autojoin.OTHER)),
        )
        identity = Identity(uuid=b"gamma".ljust(16, b"\1"), generation=100)
        self._random = random
        self._now_ms = 1_000_000
        self._node = LinkNode(config, KEYS, identity, random)
        self._folded = MembershipView(config.node)
        self._node.on_surroundings(1_700_000_000, "0.1")
        self._take(self._node.on_start(self._now_ms))

    def receive(self, data: bytes) -> str:
        self._let_time_pass()
        medium = self._random.choice((0, 0, 0, 0, 1, 3))
        opened = (open_string if medium == 1 else open_datagram)(data, KEYS)
        before = self._node.view()
        effects = self._node.on_datagram(medium, data, "198.51.100.1", self._now_ms)
        self._take(effects)
        if not isinstance(opened, Rejected):
            rejected = [e.reason for e in effects if isinstance(e, PacketsRejected)]
            kind = opened.message.type[:12]
            return f"dropped {rejected[0]}" if rejected else f"taken {kind!a}"
        assert self._node.view() == before, "an unauthentic datagram changed the view"
        assert all(isinstance(e, PacketsRejected) for e in effects), effects
        return f"rejected {opened.reason}"

    def _let_time_pass(self) -> None:
        lot = self._random.randrange(1000)
        self._now_ms += self._random.choice((0, 0, 1, 3))
        if lot == 0:
            self._now_ms += 40_000
        elif lot < 20:
            order = Broadcast(message_of(t="test", n="1"))
            self._take(self._node.on_order(order, self._now_ms))
        elif lot == 20:
            self._take(self._node.on_order(RaiseGeneration(), self._now_ms))
        for _ in range(TICKS_MAX):
            wakeup_ms = self._node.next_wakeup_ms()
            assert wakeup_ms is not None
            if wakeup_ms > self._now_ms:
                return
            self._take(self._node.on_tick(self._now_ms))
        raise AssertionError("ticks do not move the next wake-up on")

    def _take(self, effects: list[LinkEffect]) -> None:
        assert len(effects) <= EFFECTS_MAX, len(effects)
        for effect in effects:
            if not isinstance(effect, Transmit | PersistGeneration | ReserveSequence):
                self._folded = fold(self._folded, effect)
        assert self._folded == self._node.view()


def inputs_of(random: Random, count: int) -> Iterator[bytes]:
    """Yield mutated captures and crafted messages in turn."""
    crafter = Crafter(random)
    mutated = Mutator(captured_datagrams(), KEYS, random).datagrams(count)
    for number, data in enumerate(mutated):
        yield crafter.datagram() if number % 2 else data


def fuzz(inputs: int, seed: int) -> Counter[str]:
    """Feed a fresh link node every NODE_LIFE inputs; return how often each outcome came."""
    assert RESENT_PER_REQUEST_MAX < EFFECTS_MAX
    random = Random(seed)
    outcomes: Counter[str] = Counter()
    victim = Victim(random)
    for number, data in enumerate(inputs_of(random, inputs)):
        if number % NODE_LIFE == 0:
            victim = Victim(random)
        try:
            outcomes[victim.receive(data)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed} input {number}: {data!r}")
            raise
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    outcomes = fuzz(options.inputs, options.seed)
    seconds = time.monotonic() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.inputs} inputs, seed {options.seed}, {seconds:.1f} s, peak {peak_mib:.0f} MiB")
    for outcome, count in outcomes.most_common(60):
        print(f"{count:9d} {outcome}")


if __name__ == "__main__":
    main()
