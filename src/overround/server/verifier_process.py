"""A process that recovers signers for a venue and does nothing else: it has no state, and ends with its venue.

    python -m overround.server.verifier_process

Standard input is a connected stream socket. A question is a digest and a signature, an answer the address of the
signer, zeros where no key could have signed; answers come in the order of the questions.
"""

from __future__ import annotations

import signal
import socket
import sys
from contextlib import suppress
from typing import Final

from overround.signing.recover import SignatureValueError, recover_address

DIGEST_BYTES: Final = 32
QUESTION_BYTES: Final = DIGEST_BYTES + 65
ANSWER_BYTES: Final = 20
NOBODY: Final = bytes(ANSWER_BYTES)
ANSWERS_AT_ONCE: Final = 32  # recovered before they are sent: about a millisecond
_READ_BYTES: Final = 256 * 1024


def answer_to(question: bytes) -> bytes:
    """The address that signed, or zeros."""
    try:
        return recover_address(question[:DIGEST_BYTES], question[DIGEST_BYTES:]) or NOBODY
    except SignatureValueError:
        return NOBODY


def serve(connection: socket.socket) -> None:
    """Answer until the other side closes."""
    unread = b""
    while data := connection.recv(_READ_BYTES):
        unread += data
        whole = len(unread) // QUESTION_BYTES * QUESTION_BYTES
        questions = [unread[at : at + QUESTION_BYTES] for at in range(0, whole, QUESTION_BYTES)]
        unread = unread[whole:]
        for first in range(0, len(questions), ANSWERS_AT_ONCE):
            connection.sendall(b"".join(map(answer_to, questions[first : first + ANSWERS_AT_ONCE])))


def main() -> None:
    """Serve on standard input. Ctrl-C is for the venue, which then closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection = socket.socket(fileno=sys.stdin.fileno())
    with connection, suppress(BrokenPipeError, ConnectionResetError):  # the venue is gone
        serve(connection)


if __name__ == "__main__":
    main()
