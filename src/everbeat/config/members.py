"""Lines that name nodes, programs, clients and devices."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from everbeat.config.directives import Directive, Statement
from everbeat.config.files import first_word_and_rest, words_of
from everbeat.config.values import BOOLEAN_REMEDY, FALSE_WORDS, TRUE_WORDS, boolean_from_word
from everbeat.model.cluster import ApiAuthorization, RespawnClient
from everbeat.model.names import NODE_NAME_BYTES_MAX, node_name_from_text
from everbeat.ports.host import PROGRAM_PATH

if TYPE_CHECKING:
    from everbeat.config.draft import Draft
    from everbeat.model.names import NodeName

DEFAULT_APIAUTH: Final = (
    ApiAuthorization("ipfail", users=("hacluster",)),
    ApiAuthorization("ccm", users=("hacluster",)),
    ApiAuthorization("ping", groups=("haclient",)),
    ApiAuthorization("lha-snmpagent", users=("root",)),
    ApiAuthorization("anon", users=("root",), groups=("haclient",)),
)
"""In force for clients without an apiauth line of their own."""

IPFAIL_PATHS: Final = tuple(f"{folder}/ipfail" for folder in PROGRAM_PATH.split(":"))

COMMENT_MARKS: Final = ("//", "/*", ";", "--", "(", "!")
BOOLEANS: Final = frozenset({*TRUE_WORDS, *FALSE_WORDS})

_HOST_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_ADDRESS: Final = re.compile(r"[0-9.]+|.*:.*", re.ASCII)


def apply_node(draft: Draft, statement: Statement) -> None:
    """Each value that can be a name is a member of the cluster.

    A word that can be none (a path, an address, a directive that ran into this line) is a member
    to nobody: it would be expected for ever, and count as a voter that never agrees.
    """
    own = node_name_from_text(draft.host.node_name())
    words = _node_words(draft, statement, own)
    for word in words:
        name = node_name_from_text(word)
        if name in draft.nodes:
            summary = f"node: {name} was already named in line {draft.nodes[name].number}"
            draft.report("node-twice", statement.line, summary, "name each node once")
            continue
        if not _can_be_node(draft, statement, word, name, own):
            continue
        draft.nodes[name] = statement.line


def _node_words(draft: Draft, statement: Statement, own: NodeName) -> list[str]:
    """Return the words before a comment that `#` does not begin, or another directive."""
    words = list(statement.values)
    for index, word in enumerate(words):
        following = words[index + 1] if index + 1 < len(words) else ""
        is_comment = word.startswith(COMMENT_MARKS)
        is_directive = index > 0 and _is_directive(draft, word, following)
        if (is_comment or is_directive) and node_name_from_text(word) != own:
            rest = " ".join(words[index:])
            kept = " ".join((statement.directive, *words[:index]))
            summary = f"node: '{rest[:60]}' names no node and does not count"
            remedy = f"two lines: {kept}; {rest}" if is_directive else f"{kept} # …"
            draft.report("node-words-surplus", statement.line, summary, remedy)
            return words[:index]
    return words


def _is_directive(draft: Draft, word: str, following: str) -> bool:
    """Whether a directive stands in a node line: one no machine is called, or with its value."""
    if word not in draft.directives:
        return False
    return "_" in word or (bool(following) and not _is_machine(following)) or following in BOOLEANS


def _is_machine(word: str) -> bool:
    return _ADDRESS.fullmatch(word) is None and _HOST_NAME.fullmatch(word) is not None


def _can_be_node(
    draft: Draft, statement: Statement, word: str, name: NodeName, own: NodeName
) -> bool:
    """Report what is wrong with a node's name; false: it cannot be one."""
    line = statement.line
    if len(name.encode("utf-8", "surrogateescape")) > NODE_NAME_BYTES_MAX:
        summary = f"node: a name has at most {NODE_NAME_BYTES_MAX} bytes"
        draft.report("node-name-too-long", line, summary, "the name printed by `uname -n`")
    elif not _is_machine(word):
        but = "" if name == own else "; it does not count as a node"
        summary = f"node: '{word}' is no name a machine can have{but}"
        draft.report("node-name-unusual", line, summary, "the name printed by `uname -n`")
        return name == own
    elif word != name:
        summary = f"node: {word} is known as {name} in the cluster"
        draft.report("node-name-upper-case", line, summary, f"node {name}")
    return True


