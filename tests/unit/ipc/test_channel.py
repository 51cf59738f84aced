"""Sockets between our processes."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import pytest

from everbeat.ipc.channel import Channel, bound_socket, connect, listen
from everbeat.ipc.client import CoreClient
from everbeat.ipc.codec import Codec, Hello, IpcError, NotRunning
from everbeat.ipc.frames import FRAME_BYTES_MAX, FrameError, FrameSplitter, frame
from everbeat.ipc.messages import CORE_TYPES, Answer, EventsReply, GetEvents, RequestStandby

if TYPE_CHECKING:
    from pathlib import Path

CODEC = Codec(CORE_TYPES)


async def answer_all(channel: Channel) -> None:
    async for value in channel:
        channel.send_nowait(Answer(is_accepted=True, text=type(value).__name__))


def test_a_request_is_answered_and_the_peer_is_known(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "core.sock"
        listener = await listen(path, CODEC, answer_all)
        assert path.stat().st_mode & 0o777 == 0o600
        channel = await connect(path, CODEC, program="test")
        assert (channel.peer.pid, channel.peer.uid) == (os.getpid(), os.getuid())
        channel.send_nowait(RequestStandby("all"))
        assert await channel.receive() == Answer(is_accepted=True, text="RequestStandby")
        await listener.close()
        assert await channel.receive() is None
        assert not channel.send_nowait(RequestStandby("all"))

    asyncio.run(scenario())


def test_a_stale_socket_file_is_replaced_and_a_live_one_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "core.sock"
        bound_socket(path, 0o600).close()
        listener = await listen(path, CODEC, answer_all, mode=0o660)
        assert path.stat().st_mode & 0o777 == 0o660
        with pytest.raises(IpcError, match="another process"):
            await listen(path, CODEC, answer_all)
        await listener.close()

    asyncio.run(scenario())


def test_nobody_listening_is_not_running(tmp_path: Path) -> None:
    async def scenario() -> None:
        with pytest.raises(NotRunning):
            await connect(tmp_path / "core.sock", CODEC)

    asyncio.run(scenario())
    with pytest.raises(NotRunning, match="not running here"):
        CoreClient(tmp_path).request(RequestStandby("all"))


def test_another_protocol_version_is_a_clear_error(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "core.sock"
        listener = await listen(path, CODEC, answer_all)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(frame(CODEC.encode(Hello("old tool", version=99))))
        data = await asyncio.wait_for(reader.read(), 5)
        assert len(FrameSplitter().feed(data)) == 1, "the server's own Hello, then the end"
        assert listener.rejected_count == 1
        writer.close()
        await listener.close()

        async def old_server(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(frame(CODEC.encode(Hello("everbeat", version=0))))
            writer.close()

        server = await asyncio.start_unix_server(old_server, tmp_path / "old.sock")
        with pytest.raises(IpcError, match="protocol version 0"):
            await connect(tmp_path / "old.sock", CODEC)
        server.close()

    asyncio.run(scenario())


def test_a_user_who_is_not_listed_is_turned_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "core.sock"
        refusing = await listen(path, CODEC, answer_all, allowed_uids=[os.getuid() + 1])
        with pytest.raises(IpcError):
            await connect(path, CODEC)
        assert refusing.rejected_count == 1
        await refusing.close()
        allowing = await listen(
            path, CODEC, answer_all, allowed_uids=[], allowed_gids=[os.getgid()]
        )
        channel = await connect(path, CODEC)
        await channel.close()
        await allowing.close()

    asyncio.run(scenario())


def test_a_slow_reader_is_dropped_with_a_reason_and_never_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        reasons: list[str] = []
        served = asyncio.Event()

        async def flood(channel: Channel) -> None:
            channel.on_dropped = reasons.append
            while channel.send_nowait(Answer(is_accepted=True, text="x" * 1_000_000)):
                pass
            served.set()

        listener = await listen(tmp_path / "core.sock", CODEC, flood)
        channel = await connect(tmp_path / "core.sock", CODEC)
        await asyncio.wait_for(served.wait(), 5)
        assert len(reasons) == 1
        assert "too slowly" in reasons[0]
        channel.drop("done")
        await listener.close()

    asyncio.run(scenario())


def test_a_frame_above_the_limit_is_an_error() -> None:
    with pytest.raises(FrameError):
        frame(bytes(FRAME_BYTES_MAX + 1))
    with pytest.raises(FrameError):
        FrameSplitter().feed(b"\xff\xff\xff\xff")


def test_garbage_ends_the_connection_only(tmp_path: Path) -> None:
    async def scenario() -> None:
        path = tmp_path / "core.sock"
        listener = await listen(path, CODEC, answer_all)
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(frame(CODEC.encode(Hello("test"))) + frame(b"\xc1 nonsense"))
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        channel = await connect(path, CODEC)
        channel.send_nowait(RequestStandby("all"))
        assert await channel.receive() is not None
        await channel.close()
        await listener.close()

    asyncio.run(scenario())


def test_tools_without_asyncio_ask_and_follow(tmp_path: Path) -> None:
    async def serve(channel: Channel) -> None:
        async for value in channel:
            if isinstance(value, GetEvents):
                channel.send_nowait(EventsReply(()))
                channel.send_nowait(EventsReply(()))
                return
            channel.send_nowait(Answer(is_accepted=False, text="no"))

    def ask() -> list[object]:
        with CoreClient(tmp_path) as client:
            reply = client.request(RequestStandby("all"))
            return [reply, *client.stream(GetEvents(is_followed=True))]

    async def scenario() -> list[object]:
        listener = await listen(tmp_path / "core.sock", CODEC, serve)
        replies = await asyncio.to_thread(ask)
        await listener.close()
        return replies

    assert asyncio.run(scenario()) == [
        Answer(is_accepted=False, text="no"),
        EventsReply(()),
        EventsReply(()),
    ]


def test_a_silent_core_is_an_error_in_time(tmp_path: Path) -> None:
    listening = bound_socket(tmp_path / "core.sock", 0o600)
    with pytest.raises(IpcError, match="no answer within"):
        CoreClient(tmp_path).request(RequestStandby("all"), timeout_s=0.05)
    listening.close()
