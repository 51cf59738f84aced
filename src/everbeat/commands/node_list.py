"""hb_addnode and hb_delnode: change the node list of a running cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everbeat.commands.cluster_request import RequestError, ask
from everbeat.ipc.messages import SendMessage
from everbeat.model.message import message_of
from everbeat.model.names import is_node_name, node_name_from_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TextIO

    from everbeat.commands.places import Places


def change_nodes(
    kind: str,
    program: str,
    arguments: Sequence[str],
    places: Places,
    out: TextIO,
    err: TextIO,
) -> int:
    """Broadcast addnode or delnode (`kind`) for the nodes named; return the exit code."""
    if not arguments or arguments[0] in {"--help", "-h"}:
        print(f"usage: {program} <node> <node> ...", file=out)
        return 1
    names = [node_name_from_text(word) for word in arguments]
    wrong = [name for name in names if not is_node_name(name)]
    if wrong:
        print(f"{program}: not a node name: {' '.join(wrong)}", file=err)
        return 1
    message = message_of(t=kind, nodelist=" ".join(names))
    try:
        answer = ask(places, SendMessage(message), message)
    except RequestError as error:
        print(f"{program}: {error}", file=err)
        return 1
    if answer is not None and not answer.is_accepted:
        print(f"{program}: refused: {answer.text}", file=err)
        return 1
    if answer is not None and kind == "delnode":
        print(
            f"all nodes are told to forget {' '.join(names)}, unless it is active; ha.cf still",
            file=out,
        )
        print("names it: delete its lines on one node, then everbeat reload --all", file=out)
    elif answer is not None:
        print(f"all nodes are told of {' '.join(names)}, until they are restarted;", file=out)
        print("for good: everbeat invite, and everbeat join on the new machine", file=out)
    return 0