def apply_respawn(draft: Draft, statement: Statement) -> None:
    """Start a program and keep it running; failfast: its death reboots the node."""
    directive = statement.directive
    user, command_line = first_word_and_rest(statement.rest)
    command = words_of(command_line)
    if not command:
        summary = f"{directive}: a user and a program are needed"
        remedy = f"{directive} {user or 'hacluster'} /usr/libexec/heartbeat/ipfail"
        draft.report("command-missing", statement.line, summary, remedy)
        return
    if is_ipfail(command[0]):
        draft.ipfail_line = statement.line
        if not draft.host.is_executable(command[0]):
            _use_built_in(draft, statement, command[0])
            return
    if not draft.host.has_user(user):
        summary = f"{directive}: there is no user {user}"
        draft.report("user-unknown", statement.line, summary, f"{directive} hacluster {command[0]}")
    if not command[0].startswith("/"):
        bare = command[0].strip("'\"").rpartition("/")
        summary = f"{directive}: '{command[0]}' is not a full path"
        remedy = f"{directive} {user} {bare[0] or '/usr/libexec/heartbeat'}/{bare[2]}"
        draft.report("command-not-absolute", statement.line, summary, remedy)
    elif not draft.host.is_file(command[0]):
        summary = f"{directive}: there is no program {command[0]}"
        remedy = "install it, or delete the line"
        draft.report("command-not-executable", statement.line, summary, remedy)
    elif not draft.host.is_executable(command[0]):
        summary = f"{directive}: {command[0]} may not be executed"
        draft.report("command-not-executable", statement.line, summary, f"chmod 755 {command[0]}")
    client = RespawnClient(user, command, reboots=directive == "failfast")
    if client in draft.respawn:
        summary = f"{directive}: {command[0]} is started twice"
        draft.report("respawn-twice", statement.line, summary, "delete this line")
    draft.respawn.append(client)


def is_ipfail(path: str) -> bool:
    """Whether a program's full path is that of ipfail, wherever its package puts it."""
    return path.startswith("/") and path.endswith("/ipfail")


def _use_built_in(draft: Draft, statement: Statement, path: str) -> None:
    """Serve ipfail ourselves where the program named is not there."""
    if draft.has_ipfail:
        summary = f"{statement.directive}: ipfail is started twice"
        draft.report("respawn-twice", statement.line, summary, "delete this line")
    draft.has_ipfail = True
    found = next((each for each in IPFAIL_PATHS if draft.host.is_executable(each)), None)
    user = statement.words[0]
    user = user if draft.host.has_user(user) else "hacluster"
    summary = f"{statement.directive}: {path} is not there; the ipfail built into everbeat runs"
    remedy = f"{statement.directive} {user} {found}" if found else "nothing: it does the same"
    draft.report("ipfail-built-in", statement.line, summary, remedy)


def settle_ipfail(draft: Draft) -> None:
    """Choose one ipfail: the program, but not where it would refuse to run."""
    programs = [client for client in draft.respawn if is_ipfail(client.command[0])]
    if not programs or draft.ipfail_line is None:
        return
    draft.has_ipfail = draft.parameters["auto_failback"].lower() == "legacy"
    if draft.has_ipfail:
        draft.respawn = [client for client in draft.respawn if client not in programs]
        path = programs[0].command[0]
        summary = f"{path} does not run with auto_failback legacy; the ipfail of everbeat runs"
        draft.report("ipfail-built-in", draft.ipfail_line, summary, "auto_failback on or off")


