"""The gateway: HELLO, IDENTIFY, RESUME, heartbeats, sequence numbers and replay, over WebSockets."""

import asyncio
import contextlib
import json
import logging
import secrets
import zlib
from collections import deque
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from local_discord import payloads
from local_discord.intents import Intent, blank, heard
from local_discord.model import ChannelType, Event, Json
from local_discord.permissions import Permission
from local_discord.world import World

log = logging.getLogger(__name__)

ACK_AFTER = 0.1
"""Seconds until a heartbeat is answered."""
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME, RECONNECT, REQUEST_MEMBERS = 0, 1, 2, 3, 4, 6, 7, 8
INVALID_SESSION, HELLO, ACK = 9, 10, 11
MESSAGES = {"MESSAGE_CREATE", "MESSAGE_UPDATE"}
REPLAYED = 5000


class Connection:
    """One socket. Frames are sent in order through a queue, compressed if the client asked for it."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, *, compress: bool
    ) -> None:
        self.socket = socket
        self._transport = transport
        self._deflate = zlib.compressobj() if compress else None
        self._frames: asyncio.Queue[Json | None] = asyncio.Queue()
        self.session: Session | None = None

    def send(self, op: int, data: Any, *, name: str | None = None, sequence: int | None = None) -> None:
        self._frames.put_nowait({"op": op, "d": data, "t": name, "s": sequence})

    async def write(self) -> None:
        """Sends frames until the socket closes."""
        while (frame := await self._frames.get()) is not None:
            text = json.dumps(frame, separators=(",", ":"))
            with contextlib.suppress(ConnectionError, RuntimeError):
                if self._deflate:
                    data = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    await self.socket.send_bytes(data)
                else:
                    await self.socket.send_str(text)

    def abort(self) -> None:
        """Closes the connection without a close frame, like a broken network."""
        self.detach()
        if self._transport is not None:
            self._transport.abort()

    async def close(self, code: int) -> None:
        self.detach()
        await self.socket.close(code=code)

    def detach(self) -> None:
        if self.session and self.session.connection is self:
            self.session.connection = None
            self.session.left = asyncio.get_running_loop().time()

    def end(self) -> None:
        self._frames.put_nowait(None)


class Session:
    """The session of one IDENTIFY. It is kept for a while after its connection is lost, for RESUME."""

    def __init__(self, world: World, intents: int, shard: tuple[int, int]) -> None:
        self.id = secrets.token_hex(16)
        self.intents = intents
        self.shard = shard
        self.sequence = 0
        self.connection: Connection | None = None
        self.left = 0.0
        self._world = world
        self._replay: deque[tuple[int, str, Json]] = deque(maxlen=REPLAYED)

    def concerns(self, guild_id: int | None) -> bool:
        at, of = self.shard
        return (guild_id >> 22) % of == at if guild_id else at == 0

    def dispatch(self, name: str, data: Json) -> None:
        self.sequence += 1
        self._replay.append((self.sequence, name, data))
        if self.connection:
            self.connection.send(DISPATCH, data, name=name, sequence=self.sequence)

    def take(self, event: Event) -> None:
        """Sends an event if the application may receive it."""
        if not self.concerns(event.guild_id) or not heard(event, self.intents):
            return
        me = self._world.app.user.id
        if event.channel is not None and event.name != "INTERACTION_CREATE":
            if not self._world.may(me, event.channel, Permission.VIEW_CHANNEL):
                return
            if event.channel.type is ChannelType.DM and event.name == "MESSAGE_CREATE":
                self._introduce(event)
        data = payloads.event_payload(self._world, event)
        if event.name in MESSAGES and not self.intents & Intent.MESSAGE_CONTENT:
            data = blank(data, str(me))
        self.dispatch(event.name, data)

    def _introduce(self, event: Event) -> None:
        channel = event.channel
        if channel and len(self._world.messages.get(channel.id, {})) == 1:
            self.dispatch("CHANNEL_CREATE", payloads.channel_payload(channel))

    def can_replay(self, after: int) -> bool:
        return after <= self.sequence and (not self._replay or after >= self._replay[0][0] - 1)

    def replay(self, after: int) -> None:
        assert self.connection
        for sequence, name, data in self._replay:
            if sequence > after:
                self.connection.send(DISPATCH, data, name=name, sequence=sequence)


class Gateway:
    """All sessions. `drop`, `reconnect`, `invalidate` and `close` inject faults of connections."""

    def __init__(
        self, world: World, *, heartbeat_seconds: float = 41.25, resumable_seconds: float = 120.0
    ) -> None:
        self.world = world
        self.heartbeat_seconds = heartbeat_seconds
        self.resumable_seconds = resumable_seconds
        self.url = ""
        self.identified = 0
        self.resumed = 0
        self._sessions: dict[str, Session] = {}
        self._connections: set[Connection] = set()
        self._unlisten = world.listen(self._spread)

    def _spread(self, event: Event) -> None:
        self._forget_old()
        for session in self._sessions.values():
            session.take(event)

    def _forget_old(self) -> None:
        now = asyncio.get_running_loop().time() if self._sessions else 0.0
        for session in list(self._sessions.values()):
            if session.connection is None and now - session.left > self.resumable_seconds:
                del self._sessions[session.id]

    @property
    def connected(self) -> int:
        """Number of connections that have a session."""
        return sum(session.connection is not None for session in self._sessions.values())

    # Faults

    def drop(self, *, resumable: bool = True) -> None:
        """Drops every connection; without `resumable`, also removes the sessions."""
        if not resumable:
            self._sessions.clear()
        for connection in list(self._connections):
            connection.abort()

    def reconnect(self) -> None:
        """Asks every client to reconnect and resume (opcode 7)."""
        for connection in list(self._connections):
            connection.send(RECONNECT, None)

    def invalidate(self, *, resumable: bool = False) -> None:
        """Tells every client that its session is no longer valid (opcode 9)."""
        for connection in list(self._connections):
            connection.send(INVALID_SESSION, resumable)
        if not resumable:
            self._sessions.clear()

    async def close(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        """Closes every connection with a close code."""
        for connection in list(self._connections):
            await connection.close(code)

    async def strike(self, what: str | int, *, resumable: bool = True) -> None:
        """Injects one of these faults by name, or closes with a close code."""
        if isinstance(what, int):
            await self.close(what)
        elif what == "drop":
            self.drop(resumable=resumable)
        elif what == "reconnect":
            self.reconnect()
        elif what == "invalidate":
            self.invalidate(resumable=resumable)
        else:
            raise ValueError("the gateway knows drop, reconnect, invalidate or a close code")

    def stop(self) -> None:
        self._unlisten()

    # One connection

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(max_msg_size=0, compress=False)
        await socket.prepare(request)
        compress = request.query.get("compress") == "zlib-stream"
        transport = request.transport
        connection = Connection(
            socket, transport if isinstance(transport, asyncio.Transport) else None, compress=compress
        )
        self._connections.add(connection)
        connection.send(HELLO, {"heartbeat_interval": int(self.heartbeat_seconds * 1000), "_trace": []})
        writer = asyncio.create_task(connection.write())
        try:
            await self._read(connection)
        finally:
            self._connections.discard(connection)
            connection.detach()
            connection.end()
            await writer
        return socket

    async def _read(self, connection: Connection) -> None:
        socket = connection.socket
        while not socket.closed:
            try:
                received = await socket.receive(timeout=self.heartbeat_seconds * 2)
            except TimeoutError:
                await connection.close(4009)
                return
            if received.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                return
            try:
                frame = json.loads(received.data)
                op = frame["op"]
            except (ValueError, KeyError, TypeError):
                await connection.close(4002)
                return
            if code := self._react(connection, op, frame.get("d")):
                await connection.close(code)
                return

    def _react(self, connection: Connection, op: int, data: Any) -> int | None:
        """Handles a frame. A number is the code to close the connection with."""
        if op == HEARTBEAT:
            # discord.py notes when it sent a heartbeat only afterwards, in another thread: an answer that comes sooner
            # than any network's looks to it like one to the heartbeat before
            asyncio.get_running_loop().call_later(ACK_AFTER, connection.send, ACK, None)
        elif op == IDENTIFY:
            return self._identify(connection, data)
        elif op == RESUME:
            return self._resume(connection, data)
        elif connection.session is None:
            return 4003
        elif op == REQUEST_MEMBERS:
            self._members(connection.session, data)
        elif op not in (PRESENCE, VOICE):
            return 4001
        return None

    def _identify(self, connection: Connection, data: Json) -> int | None:
        app = self.world.app
        if connection.session:
            return 4005
        if data.get("token") != app.token:
            return 4004
        intents = data.get("intents")
        if not isinstance(intents, int) or not 0 <= intents < 1 << 26:
            return 4013
        if intents & Intent.MESSAGE_CONTENT and not app.message_content:
            return 4014
        if intents & Intent.GUILD_MEMBERS and not app.members_intent:
            return 4014
        at, of = data.get("shard") or (0, 1)
        if not 0 <= at < of:
            return 4010
        self.identified += 1
        session = Session(self.world, intents, (at, of))
        self._sessions[session.id] = session
        self._attach(connection, session)
        guilds = [g for g in self.world.guilds.values() if session.concerns(g.id)]
        application = payloads.application_payload(self.world)
        ready: Json = {
            "v": 10,
            "user": payloads.own_user_payload(app.user),
            "guilds": [{"id": str(g.id), "unavailable": True} for g in guilds],
            "session_id": session.id,
            "session_type": "normal",
            "resume_gateway_url": self.url,
            "application": {"id": str(app.id), "flags": application["flags"]},
            "private_channels": [],
            "relationships": [],
        }
        if data.get("shard"):
            ready["shard"] = [at, of]
        session.dispatch("READY", ready)
        if intents & Intent.GUILDS:
            for guild in guilds:
                members = bool(intents & Intent.GUILD_MEMBERS)
                session.dispatch(
                    "GUILD_CREATE", payloads.gateway_guild_payload(self.world, guild, members=members)
                )
        return None

    def _resume(self, connection: Connection, data: Json) -> int | None:
        if data.get("token") != self.world.app.token:
            return 4004
        session = self._sessions.get(data.get("session_id", ""))
        sequence = data.get("seq") or 0
        if session is None or not session.can_replay(sequence):
            connection.send(INVALID_SESSION, False)
            return None
        self.resumed += 1
        self._attach(connection, session)
        session.replay(sequence)
        session.dispatch("RESUMED", {"_trace": []})
        return None

    def _attach(self, connection: Connection, session: Session) -> None:
        if old := session.connection:
            old.abort()
        connection.session = session
        session.connection = connection

    def _members(self, session: Session, data: Json) -> None:
        guild = self.world.guilds.get(int(data["guild_id"]))
        if guild is None:
            return
        members = list(guild.members.values())
        not_found: list[str] = []
        if wanted := data.get("user_ids"):
            ids = {str(user) for user in (wanted if isinstance(wanted, list) else [wanted])}
            members = [m for m in members if str(m.user.id) in ids]
            not_found = sorted(ids - {str(m.user.id) for m in members})
        elif query := data.get("query"):
            members = [m for m in members if m.user.username.startswith(query.lower())]
            members = members[: data.get("limit") or 100]
        elif not session.intents & Intent.GUILD_MEMBERS:
            members = []
        chunk: Json = {
            "guild_id": str(guild.id),
            "members": [payloads.member_payload(m) for m in members],
            "chunk_index": 0,
            "chunk_count": 1,
            "not_found": not_found,
        }
        if data.get("nonce"):
            chunk["nonce"] = data["nonce"]
        session.dispatch("GUILD_MEMBERS_CHUNK", chunk)
