from __future__ import annotations

import pytest
from click.testing import CliRunner

from everbeat.cli.everbeat_command import everbeat


def test_version_is_a_word_and_an_option() -> None:
    word, option = (CliRunner().invoke(everbeat, [text]) for text in ("version", "--version"))
    assert word.output == option.output
    assert word.output.startswith("everbeat ")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("statsu", "Did you mean 'status'?"), ("xyzzy", "No such command 'xyzzy'.\n")],
)
def test_a_wrong_name_is_answered_with_the_nearest(wrong: str, said: str) -> None:
    result = CliRunner().invoke(everbeat, [wrong])
    assert result.exit_code == 2
    assert said in result.output
