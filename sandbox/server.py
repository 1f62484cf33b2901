"""uvicorn, as a test needs it: a connection that can be cut, and a server that stops at once."""

import asyncio
import socket
import threading
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol


class Wire(H11Protocol):
    """HTTP/1.1 with the connection within reach of the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        served = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["sandbox.transport"] = transport
            await served(scope, receive, send)

        self.app = app


class Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        config = uvicorn.Config(
            app,
            http=Wire,
            # the same loop whatever else is installed
            loop="asyncio",
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            date_header=False,
        )
        super().__init__(config)
        self.running = threading.Event()
        self._off = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """From any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._off.set)

    async def main_loop(self) -> None:
        # uvicorn looks ten times a second whether to stop: too slow between tests
        self._loop = asyncio.get_running_loop()
        self.running.set()
        tasks = {asyncio.create_task(super().main_loop()), asyncio.create_task(self._off.wait())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for listening in sockets or []:
            listening.close()
        # whoever is stalled is not waited for
        for connection in list(self.server_state.connections):
            if (transport := connection.transport) is not None:
                transport.abort()
        await asyncio.sleep(0)


def listener(port: int) -> socket.socket:
    """Port 0: a free one."""
    # named TCP, so that asyncio switches Nagle's algorithm off: 40 ms an answer otherwise
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    # from here on a client is queued, not refused
    listening.listen(2048)
    return listening
