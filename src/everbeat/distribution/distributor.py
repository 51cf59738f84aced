"""Files to all nodes in two phases: every node has agreed before any node changes anything.

    asking   IDLE ──eb_offer──► OFFERED ──all agree──► eb_commit ► COMMITTED ──all done──► told
                                   '──one refuses, or ANSWER_MS are over──► eb_abort ► told
    asked    eb_offer ► check with this machine's facts ► eb_answer
             eb_commit ► install, use ► eb_done            eb_abort, or KEPT_MS: forget

A node that asks is asked like all the others: its own messages come back to it. At most one
distribution is asked for by a node, and at most one offer is kept, at a time. A node that dies
between its answer and the end is named; saying everything again is harmless.

Nothing that is recorded counts: an answer that agrees carries a challenge, drawn for it, and only
the commit that says it back is taken. A commit has a version, above that of every node that agreed;
each node keeps on its disk the version of the files it was given last, and takes none below it.
Nor does a node that has older files than another distribute its own.

New files may bring a new link process, which knows nothing of messages that were under way: until
all are done eb_commit is said again every SAY_AGAIN_MS, and answered again.

In:  requests, messages, answers of the shell (on_checked, on_installed), time.
Out: Broadcast, CheckFiles, InstallFiles; Distributed once for each request that was taken.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.config.doubts import doubts
from everbeat.distribution.bundle import (
    BundleError,
    opened,
    packed_reports,
    sealed,
    unpacked_reports,
)
from everbeat.model.distribution import (
    Bundle,
    CheckFiles,
    Distributed,
    Fate,
    InstallFiles,
    NodeOutcome,
)
from everbeat.model.membership import Broadcast
from everbeat.model.message import Field, FieldType, message_of
from everbeat.model.names import NodeName, node_name_from_text
from everbeat.model.reports import Severity
from everbeat.model.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from everbeat.model.keys import AuthKeys
    from everbeat.model.message import Message
    from everbeat.model.reports import Report
    from everbeat.ports.chance import Random
    from everbeat.ports.cipher import Cipher

NODES_MAX: Final = 100
"""As many as a cluster may have; more challenges in a commit are not read."""

ANSWER_MS: Final = 8_000
"""How long nodes may check what they are offered."""

DONE_MS: Final = 10_000
"""How long nodes may take to install and use it."""

KEPT_MS: Final = 20_000
"""How long an offer is kept by a node that hears no more of it."""

SAY_AGAIN_MS: Final = 1_000

TEXT_MAX: Final = 500
_OFFER: Final = "eb_offer"
_ANSWER: Final = "eb_answer"
_COMMIT: Final = "eb_commit"
_ABORT: Final = "eb_abort"
_DONE: Final = "eb_done"
TYPES: Final = frozenset({_OFFER, _ANSWER, _COMMIT, _ABORT, _DONE})
_ID: Final = "eb_id"
_BUNDLE: Final = "eb_bundle"
_IS_OK: Final = "eb_ok"
_TEXT: Final = "eb_text"
_REPORTS: Final = "eb_reports"
_IS_DOUBT: Final = "eb_doubt"
_DOUBT_MARK: Final = Field(FieldType.STRING, _IS_DOUBT, "1")
_NO: Final = frozenset({Fate.REFUSED, Fate.DOUBTED})
_CHALLENGE: Final = "eb_challenge"
_CHALLENGES: Final = "eb_challenges"
_VERSION: Final = "eb_version"
_HEX: Final = re.compile(r"[0-9a-f]{1,16}", re.ASCII)
_CHALLENGE_BITS: Final = 128
_ID_BITS: Final = 64

VERSION_JUMP_MAX: Final = 1 << 32
"""A version further above ours than that is not taken: none could follow it for ever."""

DistributionEffect: TypeAlias = Broadcast | CheckFiles | InstallFiles | Distributed


@dataclass(frozen=True, slots=True)
class Member:
    """A node of the cluster as it can be reached now. `dialect` 0: it does not know everbeat's."""

    node: NodeName
    is_live: bool
    dialect: int


@dataclass(frozen=True, slots=True)
class Offered:
    """The answer to a request to bring files to all nodes."""

    verdict: Verdict[DistributionEffect]
    offer: str = ""  # the id by which Distributed tells the outcome; empty where it is refused


