"""Changed files keep every other line as it was."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everbeat.config.any_host import AnyHost
from everbeat.config.authkeys import read_authkeys
from everbeat.config.edits import (
    NewNode,
    changed_groups,
    free_number,
    group_line,
    group_with,
    key_text,
    taken_back,
    with_line,
    with_node,
    with_services,
    without_group,
)
from everbeat.config.files import ConfigFile
from everbeat.config.haresources import read_haresources
from everbeat.model.groups import ResourceGroup, ResourceSpec
from everbeat.model.keys import AuthKey, AuthKeys
from everbeat.model.names import GroupKey, NodeName

TEXT = """# ours
alpha 10.0.0.1 web
beta 10.0.0.2/24/eth0 \\
    mail files
"""


def test_a_group_comes_and_goes_and_leaves_the_rest() -> None:
    line = group_line("beta", "10.0.0.3", ("news",))
    assert line == "beta 10.0.0.3 news"
    assert without_group(with_line(TEXT, line), "10.0.0.3") == TEXT


def test_a_line_that_goes_on_is_removed_whole() -> None:
    assert without_group(TEXT, "10.0.0.2/24/eth0") == "# ours\nalpha 10.0.0.1 web\n"
    assert without_group(TEXT, "10.0.0.9") is None


def test_an_address_is_found_however_it_is_written() -> None:
    word = "IPaddr::10.0.0.2/24/eth0"
    group = ResourceGroup(NodeName("a"), GroupKey(word), (ResourceSpec(word, "IPaddr"),))
    assert group_with([group], "10.0.0.2") is group
    assert group_with([group], "10.0.0.20") is None


def test_a_file_without_a_last_newline_gets_one() -> None:
    assert with_line("a", "b") == "a\nb\n"
    beta = NewNode(NodeName("beta"), ip_address("fd00::2"), "eth0")
    assert with_node("node alpha", beta).splitlines()[1:] == ["ucast6 eth0 fd00::2", "node beta"]


@pytest.mark.parametrize(
    ("name", "interface"),
    [("beta\nrespawn root /usr/bin/id", "eth0"), ("beta", "eth0 192.0.2.1\nnode"), ("", "eth0")],
)
def test_no_line_more_comes_with_a_node(name: str, interface: str) -> None:
    new = NewNode(NodeName(name), ip_address("192.0.2.2"), interface)
    with pytest.raises(AssertionError):
        with_node("node alpha", new)


SECRETS = st.text(alphabet="abcdef0123456789", min_size=8, max_size=64).map(str.encode)


@given(st.dictionaries(st.integers(0, 15), SECRETS, min_size=1), st.integers(0, 99))
def test_keys_are_read_back_as_they_were_written(secrets: dict[int, bytes], choice: int) -> None:
    numbers = sorted(secrets)
    signing = numbers[choice % len(numbers)]
    keys = AuthKeys(signing, tuple(AuthKey(n, "sha256", secrets[n]) for n in numbers))
    read, _ = read_authkeys(ConfigFile("authkeys", key_text(keys)))
    assert read is not None
    assert read.signing == keys.signing
    assert set(read.keys) == set(keys.keys)
    number = free_number(keys)
    assert number is None or (number not in secrets and 1 <= number <= 15)


def groups_of(text: str) -> tuple[ResourceGroup, ...]:
    return read_haresources(ConfigFile("haresources", text), (), AnyHost("", ()))[0]


def without(before: str, after: str, *keys: str) -> str:
    """Return haresources when these groups of `after` have failed."""
    former, new = groups_of(before), groups_of(after)
    present = {group.key for group in new}
    failed = [group for group in new if group.key in keys]
    return taken_back(before, after, failed, [g for g in former if g.key not in present])


BEFORE = "# ours\nalpha 10.0.0.1 web\nbeta 10.0.0.2 \\\n  mail\n"


def test_new_and_changed_groups_are_those_with_other_resources() -> None:
    after = BEFORE.replace("web", "web more").replace("beta", "alpha") + "alpha 10.0.0.3 news\n"
    changed = changed_groups(groups_of(BEFORE), groups_of(after))
    assert [group.key for group in changed] == ["10.0.0.1", "10.0.0.3"]


def test_a_new_group_that_failed_is_taken_back_alone() -> None:
    after = BEFORE + "alpha 10.0.0.3 ngnix\nalpha 10.0.0.4 news\n"
    assert without(BEFORE, after, "10.0.0.3") == BEFORE + "alpha 10.0.0.4 news\n"


def test_a_changed_group_that_failed_is_as_it_was_backslashes_and_all() -> None:
    after = "# ours\nalpha 10.0.0.1 web\nbeta 10.0.0.2 mail ngnix\n"
    assert without(BEFORE, after, "10.0.0.2") == BEFORE


def test_a_group_that_was_renamed_and_failed_comes_back_under_its_name() -> None:
    after = "# ours\nalpha 10.0.0.9 web ngnix\nbeta 10.0.0.2 \\\n  mail\n"
    text = without(BEFORE, after, "10.0.0.9")
    assert {g.key: g.resources for g in groups_of(text)} == {
        g.key: g.resources for g in groups_of(BEFORE)
    }


def test_a_group_that_was_removed_stays_removed_when_another_one_fails() -> None:
    after = "# ours\nbeta 10.0.0.2 \\\n  mail\nalpha 10.0.0.3 ngnix\n"
    assert without(BEFORE, after, "10.0.0.3") == "# ours\nbeta 10.0.0.2 \\\n  mail\n"


def test_services_come_behind_what_a_group_has_before_its_comment() -> None:
    text = "alpha 10.0.0.1 web # shop\nbeta 10.0.0.2 \\\n  mail\n"
    assert with_services(text, "10.0.0.1", ("php", "db")) == text.replace("web #", "web php db #")
    assert with_services(text, "10.0.0.2", ("php",)) == text.replace("mail", "mail php")
    assert with_services(text, "10.0.0.9", ("php",)) is None
