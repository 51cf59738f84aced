# Sourced by ./test and ./demo from the root of the tree: makes .venv, once per pyproject.toml.
# POSIX sh. Needs Debian 12's python3; python3-venv is installed as root after saying so.

SHOWN_EVERY=5 # seconds between two lines of progress where nobody sees a line change

say() { printf '%s\n' "$*" >&2; }

# The hash of the files that decide what is installed.
content_hash() { cat "$@" | sha256sum | cut -d' ' -f1; }

# watched WHAT COMMAND…: run it, and tell meanwhile how long it has been at it and what it prints.
# All of its output is shown only if it fails.
watched() {
    say "$1"
    shift
    output=$(mktemp) || return 1
    trap 'rm -f "$output"; say; say "Interrupted."; exit 130' INT TERM HUP
    began=$(date +%s)
    show_progress &
    shower=$!
    "$@" >"$output" 2>&1 </dev/null
    status=$?
    kill $shower 2>/dev/null
    wait $shower 2>/dev/null
    trap - INT TERM HUP
    [ -t 2 ] && printf '\r\033[K' >&2
    if [ $status = 0 ]; then
        say "    done in $(($(date +%s) - began)) s"
    else
        cat "$output" >&2
        say "    failed after $(($(date +%s) - began)) s: $*"
    fi
    rm -f "$output"
    return $status
}

# The last line of $output, again and again: on a terminal in place. Ends with the script.
show_progress() {
    if [ -t 2 ]; then every=1 start='\r' end='\033[K'; else every=$SHOWN_EVERY start='' end='\n'; fi
    while sleep "$every" </dev/null >/dev/null 2>&1 && kill -0 $$ 2>/dev/null; do
        last=$(tail -n 30 "$output" 2>/dev/null | sed '/^WARNING/d; /^ *$/d; s/^ *//' | tail -n 1 |
            tr -cd '[:print:]' | cut -c 1-60)
        # shellcheck disable=SC2059 # the two are formats
        printf "$start    %3d s  %s$end" $(($(date +%s) - began)) "$last" >&2
    done
}

python_for_venv() {
    for python in python3 /usr/bin/python3; do
        if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
        then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

install_debian() { # packages
    watched "As root, reading Debian's lists of packages" \
        apt-get -q -o=Dpkg::Use-Pty=0 update &&
        watched "As root, installing Debian packages: $*" \
            env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o=Dpkg::Use-Pty=0 \
            install --no-install-recommends "$@"
}

# make_venv EXTRA: an editable install with this extra ("" for none) in .venv.
make_venv() {
    stamp=".venv/.stamp-${1:-plain}"
    wanted=$(content_hash pyproject.toml)
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
    [ -z "$1" ] && [ "$(cat .venv/.stamp-dev 2>/dev/null)" = "$wanted" ] && return 0
    say "First run: Python packages go into .venv. On a slow machine that takes some minutes, once."
    if ! python=$(python_for_venv); then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            say "Python 3.11 or later with the venv module is needed, and is not here."
            say "As root:  apt-get install python3 python3-venv"
            return 1
        fi
        install_debian python3 python3-venv || return 1
        python=$(python_for_venv) || { say "python3 with venv is still missing."; return 1; }
    fi
    if [ ! -x .venv/bin/pip ]; then # pip comes last: without it, making .venv was interrupted
        watched "Making .venv with $python" "$python" -m venv --clear .venv || return 1
    fi
    # an editable install is not compiled: it needs no compiler's packages
    watched "Installing everbeat and what it needs into .venv" \
        env EVERBEAT_PURE=1 .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off \
        -e ".${1:+[$1]}" || return 1
    printf '%s\n' "$wanted" >"$stamp"
}
