"""What a handler sees of HTTP: a whole request in, a whole response out."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from overround.protocols.query import Query
from overround.server.lanes import Sender

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"

_SLASHES: Final = re.compile("//+")

Headers = list[tuple[bytes, bytes]]


def single_slashes(path: str) -> str:
    """A path without double slashes: some clients join their base URL and a path with both."""
    return _SLASHES.sub("/", path) if "//" in path else path


class Request(msgspec.Struct, gc=False):
    """A request whose body has arrived completely. Header names are lower case."""

    method: str
    path: str
    query_string: bytes
    headers: Headers
    body: bytes
    client: str
    request_id: str
    sender: Sender  # the connection, as a source of signed requests
    path_params: dict[str, str] = {}
    payer: str | bytes = ""  # whose budget it is charged to (`limits.py`)
    is_charged: bool = False  # a cancel, once its signer is known

    def header(self, name: bytes) -> str | None:
        """The first header of this name, as text."""
        for found, value in self.headers:
            if found == name:
                return value.decode("latin-1")
        return None

    @property
    def query(self) -> Query:
        """The query parameters. Raises MalformedQuery."""
        return Query(self.query_string)


class Response(msgspec.Struct, gc=False):
    """An answer."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    code: str = ""  # the error code, for the log
    headers: Headers = []


Handler = Callable[[Request], Awaitable[Response]]
