"""Nothing is changed anywhere unless every node has agreed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from everbeat.distribution.distributor import (
    ANSWER_MS,
    DONE_MS,
    KEPT_MS,
    VERSION_JUMP_MAX,
    Distributor,
    Member,
)
from everbeat.model.distribution import (
    Bundle,
    CheckFiles,
    Distributed,
    Fate,
    FileContent,
    InstallFiles,
)
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.membership import Broadcast
from everbeat.model.message import Message, message_of
from everbeat.model.names import NodeName
from everbeat.model.reports import Place, Report, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

    from everbeat.distribution.distributor import DistributionEffect

KEYS = AuthKeys(1, (AuthKey(1, "sha1", b"a secret word"),))
FILES = Bundle((FileContent("haresources", b"alpha 10.0.0.1\n"),))
NAMES = ("alpha", "beta", "gamma")
DOUBT = Report(code="script-missing", severity=Severity.WARNING, summary="no unit ngnix")
WRONG = Report(code="x", severity=Severity.ERROR, summary="no", place=Place("haresources", 1))


@dataclass
class Node:
    """One node and what its machine does."""

    name: str
    distributor: Distributor
    is_refusing: bool = False
    is_doubting: bool = False
    is_broken: bool = False
    installed: int = 0
    version: int = 0


@dataclass
class Cluster:
    """Three nodes; messages wait until they are delivered."""

    nodes: dict[str, Node] = field(default_factory=dict)
    waiting: list[tuple[str, Message]] = field(default_factory=list)
    results: list[Distributed] = field(default_factory=list)
    now_ms: int = 1_000
    versions: dict[str, int] = field(default_factory=dict)
    chance: Random = field(default_factory=lambda: Random(1))  # noqa: S311 - repeatable on purpose

    def __post_init__(self) -> None:
        """Make the nodes."""
        for name in NAMES:
            distributor = Distributor(NodeName(name), self.chance, self.versions.get(name, 0))
            distributor.use_keys(KEYS, None)
            self.nodes[name] = Node(name, distributor)

    def ask(
        self, name: str, *others: Member, may_pass_over: bool = False, files: Bundle = FILES
    ) -> str:
        """Ask a node to distribute; return why not."""
        members = others or tuple(
            Member(NodeName(n), is_live=True, dialect=1) for n in NAMES if n != name
        )
        offered = self.nodes[name].distributor.on_request(
            files, members, self.now_ms, may_pass_over=may_pass_over
        )
        self.take(name, offered.verdict.effects)
        return offered.verdict.reason

    def take(self, name: str, effects: Iterable[DistributionEffect]) -> None:
        """Carry effects out."""
        node = self.nodes[name]
        for effect in effects:
            match effect:
                case Broadcast(message):
                    targets = [message.text("dest")] if message.text("dest") else NAMES
                    said = Message((*message.fields, *message_of(src=name).fields))
                    self.waiting += [(target, said) for target in targets if target]
                case CheckFiles(offer):
                    reports = (DOUBT,) if node.is_doubting else ()
                    reports += (WRONG,) if node.is_refusing else ()
                    self.take(name, node.distributor.on_checked(offer, reports, ""))
                case InstallFiles(offer, _, version):
                    node.version = version
                    node.installed += not node.is_broken
                    error = "disk full" if node.is_broken else ""
                    self.take(name, node.distributor.on_installed(offer, error, ""))
                case Distributed():
                    self.results.append(effect)

    def deliver(self, number: int = 0) -> None:
        """Deliver one message."""
        if self.waiting:
            target, message = self.waiting.pop(number % len(self.waiting))
            self.take(target, self.nodes[target].distributor.on_message(message, self.now_ms))

    def lose(self, number: int) -> None:
        """Lose one message for ever: its receiver has died."""
        if self.waiting:
            self.waiting.pop(number % len(self.waiting))

    def settle(self) -> None:
        """Deliver everything."""
        while self.waiting:
            self.deliver()

    def wait(self, ms: int) -> None:
        """Let time pass on every node."""
        self.now_ms += ms
        for name, node in self.nodes.items():
            self.take(name, node.distributor.on_tick(self.now_ms))

    def fates(self) -> dict[str, Fate]:
        """Return what became of each node in the only distribution."""
        (result,) = self.results
        return {outcome.node: outcome.fate for outcome in result.outcomes}


def test_all_agree_and_all_install() -> None:
    cluster = Cluster()
    assert cluster.ask("beta") == ""
    cluster.settle()
    assert cluster.fates() == dict.fromkeys(NAMES, Fate.INSTALLED)
    assert cluster.results[0].is_done
    assert [node.installed for node in cluster.nodes.values()] == [1, 1, 1]


def test_one_refuses_and_nobody_installs_and_its_reports_are_told() -> None:
    cluster = Cluster()
    cluster.nodes["gamma"].is_refusing = True
    cluster.ask("alpha")
    cluster.settle()
    assert cluster.fates()["gamma"] is Fate.REFUSED
    assert cluster.fates()["beta"] is Fate.UNTOUCHED
    assert cluster.results[0].outcomes[2].reports == (WRONG,)
    assert not any(node.installed for node in cluster.nodes.values())
    cluster.nodes["gamma"].is_refusing = False
    assert cluster.ask("beta") == ""
    cluster.settle()
    assert cluster.results[1].is_done


def test_a_doubt_is_a_no_until_somebody_insists() -> None:
    cluster = Cluster()
    cluster.nodes["beta"].is_doubting = True
    cluster.ask("alpha")
    cluster.settle()
    assert cluster.fates() == {
        "alpha": Fate.UNTOUCHED,
        "beta": Fate.DOUBTED,
        "gamma": Fate.UNTOUCHED,
    }
    assert cluster.results[0].outcomes[1].reports == (DOUBT,)
    assert not any(node.installed for node in cluster.nodes.values())
    assert cluster.ask("alpha", files=replace(FILES, is_insisted_on=True)) == ""
    cluster.settle()
    assert cluster.results[1].is_done
    assert cluster.results[1].outcomes[1].reports == (DOUBT,), "and it is shown"


def test_nobody_can_insist_on_what_is_wrong() -> None:
    cluster = Cluster()
    cluster.nodes["beta"].is_doubting = cluster.nodes["beta"].is_refusing = True
    cluster.ask("alpha", files=replace(FILES, is_insisted_on=True))
    cluster.settle()
    assert cluster.fates()["beta"] is Fate.REFUSED


def test_one_is_silent_and_nobody_installs() -> None:
    cluster = Cluster()
    cluster.ask("alpha")
    cluster.waiting = [(t, m) for t, m in cluster.waiting if t != "beta"]
    cluster.settle()
    assert not cluster.results
    cluster.wait(ANSWER_MS)
    cluster.settle()
    assert cluster.fates()["beta"] is Fate.SILENT
    assert not any(node.installed for node in cluster.nodes.values())


def test_a_done_that_is_lost_with_a_link_is_said_again() -> None:
    cluster = Cluster()
    cluster.ask("alpha")
    while not cluster.nodes["beta"].installed:
        cluster.deliver()
    cluster.waiting = [(t, m) for t, m in cluster.waiting if m.type != "eb_done"]
    cluster.settle()
    assert not cluster.results
    cluster.wait(1_000)
    cluster.settle()
    assert cluster.fates() == dict.fromkeys(NAMES, Fate.INSTALLED)
    assert [node.installed for node in cluster.nodes.values()] == [1, 1, 1]


def test_a_disk_that_is_full_is_told_and_the_others_have_the_files() -> None:
    cluster = Cluster()
    cluster.nodes["beta"].is_broken = True
    cluster.ask("alpha")
    cluster.settle()
    assert cluster.fates()["beta"] is Fate.FAILED
    assert cluster.results[0].outcomes[1].text == "disk full"
    assert not cluster.results[0].is_done


def test_nodes_that_are_down_or_heartbeat_are_named_and_passed_over_only_if_wanted() -> None:
    cluster = Cluster()
    others = (
        Member(NodeName("beta"), is_live=False, dialect=1),
        Member(NodeName("gamma"), is_live=True, dialect=0),
    )
    reason = cluster.ask("alpha", *others)
    assert "beta (down), gamma (Heartbeat 3.0.6)" in reason
    assert not cluster.waiting
    assert cluster.ask("alpha", *others, may_pass_over=True) == ""
    cluster.settle()
    cluster.wait(KEPT_MS)
    assert cluster.fates() == {
        "alpha": Fate.INSTALLED,
        "beta": Fate.DOWN,
        "gamma": Fate.FOREIGN,
    }
    assert cluster.results[0].is_done


def test_two_at_once_do_not_mix_and_one_of_them_at_most_is_done() -> None:
    cluster = Cluster()
    cluster.ask("alpha")
    cluster.ask("beta")
    cluster.settle()
    cluster.wait(ANSWER_MS)
    cluster.settle()
    assert len(cluster.results) == 2
    assert sum(result.is_done for result in cluster.results) <= 1
    cluster.wait(KEPT_MS)
    assert cluster.ask("gamma") == ""
    cluster.settle()
    assert cluster.results[-1].is_done


def test_each_distribution_has_a_version_above_all_before() -> None:
    cluster = Cluster(versions={"alpha": 4, "beta": 4, "gamma": 2})
    cluster.ask("alpha")
    cluster.settle()
    assert cluster.results[0].is_done
    assert [node.version for node in cluster.nodes.values()] == [5, 5, 5]


def test_a_node_with_older_files_does_not_distribute_them() -> None:
    cluster = Cluster(versions={"alpha": 4, "beta": 5, "gamma": 4})
    cluster.ask("alpha")
    cluster.settle()
    assert cluster.fates()["beta"] is Fate.REFUSED
    text = "it has newer files than alpha; there: everbeat reload --all"
    assert cluster.results[0].outcomes[1].text == text
    assert not any(node.installed for node in cluster.nodes.values())
    cluster.ask("beta")
    cluster.settle()
    assert cluster.results[1].is_done


def test_a_node_that_was_never_given_files_may_distribute_its_own() -> None:
    cluster = Cluster(versions={"beta": 5, "gamma": 5})
    cluster.ask("alpha")
    cluster.settle()
    assert cluster.results[0].is_done
    assert {node.version for node in cluster.nodes.values()} == {6}


@given(data=st.data())
def test_no_recording_of_a_distribution_installs_anything(data: st.DataObject) -> None:
    """All that was said of one, in any order and number, to a node that has started anew."""
    cluster, said = Cluster(), list[Message]()
    cluster.ask("alpha")
    while cluster.waiting:
        said += [message for _, message in cluster.waiting if message not in said]
        cluster.deliver()
    cluster.wait(1_000)
    assert "eb_commit" in {message.type for message in said}
    beta = Distributor(NodeName("beta"), Random(2))  # noqa: S311 - repeatable on purpose
    beta.use_keys(KEYS, None)
    for message in data.draw(st.lists(st.sampled_from(said), max_size=12)):
        effects = beta.on_message(message, cluster.now_ms)
        for effect in effects:
            assert not isinstance(effect, InstallFiles)
            if isinstance(effect, CheckFiles):
                beta.on_checked(effect.offer, (), "")


def test_a_commit_of_an_older_version_or_of_one_from_nowhere_is_refused() -> None:
    for version in ("5", "4", "0", "", f"{VERSION_JUMP_MAX + 6:x}"):
        cluster = Cluster(versions={"beta": 5})
        cluster.ask("alpha")
        while not any(message.type == "eb_commit" for _, message in cluster.waiting):
            cluster.deliver()
        cluster.waiting = [
            (t, m.without("eb_version").with_fields(*message_of(eb_version=version).fields))
            for t, m in cluster.waiting
            if t == "beta"
        ]
        cluster.settle()
        assert not cluster.nodes["beta"].installed


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("deliver", "deliver", "lose", "wait", "ask")), st.integers(0, 9)
        ),
        max_size=60,
    ),
    st.lists(st.sampled_from(NAMES), max_size=2),
)
@settings(max_examples=300)
def test_nobody_installs_before_every_node_of_the_offer_has_agreed(
    steps: list[tuple[str, int]], refusing: list[str]
) -> None:
    cluster = Cluster()
    for name in refusing:
        cluster.nodes[name].is_refusing = True
    for what, number in steps:
        match what:
            case "ask":
                cluster.ask(NAMES[number % 3])
            case "deliver":
                cluster.deliver(number)
            case "lose":
                cluster.lose(number)
            case _:
                cluster.wait(number * 1_000)
        if refusing:
            assert not any(node.installed for node in cluster.nodes.values())
    cluster.settle()
    for _ in range(3):
        cluster.wait(ANSWER_MS + DONE_MS + KEPT_MS)
        cluster.settle()
    for node in cluster.nodes.values():
        assert node.distributor.next_wakeup_ms() is None, "it keeps something for ever"
    if not refusing:
        assert cluster.ask("alpha") == ""
        cluster.settle()
        assert cluster.results[-1].is_done