@dataclass(slots=True)
class _Round:
    """A distribution that was asked for here."""

    offer: str
    waiting: set[NodeName]
    until_ms: int
    is_committed: bool = False
    again_ms: int = 0
    version: int = 0  # the newest that a node has, then that of the commit
    newest: str = ""  # which node has it
    challenges: dict[NodeName, str] = field(default_factory=dict[NodeName, str])
    outcomes: dict[NodeName, NodeOutcome] = field(default_factory=dict[NodeName, NodeOutcome])


@dataclass(slots=True)
class _Kept:
    """An offer that was made to this node."""

    offer: str
    source: NodeName
    bundle: Bundle
    until_ms: int
    challenge: str = ""  # of the answer that agreed
    is_agreed: bool = False
    is_installing: bool = False


class Distributor:
    """Both sides of it, for one node. Owned by the core node.

    `version`: of the files that were taken here last, 0 for none.
    """

    def __init__(self, own: NodeName, random: Random, version: int = 0) -> None:
        self._own = own
        self._random = random
        self._version = version
        self._keys: AuthKeys | None = None
        self._cipher: Cipher | None = None
        self._round: _Round | None = None
        self._kept: _Kept | None = None
        self._done: tuple[str, NodeName, Broadcast] | None = None  # what was said last
        self._count = 0

    def use_keys(self, keys: AuthKeys, cipher: Cipher | None) -> None:
        """Seal and open with these keys from now on."""
        self._keys, self._cipher = keys, cipher

    def on_request(
        self, bundle: Bundle, members: Sequence[Member], now_ms: int, *, may_pass_over: bool
    ) -> Offered:
        """Begin; `may_pass_over`: nodes that are down or run Heartbeat 3.0.6 stay as they are."""
        if self._round is not None:
            reason = "files are being distributed already: try again in a moment"
            return Offered(Verdict(reason=reason))
        missing = [
            NodeOutcome(m.node, Fate.FOREIGN if m.is_live else Fate.DOWN)
            for m in members
            if not m.is_live or not m.dialect
        ]
        if missing and not may_pass_over:
            names = ", ".join(f"{o.node} ({o.fate.value})" for o in missing)
            reason = f"not every node can take files: {names}; or --allow-missing"
            return Offered(Verdict(reason=reason))
        if self._keys is None:
            return Offered(Verdict(reason="this node has no keys"))
        self._count += 1
        offer = f"{self._own}-{now_ms}-{self._count}-{self._drawn(_ID_BITS)}"
        try:
            field_text = sealed(bundle, offer, self._keys, self._cipher)
        except BundleError as error:
            return Offered(Verdict(reason=str(error)))
        waiting = {m.node for m in members if m.is_live and m.dialect} | {self._own}
        self._round = _Round(offer, waiting, now_ms + ANSWER_MS)
        self._round.outcomes = {outcome.node: outcome for outcome in missing}
        message = message_of(t=_OFFER, eb_id=offer, eb_bundle=field_text)
        return Offered(Verdict(effects=[Broadcast(message)]), offer)

    def on_message(self, message: Message, now_ms: int) -> list[DistributionEffect]:
        """Take a message of one of TYPES, our own included."""
        offer = message.text(_ID) or ""
        source = node_name_from_text(message.text("src") or "")
        match message.type:
            case "eb_offer":
                return self._on_offer(offer, source, message, now_ms)
            case "eb_answer":
                return self._on_answer(offer, source, message, now_ms)
            case "eb_commit":
                return self._on_commit(offer, source, message, now_ms)
            case "eb_abort":
                if self._kept is not None and self._is_kept(offer, source):
                    self._kept = None
                return []
            case "eb_done":
                return self._on_done(offer, source, message)
            case _:
                return []

    def on_checked(
        self, offer: str, reports: tuple[Report, ...], reason: str
    ) -> list[DistributionEffect]:
        """Take this machine's verdict on an offer: `reason` or an error among `reports`: no.

        A doubt among them is a no as well, unless a person insists.
        """
        kept = self._kept
        if kept is None or kept.offer != offer:
            return []
        is_right = not reason and all(report.severity is not Severity.ERROR for report in reports)
        is_doubted = is_right and not kept.bundle.is_insisted_on and bool(doubts(reports))
        kept.is_agreed = is_right and not is_doubted
        source, is_ok = kept.source, kept.is_agreed
        if not is_ok:
            self._kept = None
            answer = _answer(_ANSWER, offer, source, reason, reports, is_ok=False)
            return [Broadcast(answer.message.with_fields(_DOUBT_MARK)) if is_doubted else answer]
        kept.challenge = self._drawn(_CHALLENGE_BITS)
        more = {_CHALLENGE: kept.challenge, _VERSION: f"{self._version:x}"}
        return [_answer(_ANSWER, offer, source, reason, reports, is_ok=True, **more)]

    def on_installed(self, offer: str, error: str, text: str) -> list[DistributionEffect]:
        """Take that the files are in use (`text`: what takes effect later), or why not."""
        kept = self._kept
        if kept is None or kept.offer != offer:
            return []
        self._kept = None
        done = _answer(_DONE, offer, kept.source, error or text, (), is_ok=not error)
        self._done = (offer, kept.source, done)
        return [done]

    def on_tick(self, now_ms: int) -> list[DistributionEffect]:
        """Give up what takes too long."""
        kept = self._kept
        if kept is not None and now_ms >= kept.until_ms and not kept.is_installing:
            self._kept = None
        if self._round is None:
            return []
        if now_ms < self._round.until_ms:
            return self._say_again(self._round, now_ms)
        for node in sorted(self._round.waiting):
            word = "did not say that it has them" if self._round.is_committed else "did not answer"
            self._round.outcomes[node] = NodeOutcome(node, Fate.SILENT, word)
        return self._finish(self._round)

    def next_wakeup_ms(self) -> int | None:
        """Return when on_tick is wanted, or None."""
        due = [part.until_ms for part in (self._round, self._kept) if part is not None]
        if self._round is not None and self._round.is_committed:
            due.append(self._round.again_ms)
        if self._kept is not None and self._kept.is_installing:
            due.remove(self._kept.until_ms)
        return min(due, default=None)

    # --- asked -------------------------------------------------------------------------------

    def _on_offer(
        self, offer: str, source: NodeName, message: Message, now_ms: int
    ) -> list[DistributionEffect]:
        kept = self._kept
        if kept is not None and (kept.is_installing or now_ms < kept.until_ms):
            reason = f"files of {kept.source} are being taken here: try again in a moment"
            return [_answer(_ANSWER, offer, source, reason, (), is_ok=False)]
        if self._keys is None:
            return [_answer(_ANSWER, offer, source, "it has no keys", (), is_ok=False)]
        try:
            bundle = opened(message.text(_BUNDLE) or "", offer, self._keys, self._cipher)
        except BundleError as error:
            return [_answer(_ANSWER, offer, source, str(error), (), is_ok=False)]
        self._kept = _Kept(offer, source, bundle, now_ms + KEPT_MS)
        return [CheckFiles(offer, bundle)]

    def _on_commit(
        self, offer: str, source: NodeName, message: Message, now_ms: int
    ) -> list[DistributionEffect]:
        kept = self._kept
        if self._done is not None and self._done[:2] == (offer, source):
            return [self._done[2]]
        is_late = kept is not None and now_ms >= kept.until_ms
        if kept is None or not self._is_kept(offer, source) or not kept.is_agreed or is_late:
            reason = "the offer is not known here any more: say it again"
            return [_answer(_DONE, offer, source, reason, (), is_ok=False)]
        if kept.is_installing:
            return []
        words = (message.text(_CHALLENGES) or "").split(" ", NODES_MAX)
        if f"{self._own}:{kept.challenge}" not in words:
            reason = "the commit does not answer this node: is it a recording?"
            return [_answer(_DONE, offer, source, reason, (), is_ok=False)]
        version = _version_of(message)
        if not self._version < version <= self._version + VERSION_JUMP_MAX:
            reason = f"files of version {version}, but those here are of {self._version}"
            return [_answer(_DONE, offer, source, reason, (), is_ok=False)]
        kept.is_installing, self._version = True, version
        return [InstallFiles(offer, kept.bundle, version)]

    def _is_kept(self, offer: str, source: NodeName) -> bool:
        kept = self._kept
        return kept is not None and (kept.offer, kept.source) == (offer, source)

    # --- asking ------------------------------------------------------------------------------

    def _on_answer(
        self, offer: str, source: NodeName, message: Message, now_ms: int
    ) -> list[DistributionEffect]:
        asked = self._round
        if asked is None or asked.offer != offer or asked.is_committed:
            return []
        if source not in asked.waiting:
            return []
        asked.waiting.discard(source)
        fate = Fate.UNTOUCHED if message.text(_IS_OK) == "1" else _fate_of_no(message)
        asked.outcomes[source] = _outcome(source, fate, message)
        asked.challenges[source] = message.text(_CHALLENGE) or ""
        version = _version_of(message)
        if version > asked.version:
            asked.version, asked.newest = version, source
        if asked.waiting:
            return []
        self._refuse_if_stale(asked)
        if any(outcome.fate in _NO for outcome in asked.outcomes.values()):
            return self._finish(asked)
        agreed = [o.node for o in asked.outcomes.values() if o.fate is Fate.UNTOUCHED]
        asked.is_committed, asked.waiting = True, set(agreed)
        asked.version += 1
        asked.until_ms = now_ms + DONE_MS
        asked.again_ms = now_ms
        return self._say_again(asked, now_ms)

    def _refuse_if_stale(self, asked: _Round) -> None:
        """Let a node with newer files than ours refuse. One that was never given any may ask."""
        if self._version and asked.version > self._version:
            node = NodeName(asked.newest)
            text = f"it has newer files than {self._own}; there: everbeat reload --all"
            asked.outcomes[node] = NodeOutcome(node, Fate.REFUSED, text)

    @staticmethod
    def _say_again(asked: _Round, now_ms: int) -> list[DistributionEffect]:
        if not asked.is_committed or now_ms < asked.again_ms:
            return []
        asked.again_ms = now_ms + SAY_AGAIN_MS
        words = [f"{node}:{word}" for node, word in sorted(asked.challenges.items()) if word]
        fields = {_VERSION: f"{asked.version:x}", _CHALLENGES: " ".join(words)}
        return [Broadcast(message_of(t=_COMMIT, eb_id=asked.offer, **fields))]

    def _on_done(self, offer: str, source: NodeName, message: Message) -> list[DistributionEffect]:
        asked = self._round
        if asked is None or asked.offer != offer or source not in asked.waiting:
            return []
        if not asked.is_committed:
            return []
        asked.waiting.discard(source)
        fate = Fate.INSTALLED if message.text(_IS_OK) == "1" else Fate.FAILED
        warnings = asked.outcomes[source].reports
        told = _outcome(source, fate, message)
        asked.outcomes[source] = NodeOutcome(source, fate, told.text, warnings)
        return [] if asked.waiting else self._finish(asked)

    def _drawn(self, bits: int) -> str:
        return f"{self._random.randrange(1 << bits):0{bits // 4}x}"

    def _finish(self, asked: _Round) -> list[DistributionEffect]:
        self._round = None
        outcomes = tuple(asked.outcomes[node] for node in sorted(asked.outcomes))
        told = Distributed(asked.offer, outcomes)
        if asked.is_committed:
            return [told]
        return [Broadcast(message_of(t=_ABORT, eb_id=asked.offer)), told]


