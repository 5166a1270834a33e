"""Offers ready-made requests at a steady rate and does not wait for answers: a program of its own.

    python -m benchmarks.flood HOST PORT FILE CONNECTIONS RATE SECONDS

FILE holds raw requests, each behind its length (32 bits, little-endian); when it ends it is begun again. Requests take
turns over the connections and are pipelined. What is due and does not fit into the buffers of its connection is
dropped, as it would be on a line that is too narrow. The program ends by itself after SECONDS, without waiting for
what is still owed, and prints one JSON object: how many requests were offered, how many of them were sent, how many
answers came, and how many of those by status.
"""

import json
import re
import selectors
import socket
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field

SECONDS_MAX = 600.0
TICK_S = 0.002
BACKLOG_BYTES_MAX = 256 * 1024  # of one connection, unsent
RECEIVE_BYTES = 256 * 1024
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3})")
_STATUS_LENGTH = len(b"HTTP/1.1 200")


@dataclass
class Line:
    """One connection."""

    socket: socket.socket
    backlog: bytearray = field(default_factory=bytearray)
    tail: bytes = b""

    def write(self) -> None:
        """Send what the socket takes."""
        with suppress(BlockingIOError):
            del self.backlog[: self.socket.send(self.backlog)]

    def read(self, statuses: Counter[str]) -> bool:
        """Count the answers that came; False when the other side closed."""
        try:
            received = self.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return True
        text = self.tail + received
        statuses.update(found.decode() for found in _STATUS.findall(text))
        self.tail = text[-(_STATUS_LENGTH - 1) :]
        return bool(received)


def read_requests(path: str) -> list[bytes]:
    """The requests of a file."""
    with open(path, "rb") as file:
        requests = []
        while size := file.read(4):
            requests.append(file.read(int.from_bytes(size, "little")))
    return requests


def connect(host: str, port: int) -> Line:
    """A connection."""
    opened = socket.create_connection((host, port), timeout=10)
    opened.setblocking(False)
    return Line(opened)


def flood(host: str, port: int, requests: list[bytes], connections: int, rate: float, seconds: float) -> dict[str, int]:
    """Offer them."""
    with ExitStack() as sockets:
        lines = [connect(host, port) for _ in range(connections)]
        reading = sockets.enter_context(selectors.DefaultSelector())
        for line in lines:
            sockets.enter_context(line.socket)
            reading.register(line.socket, selectors.EVENT_READ, line)
        return _offer(lines, reading, requests, rate, seconds)


def _offer(
    lines: list[Line], reading: selectors.BaseSelector, requests: list[bytes], rate: float, seconds: float
) -> dict[str, int]:
    statuses: Counter[str] = Counter()
    offered = sent = 0
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < seconds:
        while offered < elapsed * rate:
            line = lines[offered % len(lines)]
            request = requests[offered % len(requests)]
            offered += 1
            if len(line.backlog) < BACKLOG_BYTES_MAX:
                line.backlog += request
                sent += 1
        for line in lines:
            if line.backlog:
                line.write()
        for key, _ in reading.select(0):
            if not key.data.read(statuses):
                raise SystemExit("flood: the server closed a connection")
        time.sleep(TICK_S)
    return {"offered": offered, "sent": sent, "answered": sum(statuses.values()), **statuses}


def main(arguments: list[str]) -> None:
    """Read the command line."""
    host, port, path, connections, rate, seconds = arguments
    if not 0 < float(seconds) <= SECONDS_MAX:
        raise SystemExit(f"flood: at most {SECONDS_MAX:.0f} seconds")
    print(json.dumps(flood(host, int(port), read_requests(path), int(connections), float(rate), float(seconds))))


if __name__ == "__main__":
    main(sys.argv[1:])
