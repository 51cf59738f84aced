"""cl_status: ask a running daemon, everbeat or Heartbeat, as the tool of 3.0.6 does.

Same sub-commands, options, sentences, exit codes and order of lines; errors look like its log
lines. Light: neither click nor rich is imported. Two differences, both on purpose: `parameter`
(the spelling of its manual page) is accepted for hbparameter, and clientstatus waits a second by
default, where the tenth of a second of 3.0.6 is too short for a 3.0.6 peer to answer.

Source: measured on 3.0.6, byte by byte.
"""

from __future__ import annotations

import getopt
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from everbeat.adapters.api_client import ApiClient, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TextIO

    from everbeat.commands.places import Places
    from everbeat.model.message import Message

OK: Final = 0
FAILED: Final = 1  # also: the node or link is dead, the client offline
WRONG_USAGE: Final = 11
NO_ANSWER: Final = 13
CLIENT_STATUS_MS: Final = 1_000

USAGE: Final = """\
Usage: cl_status <sub-command> [<options>] [<parameters>]

Sub-commands:
  hbstatus [-v]
      Tell whether heartbeat is running on this machine.
      -v  also its version and everything listnodes -v shows
  listnodes [-p|-n] [-v]
      List the nodes of the cluster, one name a line.
      -p  ping nodes only
      -n  normal nodes only
      -v  with status, type and links
  nodestatus <node-name>
      Show the status of a node: init, up, active, dead, ping.
  nodetype <node-name>
      Show the type of a node: normal or ping.
  nodeweight <node-name>
      Show the weight of a node.
  nodesite <node-name>
      Show the site of a node.
  listhblinks <node-name> [-v]
      List the links to a node.
      -v  with their status
  hblinkstatus <node-name> <link-name>
      Show the status of a link: up or dead.
  clientstatus <node-name> <client-id> [<timeout>]
      Show whether a client is signed on at a node: online or offline.
      <timeout> is in milliseconds (1000).
  rscstatus
      Show which resources this node holds: none, local, foreign, all, transition.
  hbparameter -p <parameter-name>
      Show the value of a parameter of ha.cf.

Every sub-command takes -m for sentences instead of words.
Exit status: 0 fine; 1 stopped, dead, offline or unknown parameter; 11 wrong usage or unknown
node; 13 no answer.
"""


@dataclass(slots=True)
class Tool:
    """One call of cl_status: where it prints and whom it asks."""

    places: Places
    out: TextIO
    err: TextIO

    def say(self, line: str) -> None:
        """Print a line of the answer."""
        print(line, file=self.out)

    def complain(self, line: str) -> None:
        """Print a plain line to standard error."""
        print(line, file=self.err)

    def log_error(self, text: str) -> None:
        """Print an error the way 3.0.6's tools log to standard error."""
        stamp = time.strftime("%b %d %H:%M:%S")
        host = os.uname().nodename
        print(f"{stamp} {host} cl_status: [{os.getpid()}]: ERROR: {text}", file=self.err)

    def fail(self, text: str, reason: str, code: int) -> int:
        """Log an error with its reason; return the exit code."""
        self.log_error(text)
        self.log_error(f"REASON: {reason}")
        return code

    def connect(self) -> ApiClient:
        """Return a client of the local daemon, not yet signed on."""
        return ApiClient(self.places.register, os.uname().nodename.lower())


@dataclass(frozen=True, slots=True)
class Options:
    """The options and operands behind the sub-command."""

    is_for_people: bool = False  # -m
    is_verbose: bool = False  # -v
    is_ping: bool = False  # -p
    is_normal: bool = False  # -n
    parameter: str | None = None  # -p NAME of hbparameter
    operands: tuple[str, ...] = ()


Action: TypeAlias = "Callable[[Tool, ApiClient, Options], int]"


@dataclass(frozen=True, slots=True)
class SubCommand:
    """One sub-command: the option letters it knows and the operands it needs."""

    action: Action
    letters: str = "m"
    operands_min: int = 0
    too_few: str = "No enough parameter."


def cl_status(arguments: Sequence[str], places: Places, out: TextIO, err: TextIO) -> int:
    """Run cl_status with the words behind its name; return its exit code."""
    tool = Tool(places, out, err)
    if not arguments or arguments[0] == "-h":
        out.write(USAGE)
        return OK
    name = arguments[0]
    if name == "hbstatus":
        return _hbstatus(tool, arguments[1:])
    sub_command = SUB_COMMANDS.get(name)
    if sub_command is None:
        tool.log_error(f"{name}: invalid sub-command.")
        return WRONG_USAGE
    try:
        with tool.connect() as client:  # before the words are looked at, as in 3.0.6
            return _run(tool, client, sub_command, arguments)
    except ApiError as error:
        return tool.fail("Cannot signon with heartbeat", error.reason, FAILED)


