from __future__ import annotations

from everbeat.agents.main_process import PID_FILES_MAX, pid_files, pid_from_text

NGINX = """#!/bin/sh
# pidfile: /run/web.pid
DAEMON=/usr/sbin/nginx
NAME=nginx
PID=$(cat /etc/nginx/nginx.conf | grep pid)
if [ -z "$PID" ]; then
    PID=/run/nginx.pid
fi
start-stop-daemon --start --quiet --pidfile $PID --exec $DAEMON
"""


def test_a_header_an_assignment_and_the_conventions_are_read_in_this_order() -> None:
    assert pid_files("nginx", NGINX) == ("/run/web.pid", "/run/nginx.pid", "/run/nginx/nginx.pid")


def test_a_name_assigned_in_the_script_is_put_in() -> None:
    text = 'NAME=mydb\nPIDFILE="/var/run/$NAME/${NAME}-main.pid"\n'
    assert pid_files("db", text)[0] == "/var/run/mydb/mydb-main.pid"


def test_what_only_a_shell_could_tell_is_left_out() -> None:
    assert pid_files("x", "PIDFILE=$(find_it)\nPIDFILE=$PLACE/x.pid\n") == (
        "/run/x.pid",
        "/run/x/x.pid",
    )


def test_an_option_of_the_program_counts_and_the_list_is_bounded() -> None:
    assert "/run/y.pid" in pid_files("x", "exec daemon --pidfile=/run/y.pid\n")
    many = "".join(f"PIDFILE=/run/{number}.pid\n" for number in range(50))
    assert len(pid_files("x", many)) == PID_FILES_MAX


def test_a_pid_is_a_plain_number_above_one() -> None:
    assert pid_from_text("815\n") == 815
    assert pid_from_text(" 815 2\nmore") == 815
    for text in ("", "x", "-4", "1", "0", "12345678901", "8x"):
        assert pid_from_text(text) is None