def apply_apiauth(draft: Draft, statement: Statement) -> None:
    """Say who may sign on under a client name."""
    client, *lists = statement.words or ("",)
    example = f"apiauth {client or 'ipfail'} uid=hacluster gid=haclient"
    names: dict[str, tuple[str, ...]] = {}
    for word in lists:
        kind, is_given, text = word.partition("=")
        if not is_given or kind not in {"uid", "gid"} or kind in names:
            summary = f"apiauth: '{word}' is not uid=USER,… or gid=GROUP,…, each once"
            draft.report("apiauth-malformed", statement.line, summary, example)
            return
        names[kind] = tuple(name for name in text.split(",") if name)
    if not names:
        summary = "apiauth: a client and uid=, gid= or both are needed"
        draft.report("apiauth-malformed", statement.line, summary, example)
        return
    if any(known.client == client for known in draft.apiauth):
        summary = f"apiauth: {client} has an apiauth line already"
        remedy = "put all users and groups on one line: " + example
        draft.report("apiauth-twice", statement.line, summary, remedy)
        return
    users, groups = names.get("uid", ()), names.get("gid", ())
    draft.apiauth.append(ApiAuthorization(client, users, groups))
    draft.apiauth_lines.append(statement.line)


def check_apiauth(draft: Draft) -> None:
    """Report users and groups that do not exist; of ipfail only where a program signs on."""
    for line, rule in zip(draft.apiauth_lines, draft.apiauth, strict=True):
        example = f"apiauth {rule.client} uid=hacluster gid=haclient"
        if rule.client == "ipfail" and draft.has_ipfail:
            continue
        for user in rule.users:
            if not user.isdecimal() and not draft.host.has_user(user):
                summary = f"apiauth: there is no user {user}"
                draft.report("user-unknown", line, summary, example)
        for group in rule.groups:
            if not group.isdecimal() and not draft.host.has_group(group):
                summary = f"apiauth: there is no group {group}"
                draft.report("group-unknown", line, summary, example)


def apply_env(draft: Draft, statement: Statement) -> None:
    """Export HA_NAME=VALUE to clients."""
    for word in statement.words:
        name, is_given, value = word.partition("=")
        if not is_given or not name:
            summary = f"env: '{word}' is not NAME=VALUE; the value is empty"
            draft.report("env-malformed", statement.line, summary, f"env {name or 'NAME'}=VALUE")
        if name:
            draft.environment.append((name, value))


def apply_nice_failback(draft: Draft, statement: Statement) -> None:
    """Read what was replaced by auto_failback: on is legacy, off is off."""
    for word in statement.values:
        value = boolean_from_word(word)
        if value is None:
            remedy = f"auto_failback {BOOLEAN_REMEDY}"
            summary = f"nice_failback: '{word}' is neither true nor false"
            draft.report("boolean-malformed", statement.line, summary, remedy)
            continue
        meaning = "legacy" if value else "off"
        summary = f"nice_failback: obsolete; {word} is read as auto_failback {meaning}"
        draft.report("directive-obsolete", statement.line, summary, "auto_failback on")
        draft.parameters["auto_failback"] = meaning
        draft.lines["auto_failback"] = statement.line


def apply_hbaping(draft: Draft, statement: Statement) -> None:
    """Refuse what no Debian build of Heartbeat knows."""
    summary = "hbaping: pinging Fibre Channel adapters is not supported"
    draft.report("directive-unsupported", statement.line, summary, "ping HOST")


MEMBERS: Final = (
    Directive(name="node", shape="NAME...", meaning="Members of the cluster.", apply=apply_node),
    Directive(
        name="respawn",
        shape="USER PROGRAM ARGUMENT...",
        meaning="A program to keep running.",
        apply=apply_respawn,
        is_value_needed=False,
    ),
    Directive(
        name="failfast",
        shape="USER PROGRAM ARGUMENT...",
        meaning="A program whose death reboots the node.",
        apply=apply_respawn,
        is_value_needed=False,
    ),
    Directive(
        name="apiauth",
        shape="CLIENT uid=USER,... gid=GROUP,...",
        meaning="Who may sign on to the client API.",
        apply=apply_apiauth,
        is_value_needed=False,
    ),
    Directive(name="env", shape="NAME=VALUE", meaning="Exported to clients.", apply=apply_env),
    Directive(
        name="nice_failback",
        shape="BOOLEAN",
        meaning="Obsolete: see auto_failback.",
        apply=apply_nice_failback,
    ),
    Directive(
        name="hbaping",
        shape="NAME",
        meaning="Not supported.",
        apply=apply_hbaping,
        is_value_needed=False,
    ),
)