def _run(tool: Tool, client: ApiClient, sub_command: SubCommand, arguments: Sequence[str]) -> int:
    name, letters = arguments[0], sub_command.letters
    try:
        options = _options(arguments[1:], letters)
    except getopt.GetoptError as error:
        _complain_of_option(tool, name, error)
        code = " code" if name == "hbparameter" else ""
        tool.log_error(f"Error: getopt returnedcharacter{code} ?.")
        return WRONG_USAGE
    if len(options.operands) < sub_command.operands_min:
        tool.complain(sub_command.too_few)
        return WRONG_USAGE
    if "p:" in letters and options.parameter is None:
        tool.log_error("parameter name required")
        return WRONG_USAGE
    return sub_command.action(tool, client, options)


def _options(words: Sequence[str], letters: str) -> Options:
    given, operands = getopt.gnu_getopt(list(words), letters)
    found = dict(given)
    takes_name = "p:" in letters
    return Options(
        is_for_people="-m" in found,
        is_verbose="-v" in found,
        is_ping="-p" in found and not takes_name,
        is_normal="-n" in found,
        parameter=found.get("-p") if takes_name else None,
        operands=tuple(operands),
    )


def _complain_of_option(tool: Tool, name: str, error: getopt.GetoptError) -> None:
    if "requires argument" in error.msg:
        tool.complain(f"{name}: option requires an argument -- '{error.opt}'")
    elif len(error.opt) > 1:
        tool.complain(f"{name}: unrecognized option '--{error.opt}'")
    else:
        tool.complain(f"{name}: invalid option -- '{error.opt}'")


def _hbstatus(tool: Tool, words: Sequence[str]) -> int:
    try:
        options = _options(words, "mv")
    except getopt.GetoptError as error:
        _complain_of_option(tool, "hbstatus", error)
        options = Options()  # 3.0.6 complains and goes on
    try:
        with tool.connect() as client:
            if options.is_verbose:
                _tell_version(tool, client, options)
                return _listnodes(tool, client, options)
    except ApiError as error:
        tool.say("Heartbeat is stopped on this machine.")
        if options.is_verbose:
            tool.say(f"({error.reason})")
        return FAILED
    tool.say("Heartbeat is running on this machine.")
    return OK


def _tell_version(tool: Tool, client: ApiClient, options: Options) -> None:
    version = client.signon.text("hbversion") or ""
    is_crm = (client.signon.text("pacemaker") or "false") not in {"false", "no", "off"}
    manager = "pacemaker" if is_crm else '"haresources"'
    if options.is_for_people:
        tool.say(f"Heartbeat version {version}")
        tool.say(f"Resources controlled by {manager}")
    else:
        tool.say(f"version:\t{version}")
        tool.say(f"managed by:\t{manager}")


def _listnodes(tool: Tool, client: ApiClient, options: Options) -> int:
    answer = client.request("nodelist")
    if not answer.is_ok:
        return tool.fail("Cannot start node walk.", answer.info, NO_ANSWER)
    if options.is_for_people:
        tool.say("The nodes are as follow:")
    for node in reversed(answer.messages):  # 3.0.6 walks its list from the end
        name, kind = node.text("node") or "", node.text("nodetype") or ""
        is_filtered = options.is_ping != options.is_normal  # both or neither: all of them
        if is_filtered and (kind == "ping") != options.is_ping:
            continue
        if not options.is_verbose:
            tool.say(name)
            continue
        tool.say(f"\n{name}\t{node.text('st') or ''}\t(nodetype: {kind})")
        _list_links(tool, client.request("iflist", node=name).messages, options)
    return OK


def _nodestatus(tool: Tool, client: ApiClient, options: Options) -> int:
    name = options.operands[0]
    status = client.request("nodestatus", node=name).text("st")
    if status is None:
        tool.complain("Error. May be due to incorrect node name")
        return WRONG_USAGE
    tool.say(f"The cluster node {name} is {status}" if options.is_for_people else status)
    return FAILED if status == "dead" else OK


