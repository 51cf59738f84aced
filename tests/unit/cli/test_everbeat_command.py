from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from everbeat.cli.everbeat_command import everbeat

if TYPE_CHECKING:
    from pathlib import Path


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


def test_completion_behind_a_wrong_name_offers_nothing_and_does_not_fail() -> None:
    words = {"COMP_WORDS": "everbeat statsu ", "COMP_CWORD": "2"}
    asked = {"_EVERBEAT_COMPLETE": "bash_complete", **words}
    result = CliRunner().invoke(everbeat, [], prog_name="everbeat", env=asked)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "No such command" not in result.output


def test_a_pause_without_a_time_or_a_daemon_says_what_to_write() -> None:
    wrong = CliRunner().invoke(everbeat, ["pause", "nginx", "--for", "soon"])
    assert wrong.exit_code == 2
    assert "'soon' is no time; write 90, 90s, 10m or 2h" in wrong.output
    words = ["--run", "/nonexistent", "resume", "all"]
    nobody = CliRunner().invoke(everbeat, words, standalone_mode=False)
    assert nobody.return_value == 1


@pytest.mark.parametrize("name", ["ha.cf", "authkeys", "haresources"])
def test_check_of_one_of_the_three_files_checks_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "ha.cf").write_text("node alpha beta\nkeepaliv 1\n")
    (tmp_path / "authkeys").write_text("auth 2\n")
    (tmp_path / "haresources").write_text("gamma 10.0.0.1\n")
    output = CliRunner().invoke(everbeat, ["check", str(tmp_path / name)]).output
    assert "write: keepalive 1" in output
    assert "auth-key-missing" in output
    assert "haresources-node-unknown" in output


def test_help_is_a_word_as_well() -> None:
    word = CliRunner().invoke(everbeat, ["help", "reload"])
    assert "Use ha.cf, authkeys and haresources as they are now." in word.output
    assert word.exit_code == 0
    deep = CliRunner().invoke(everbeat, ["help", "add", "vip"])
    assert "Serve ADDRESS" in deep.output
    alone = CliRunner().invoke(everbeat, ["help"])
    assert "Commands:" in alone.output
    assert alone.exit_code == 0
    assert "No such command" in CliRunner().invoke(everbeat, ["help", "xyzzy"]).output


@pytest.mark.parametrize("word", ["start", "stop", "restart"])
def test_what_systemd_does_is_answered_with_systemctl(word: str) -> None:
    result = CliRunner().invoke(everbeat, [word])
    assert result.exit_code == 2
    assert f"systemctl {word} everbeat" in result.output