def _answer(
    kind: str,
    offer: str,
    source: NodeName,
    text: str,
    reports: tuple[Report, ...],
    *,
    is_ok: bool,
    **more: str,
) -> Broadcast:
    fields = {"t": kind, "dest": source, _ID: offer, _IS_OK: "1" if is_ok else "0", **more}
    if text:
        fields[_TEXT] = _one_line(text)
    if reports:
        fields[_REPORTS] = packed_reports(reports)
    return Broadcast(message_of(**fields))


def _fate_of_no(message: Message) -> Fate:
    return Fate.DOUBTED if message.text(_IS_DOUBT) == "1" else Fate.REFUSED


def _version_of(message: Message) -> int:
    """Return the hexadecimal number of at most 64 bits, 0 for anything else."""
    text = message.text(_VERSION) or ""
    return int(text, 16) if _HEX.fullmatch(text) else 0


def _one_line(text: str) -> str:
    """Return a text that the wire can carry: latin-1, one line, not too long."""
    return " ".join(text.split())[:TEXT_MAX].encode("latin-1", "replace").decode("latin-1")


def _outcome(node: NodeName, fate: Fate, message: Message) -> NodeOutcome:
    reports = unpacked_reports(message.text(_REPORTS) or "")
    text = "".join(c if c.isprintable() else "?" for c in (message.text(_TEXT) or "")[:TEXT_MAX])
    return NodeOutcome(node, fate, text, reports)