def _nodetype(tool: Tool, client: ApiClient, options: Options) -> int:
    name = options.operands[0]
    kind = client.request("nodetype", node=name).text("nodetype")
    if kind is None:
        tool.complain("Error. May be due to incorrect node name")
        return WRONG_USAGE
    tool.say(f"The node {name}'s type: {kind}" if options.is_for_people else kind)
    return OK


def _nodeweight(tool: Tool, client: ApiClient, options: Options) -> int:
    name = options.operands[0]
    weight = client.request("nodeweight", node=name).text("weight")
    if weight is None:
        tool.complain("Error. Maybe due to incorrect node name.")
        return WRONG_USAGE
    is_sentence = options.is_for_people
    tool.say(f"The weight of the cluster node {name} is {weight}" if is_sentence else weight)
    return OK


def _nodesite(tool: Tool, client: ApiClient, options: Options) -> int:
    name = options.operands[0]
    site = client.request("nodesite", node=name).text("site")
    if site is None:
        tool.complain("Error. May be due to incorrect node name")
        return WRONG_USAGE
    tool.say(f"The site of the cluster node {name} is {site}" if options.is_for_people else site)
    return OK


def _listhblinks(tool: Tool, client: ApiClient, options: Options) -> int:
    answer = client.request("iflist", node=options.operands[0])
    if not answer.is_ok:
        return tool.fail("Cannot start heartbeat link interface walk.", answer.info, NO_ANSWER)
    _list_links(tool, answer.messages, options)
    return OK


def _list_links(tool: Tool, links: Sequence[Message], options: Options) -> None:
    if options.is_for_people:
        tool.say("\tthis node has the following heartbeat links:")
    for link in reversed(links):  # 3.0.6 walks its list from the end
        status = f"\t{link.text('st') or ''}" if options.is_verbose else ""
        tool.say(f"\t{link.text('ifname') or ''}{status}")


def _hblinkstatus(tool: Tool, client: ApiClient, options: Options) -> int:
    name, link = options.operands[:2]
    status = client.request("ifstatus", node=name, ifname=link).text("st")
    if status is None:
        return tool.fail("Cannot get heartbeat link status", "", NO_ANSWER)
    sentence = f"The node {name}'s heartbeat link {link} is {status}"
    tool.say(sentence if options.is_for_people else status)
    return FAILED if status == "dead" else OK


def _clientstatus(tool: Tool, client: ApiClient, options: Options) -> int:
    node, name = options.operands[:2]
    timeout_ms = CLIENT_STATUS_MS
    if len(options.operands) > 2:
        text = options.operands[2]
        timeout_ms = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    status = client.client_status(node, name, timeout_ms)
    if status is None:
        text = f"Cannot get heartbeat client {name}'s status"
        return tool.fail(text, "No timely response.", NO_ANSWER)
    tool.say(status)
    return OK if status == "online" else FAILED


def _rscstatus(tool: Tool, client: ApiClient, options: Options) -> int:
    held = client.request("getrsc").text("rsc_hold")
    if held is None:
        tool.log_error("Cannot get cluster resource status of a pacemaker cluster; try crm_mon")
        return FAILED
    tool.say(f"This node is holding {held} resources." if options.is_for_people else held)
    return OK


def _hbparameter(tool: Tool, client: ApiClient, options: Options) -> int:
    name = options.parameter or ""
    value = client.signon.text("hbversion") if name == "hbversion" else None
    value = value or client.request("getparm", pname=name).text("pvalue")
    if value is None:
        return tool.fail(f"Cannot get parameter {name}'s value", "", FAILED)
    sentence = f"Heartbeat parameter {name}'s value: {value}"
    tool.say(sentence if options.is_for_people else value)
    return OK


_PARAMETER: Final = SubCommand(_hbparameter, "mp:")
SUB_COMMANDS: Final = {
    "listnodes": SubCommand(_listnodes, "mpnv"),
    "nodestatus": SubCommand(_nodestatus, operands_min=1, too_few="Not enough parameters."),
    "nodetype": SubCommand(_nodetype, operands_min=1),
    "nodeweight": SubCommand(_nodeweight, operands_min=1, too_few="Not enough parameters."),
    "nodesite": SubCommand(_nodesite, operands_min=1, too_few="Not enough parameters."),
    "listhblinks": SubCommand(_listhblinks, "mv", operands_min=1),
    "hblinkstatus": SubCommand(_hblinkstatus, operands_min=2),
    "clientstatus": SubCommand(_clientstatus, operands_min=2),
    "rscstatus": SubCommand(_rscstatus),
    "hbparameter": _PARAMETER,
    "parameter": _PARAMETER,
}
