# Sourced by ./test and ./demo from the root of the tree: makes .venv, once per pyproject.toml.
# POSIX sh. Needs Debian 12's python3; python3-venv is installed as root after saying so.

say() { printf '%s\n' "$*" >&2; }

# The hash of the files that decide what is installed.
content_hash() { cat "$@" | sha256sum | cut -d' ' -f1; }

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
    say "As root, installing Debian packages: $*"
    apt-get -q -o=Dpkg::Use-Pty=0 update >&2 &&
        DEBIAN_FRONTEND=noninteractive apt-get -q -y -o=Dpkg::Use-Pty=0 \
            install --no-install-recommends "$@" >&2
}

# make_venv EXTRA: an editable install with this extra ("" for none) in .venv.
make_venv() {
    stamp=".venv/.stamp-${1:-plain}"
    wanted=$(content_hash pyproject.toml)
    [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
    [ -z "$1" ] && [ "$(cat .venv/.stamp-dev 2>/dev/null)" = "$wanted" ] && return 0
    if ! python=$(python_for_venv); then
        if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
            say "Python 3.11 or later with the venv module is needed, and is not here."
            say "As root:  apt-get install python3 python3-venv"
            return 1
        fi
        install_debian python3 python3-venv || return 1
        python=$(python_for_venv) || { say "python3 with venv is still missing."; return 1; }
    fi
    if [ ! -x .venv/bin/python ]; then
        say "Making .venv with $python"
        "$python" -m venv .venv || return 1
    fi
    say "Installing everbeat into .venv"
    .venv/bin/python -m pip install -q --disable-pip-version-check -e ".${1:+[$1]}" >&2 || return 1
    printf '%s\n' "$wanted" >"$stamp"
}
