"""The client API on a real socket without the rest of the daemon: for tests of tools."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from everbeat.adapters.client_socket import ClientSocket
from everbeat.clients.api import ClientApi
from everbeat.clients.orders import AskStandby, Disconnect, Reply
from everbeat.model.cluster import ApiAuthorization, HaConfig, Medium, MediumKind
from everbeat.model.groups import ManagerView
from everbeat.model.members import (
    LinkStatus,
    MembershipView,
    NodeKind,
    NodeStatus,
    NodeView,
)
from everbeat.model.names import LinkName, NodeName

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from everbeat.clients.authorization import Credentials
    from everbeat.clients.orders import ApiWish
    from everbeat.model.membership import Broadcast, MembershipFact
    from everbeat.model.message import Message

ALPHA, BETA, PING = NodeName("alpha"), NodeName("beta"), NodeName("10.77.0.100")
ETH0 = LinkName("eth0")


def config_of(own: NodeName = ALPHA, *rules: ApiAuthorization) -> HaConfig:
    return HaConfig(
        node=own,
        nodes=(ALPHA, BETA),
        media=(
            Medium(kind=MediumKind.BCAST, link=ETH0, interface="eth0"),
            Medium(kind=MediumKind.PING, link=LinkName(PING), hosts=(PING,)),
        ),
        apiauth=rules,
        parameters=(
            ("keepalive", "500ms"),
            ("deadtime", "3"),
            ("udpport", "694"),
            ("auto_failback", "on"),
        ),
    )


def view_of(own: NodeName = ALPHA, beta: NodeStatus = NodeStatus.ACTIVE) -> MembershipView:
    up = ((ETH0, LinkStatus.UP),)
    return MembershipView(
        own=own,
        nodes=(
            NodeView(ALPHA, NodeKind.NORMAL, NodeStatus.ACTIVE, uuid=b"a" * 16, links=up),
            NodeView(BETA, NodeKind.NORMAL, beta, uuid=b"b" * 16, links=up),
            NodeView(
                PING, NodeKind.PING, NodeStatus.PING, links=((LinkName(PING), LinkStatus.UP),)
            ),
        ),
        is_communication_up=True,
    )


def manager_of(own: NodeName = ALPHA, holds: str = "local", state: str = "stable") -> ManagerView:
    from everbeat.model.groups import AutoFailback  # noqa: PLC0415 - beside its only use

    return ManagerView(
        own=own,
        auto_failback=AutoFailback.ON,
        state=state,
        holds=holds,
        peer_holds=((BETA, "local", True),),
        groups=(),
    )


class ApiDaemon:
    """Serves the client API on `path` in a thread; `broadcasts` is what clients sent."""

    def __init__(self, path: Path, *rules: ApiAuthorization) -> None:
        self._api = ClientApi(config_of(ALPHA, *rules), ALPHA)
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_open = threading.Event()
        self.view = view_of()
        self.manager = manager_of()
        self.broadcasts: list[Broadcast] = []
        self.standbys: list[str] = []
        self.gone: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_open.wait(10)
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        self._socket = ClientSocket(self._path, self)
        self._loop.run_until_complete(self._socket.open())
        self._loop.call_soon(self._is_open.set)
        self._loop.run_forever()
        self._loop.run_until_complete(self._socket.close())
        self._loop.run_until_complete(asyncio.sleep(0.01))
        self._loop.close()

    def hear(self, fact: MembershipFact) -> None:
        """Take a fact of the cluster."""
        self._loop.call_soon_threadsafe(lambda: self._carry_out(self._api.on_membership(fact)))

    def on_client_connected(self, client: int, credentials: Credentials) -> None:
        self._carry_out(self._api.on_connect(client, credentials, 0))

    def on_client_message(self, client: int, message: Message) -> None:
        self._carry_out(self._api.on_message(client, message, self.view, self.manager, 0))

    def on_client_gone(self, client: int, reason: str) -> None:
        self.gone.append(reason)
        self._carry_out(self._api.on_disconnect(client))

    def _carry_out(self, orders: Sequence[ApiWish]) -> None:
        for order in orders:
            if isinstance(order, Reply | Disconnect):
                self._socket.carry_out(order)
            elif isinstance(order, AskStandby):
                self.standbys.append(order.word)
            else:
                self.broadcasts.append(order)
