"""A frame of the action socket (`spec/nado.md` 10): an execute or a query, the same JSON as over HTTP."""

from __future__ import annotations

from overround.protocols.nado.decode import decode_execute, is_query
from overround.protocols.nado.digests import Domain
from overround.protocols.nado.queries import Query, decode_query
from overround.protocols.nado.requests import Execute


def decode_frame(frame: bytes, domain: Domain) -> Execute | Query:
    """Decode one text frame. Raises `GatewayError`; what is neither is refused like an execute (2038)."""
    return decode_query(frame) if is_query(frame) else decode_execute(frame, domain)
