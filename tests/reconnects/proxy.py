"""A road between clients and a venue that can be cut: TCP on the loopback, with faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from types import TracebackType
from typing import Final

CHUNK_BYTES: Final = 64 * 1024
_RESET_AT_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


def free_port() -> int:
    """A port that a server can come back to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def socket_url(port: int) -> str:
    """Where clients of the feeds connect."""
    return f"ws://127.0.0.1:{port}/connection/websocket"


class Link:
    """One connection of a client and its counterpart to the venue."""

    def __init__(self, client: asyncio.StreamWriter, venue: asyncio.StreamWriter) -> None:
        self.client = client
        self.venue = venue
        self.is_mute = False  # nothing reaches the venue any more
        self.is_deaf = False  # nothing reaches the client any more

    def reset(self) -> None:
        """RST to both sides, and whatever was on its way is gone."""
        for writer in (self.client, self.venue):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_AT_CLOSE)
            writer.transport.abort()


class Proxy:
    """Forwards `127.0.0.1:port` to another port; a context manager that leaves nothing open."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._links: dict[Link, None] = {}
        self._pumps: set[asyncio.Task[None]] = set()
        self._is_cut = False

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.reset()
        for pump in list(self._pumps):
            pump.cancel()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        """Where clients connect."""
        assert self._server is not None
        number: int = self._server.sockets[0].getsockname()[1]
        return number

    # ---- faults ---------------------------------------------------------------------------------------------------

    def reset(self) -> int:
        """Reset every connection; new ones are welcome. Returns how many there were."""
        links, self._links = self._links, {}
        for link in links:
            link.reset()
        return len(links)

    def swallow(self) -> None:
        """Every connection stays open and carries nothing any more, in either direction."""
        for link in self._links:
            link.is_mute = link.is_deaf = True

    def mute(self) -> None:
        """What clients say on their open connections is not heard any more."""
        for link in self._links:
            link.is_mute = True

    def cut(self) -> None:
        """Reset every connection, and every new one too, until `mend`."""
        self._is_cut = True
        self.reset()

    def mend(self) -> None:
        """New connections are welcome again."""
        self._is_cut = False

    # ---- inside ---------------------------------------------------------------------------------------------------

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self._is_cut:
                raise ConnectionRefusedError
            venue_reader, venue_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        link = Link(writer, venue_writer)
        if self._is_cut:
            link.reset()
            return
        self._links[link] = None
        for source, drain in ((reader, False), (venue_reader, True)):
            pump = asyncio.create_task(self._pump(link, source, to_client=drain))
            self._pumps.add(pump)
            pump.add_done_callback(self._pumps.discard)

    async def _pump(self, link: Link, source: asyncio.StreamReader, *, to_client: bool) -> None:
        """One direction. When it ends, the connection does; one that is swallowed ends unseen."""
        target = link.client if to_client else link.venue
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                if not (link.is_deaf if to_client else link.is_mute):
                    target.write(data)
                    await target.drain()
        if link.is_mute and link.is_deaf:
            return
        self._links.pop(link, None)
        for writer in (link.client, link.venue):
            writer.close()
