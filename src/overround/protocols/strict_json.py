"""The one strict decoder of request bodies.

What is verified is what is executed: a body is decoded once, into one typed value, so that of duplicate keys the
last one wins everywhere alike.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, TypeVar, cast

import msgspec

_T = TypeVar("_T")


class MalformedBody(ValueError):
    """The body is no JSON object of the wanted shape; the message says where."""


@cache  # one decoder per wire type
def _decoder(wanted: Hashable) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(cast("type", wanted))


def decode_body(body: bytes, wanted: type[_T]) -> _T:
    """Decode a JSON object into a wire struct. Raises MalformedBody.

    Unknown members are ignored (`spec/sx.md` 2.1), but not what is no JSON text at all: invalid UTF-8 is refused
    even inside them (`spec/decisions.md` C10), and depth is bounded by the recursion limit, which start-up asserts.
    """
    try:
        body.decode()
        return cast("_T", _decoder(cast("Hashable", wanted)).decode(body))
    except msgspec.ValidationError as error:
        raise MalformedBody(_located(str(error))) from None
    except msgspec.DecodeError:
        raise MalformedBody("body must be a JSON object") from None
    except UnicodeDecodeError:
        raise MalformedBody("body must be UTF-8") from None
    except RecursionError:
        raise MalformedBody("body is nested too deeply") from None


def _located(message: str) -> str:
    """`Expected `str`, got `int` - at `$.salt`` becomes `salt: expected `str`, got `int``."""
    what, _, where = message.partition(" - at `$")
    what = what[:1].lower() + what[1:]
    where = where.rstrip("`").lstrip(".")
    return f"{where}: {what}" if where else what


def encode(value: Any) -> bytes:
    """JSON with exact integers."""
    return msgspec.json.encode(value)
