"""Changed files keep every other line as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from everbeat.config.authkeys import read_authkeys
from everbeat.config.edits import (
    NewNode,
    free_number,
    group_line,
    group_with,
    key_text,
    with_line,
    with_node,
    without_group,
)
from everbeat.config.files import ConfigFile
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
    assert with_node("node alpha", NewNode("beta", "fd00::2", "eth0")).splitlines()[1:] == [
        "ucast6 eth0 fd00::2",
        "node beta",
    ]


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
