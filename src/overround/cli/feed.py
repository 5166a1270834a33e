"""`overround feed`: one channel, live, on the terminal.

The published client follows the channel, reconnects and recovers; this module gives it tokens, writes what it hears
to standard output, and says on standard error whenever something may be missing.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from overround.cli.exits import EXITS_HELP, exit_on_failure
from overround.config import ConfigError

DEFAULT_URL: Final = "http://127.0.0.1:8080"
HTTP_TIMEOUT_S: Final = 10
RECONNECT_DELAY_MAX_S: Final = 2.0
RETRY_S: Final = 1.0  # between two requests for a new token
HASH_SHOWN: Final = 10  # characters of a hash that is not the update's own

# Codes of the client itself, and of the venue (docs/protocols/centrifugo.md).
_BY_US, _UNAUTHORIZED, _INVALID_TOKEN = 0, 1, 3500
_ERRORS_OF_THE_ROAD: Final = (1, 2)  # a timeout, a connection that is not made or breaks
_UNSUBSCRIBED_WHY: Final = {
    102: "there is no such channel; channels are active_orders:MAKER, order_book:market_HASH, order_book:event_ID, "
    "best_odds:global, markets:global, main_line:global, fixtures:global",
    103: "this account may not follow it",
    107: "this is no name for a channel",
}

EPILOG: Final = (
    "Example: **overround feed order_book:event_L1000001** (a sandbox on this machine)\n\n"
    "Elsewhere: **OVERROUND_API_KEY=... overround feed best_odds:global --url https://venue.example --json**\n\n"
    + EXITS_HELP
)


def feed(
    channel: Annotated[str, typer.Argument(help="For example order_book:event_L1000001.", show_default=False)],
    url: Annotated[str, typer.Option(help="Where the venue is.")] = DEFAULT_URL,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="OVERROUND_API_KEY",
            help="Key of an account [default: the first one of the sandbox].",
            show_default=False,
        ),
    ] = None,
    token: Annotated[
        str | None, typer.Option(help="A connection token instead of a key; when it ends, so does this.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")] = False,
) -> None:
    """Print the updates of a channel as they come.

    Reconnects by itself and recovers what was missed; what cannot be recovered is said on standard error. Ctrl-C ends
    it.
    """
    logging.getLogger("centrifuge").addHandler(logging.NullHandler())  # what matters of it is said here
    logging.getLogger("centrifuge").propagate = False
    with exit_on_failure():
        source = _GivenToken(token) if token is not None else _KeyedTokens(_checked(url), api_key)
        asyncio.run(_Tail(channel, _checked(url), source, _as_json if as_json else _as_text).run())


def _checked(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ConfigError(f"--url must begin with http:// or https://, which {url} does not")
    return url.rstrip("/")


# ---- tokens --------------------------------------------------------------------------------------------------------


class _Denied(Exception):
    """The venue does not know the key."""


class _Unreachable(Exception):
    """There is no venue, or none just now."""


class _NotFound(_Unreachable):
    """There is something that does not know the path."""


class _GivenToken:
    """One token, for as long as it lives."""

    can_renew = False

    def __init__(self, token: str) -> None:
        self._token = token

    async def get(self) -> str:
        """The token."""
        return self._token


class _KeyedTokens:
    """Tokens that the venue gives for an API key; a sandbox tells its keys to everybody."""

    can_renew = True

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url = url
        self._api_key = api_key

    async def get(self) -> str:
        """A fresh token. Raises _Denied and _Unreachable."""
        return await asyncio.to_thread(self._fetch)

    def _fetch(self) -> str:
        api_key = self._api_key or self._first_of_sandbox()
        answer = self._ask("/user/realtime-token/api-key", {"X-Api-Key": api_key})
        return str(self._member(answer, "token"))

    def _first_of_sandbox(self) -> str:
        try:
            (account, *_) = self._member(self._ask("/sandbox"), "accounts")
        except _NotFound:
            raise _Denied(
                "an API key is needed: --api-key or OVERROUND_API_KEY (only a sandbox tells its own)"
            ) from None
        return str(self._member(account, "apiKey"))

    def _ask(self, path: str, headers: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(self._url + path, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code in (401, 403):
                raise _Denied(f"{self._url} does not know this API key") from None
            if error.code == 404:
                raise _NotFound(f"{self._url} is no venue of this kind") from None
            raise _Unreachable(f"{self._url} answers {error.code}") from None
        except (OSError, ValueError) as error:  # not there, or not a venue
            reason = getattr(error, "reason", error)
            raise _Unreachable(f"{self._url} cannot be reached: {reason}") from None

    def _member(self, answer: Any, name: str) -> Any:
        if not isinstance(answer, dict) or name not in answer:
            raise _Unreachable(f"{self._url} is no venue of this kind")
        return answer[name]


# ---- following -----------------------------------------------------------------------------------------------------


class _Tail:
    """Follows one channel until it is interrupted or cannot go on."""

    def __init__(
        self,
        channel: str,
        url: str,
        source: _GivenToken | _KeyedTokens,
        lines: Callable[[str, str, Any], Iterator[str]],
    ) -> None:
        self._channel = channel
        self._url = url
        self._source = source
        self._lines = lines
        self._client: Any = None
        self._subscription: Any = None
        self._ended: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._was_connected = False
        self._renewed = False  # since the last connection
        self._epoch = ""
        self._offset: int | None = None  # of the newest update; None before the first subscription

    async def run(self) -> None:
        """Follow. Raises ConfigError when there is nothing to be followed."""
        loop = asyncio.get_running_loop()
        self._ended = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._end, None)
        starting = loop.create_task(self._start())
        starting.add_done_callback(self._started)
        try:
            await self._ended
        finally:
            starting.cancel()
            if self._client is not None:
                await self._client.disconnect()

    async def _start(self) -> None:
        import centrifuge  # only here: these take their time

        from overround.protocols.centrifugo import PATH

        token = await self._source.get()
        events = centrifuge.ClientEventHandler()
        events.on_connected, events.on_connecting = self._on_connected, self._on_connecting
        events.on_disconnected, events.on_error = self._on_disconnected, self._on_error

        async def renew() -> str:
            try:
                return await self._source.get()
            except _Denied as error:
                raise centrifuge.UnauthorizedError from error

        self._client = centrifuge.Client(
            "ws" + self._url.removeprefix("http") + PATH,
            events=events,
            token=token,
            get_token=renew if self._source.can_renew else None,
            name="overround feed",
            max_reconnect_delay=RECONNECT_DELAY_MAX_S,
        )
        heard = centrifuge.SubscriptionEventHandler()
        heard.on_subscribed, heard.on_unsubscribed = self._on_subscribed, self._on_unsubscribed
        heard.on_publication = self._on_publication
        self._subscription = self._client.new_subscription(self._channel, heard, positioned=True, recoverable=True)
        await self._subscription.subscribe()
        await self._client.connect()

    def _started(self, starting: asyncio.Task[None]) -> None:
        if not starting.cancelled() and (error := starting.exception()) is not None:
            is_expected = isinstance(error, _Denied | _Unreachable)
            self._end(ConfigError(str(error)) if is_expected else error)

    def _end(self, why: BaseException | None) -> None:
        """Stop following; None: because it was asked for."""
        assert self._ended is not None
        if self._ended.done():
            return
        if why is None:
            self._ended.set_result(None)
        else:
            self._ended.set_exception(why)

    # ---- what the client says: none of these may raise, or it stops ------------------------------------------------

    async def _on_connected(self, ctx: Any) -> None:
        del ctx
        self._was_connected, self._renewed = True, False

    async def _on_connecting(self, ctx: Any) -> None:
        if self._was_connected and ctx.code != _BY_US:
            _tell(f"the connection is lost ({ctx.reason}), trying again")

    async def _on_error(self, ctx: Any) -> None:
        if not self._was_connected and ctx.code in _ERRORS_OF_THE_ROAD:
            self._end(ConfigError(f"{self._url} cannot be reached: {ctx.error}"))

    async def _on_disconnected(self, ctx: Any) -> None:
        """The client has given up. A venue that was made anew refuses the tokens of the one before; ask it for one."""
        if ctx.code == _BY_US:
            return
        if ctx.code == _INVALID_TOKEN and self._was_connected and not self._renewed and self._source.can_renew:
            self._renewed = True
            task = asyncio.get_running_loop().create_task(self._renew())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif ctx.code == _UNAUTHORIZED:
            what = "API key is not known any more" if self._source.can_renew else "token has ended: give a fresh one"
            self._end(ConfigError(f"{self._url}: the {what}"))
        elif ctx.code == _INVALID_TOKEN:
            self._end(ConfigError(f"{self._url} does not accept this token"))
        else:
            self._end(ConfigError(f"{self._url} has ended the connection: {ctx.code} {ctx.reason}"))

    async def _renew(self) -> None:
        while True:
            try:
                self._client.set_token(await self._source.get())
                break
            except _Unreachable:
                await asyncio.sleep(RETRY_S)
            except _Denied as error:
                self._end(ConfigError(str(error)))
                return
        await self._client.connect()

    async def _on_unsubscribed(self, ctx: Any) -> None:
        if ctx.code != _BY_US:
            why = _UNSUBSCRIBED_WHY.get(ctx.code, "the venue does not serve it")
            self._end(ConfigError(f"{self._channel}: {ctx.reason} ({ctx.code}): {why}"))

    async def _on_subscribed(self, ctx: Any) -> None:
        position = ctx.stream_position
        offset, epoch = (position.offset, position.epoch) if position else (0, "")
        if self._offset is None:
            self._greet(ctx)
        elif position is None:
            _tell("connected again; this channel keeps no history: updates since then are lost")
        elif ctx.recovered:
            _tell("connected again, and nothing is missing")
        elif epoch != self._epoch:
            _tell("connected again, to a venue that knows nothing of the one before: load its state anew")
        else:
            _tell(
                f"connected again, but updates are missing: {self._offset} was the last, {offset} is the newest, "
                "and they are not kept any more; load the state anew"
            )
        if not ctx.recovered:
            self._offset = offset
        self._epoch = epoch

    def _greet(self, ctx: Any) -> None:
        _tell(f"following {self._channel} at {self._url}")
        if isinstance(ctx.data, dict) and "hint" in ctx.data:
            _tell(f"hint: {ctx.data['hint']}")
        if ctx.stream_position is None:
            _tell("this channel keeps no history: what comes while there is no connection will be lost")

    async def _on_publication(self, ctx: Any) -> None:
        publication = ctx.pub
        if publication.offset:
            if self._offset is not None and publication.offset <= self._offset:
                return  # delivered at least once, printed once
            self._offset = publication.offset
        try:
            for line in self._lines(self._channel, self._epoch, publication):
                sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except BrokenPipeError:  # whoever read this has had enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._end(None)


def _tell(text: str) -> None:
    typer.echo(f"overround: {text}", err=True)


# ---- printing ------------------------------------------------------------------------------------------------------


def _updates(publication: Any) -> list[Any]:
    """A publication is a list of updates, or one."""
    return publication.data if isinstance(publication.data, list) else [publication.data]


def _as_json(channel: str, epoch: str, publication: Any) -> Iterator[str]:
    place = {"channel": channel}
    if publication.offset:
        place |= {"epoch": epoch, "offset": publication.offset}
    if message_id := publication.tags.get("messageId"):
        place["messageId"] = message_id
    for update in _updates(publication):
        yield json.dumps({**place, "update": update}, separators=(",", ":"))


def _as_text(channel: str, epoch: str, publication: Any) -> Iterator[str]:
    del channel, epoch
    for update in _updates(publication):
        try:
            yield _order_text(update)
        except (KeyError, TypeError, ValueError, ArithmeticError):  # something else, or of another version
            yield json.dumps(update, separators=(",", ":"), ensure_ascii=False)


def _order_text(update: dict[str, Any]) -> str:
    when = datetime.fromtimestamp(int(update["updateTime"]) / 1000, UTC).isoformat(timespec="milliseconds")
    side = "one" if update["isMakerBettingOutcomeOne"] else "two"
    odds = f"{(Decimal(update['percentageOdds']) / 10**18).normalize():f}"
    amounts = f"size {update['totalBetSize']} filled {update['fillAmount']} pending {update['pendingFillAmount']}"
    return (
        f"{when.removesuffix('+00:00')}Z {update['status']:<8} {update['orderHash']} {update['sportXeventId']} "
        f"{update['marketHash'][:HASH_SHOWN]}… outcome {side} at {odds}% {amounts}"
    )
