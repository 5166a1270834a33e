"""Query strings as real clients write them (`spec/sx.md` 2.1): comma lists, repeated keys, `key[]`."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import parse_qsl

FIELDS_MAX: Final = 4_096  # key=value pairs in one query string
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}


class MalformedQuery(ValueError):
    """A parameter has a value that cannot be read; the message names it."""


class Query:
    """The parameters of one request. Unknown ones are never looked at, and so ignored."""

    __slots__ = ("_values",)

    def __init__(self, query_string: bytes) -> None:
        self._values: dict[str, list[str]] = {}
        if query_string:
            self._read(query_string)

    def _read(self, query_string: bytes) -> None:
        try:
            pairs = parse_qsl(
                query_string.decode("ascii"),
                keep_blank_values=True,
                encoding="utf-8",
                errors="strict",
                max_num_fields=FIELDS_MAX,
            )
        except (UnicodeDecodeError, ValueError):
            raise MalformedQuery("query string is malformed") from None
        for name, value in pairs:
            self._values.setdefault(name.removesuffix("[]"), []).append(value)

    def text(self, *names: str) -> str | None:
        """The last value given under the first of these spellings; empty counts as absent."""
        for name in names:
            if values := self._values.get(name):
                return values[-1] or None
        return None

    def texts(self, *names: str) -> list[str] | None:
        """A list, however it is written; None if the parameter is absent."""
        for name in names:
            if name in self._values:
                return [part for value in self._values[name] for part in value.split(",") if part]
        return None

    def integer(self, *names: str) -> int | None:
        """A whole number of at most 18 digits. Raises MalformedQuery."""
        text = self.text(*names)
        return None if text is None else _integer(names[0], text)

    def integers(self, *names: str) -> list[int] | None:
        """A list of whole numbers. Raises MalformedQuery."""
        texts = self.texts(*names)
        return None if texts is None else [_integer(names[0], text) for text in texts]

    def boolean(self, *names: str) -> bool | None:
        """`true`, `false`, any letter case, `1`, `0`. Raises MalformedQuery."""
        text = self.text(*names)
        if text is None:
            return None
        value = _BOOLEANS.get(text.lower())
        if value is None:
            raise MalformedQuery(f"{names[0]} must be true or false")
        return value


def _integer(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise MalformedQuery(f"{name} must be an integer")
    return int(text)
