"""Market days: tests that read like the market, one line per command with its expected answer.

    # The whole balance may be offered on every market.
    fixture  cup  starts +1h                        -> ok
    market   A cup                                  -> ok
    balance  alice 100                              -> ok
    place    alice  a1 A one 50, a2 A two 50.000001 -> ok, insufficient_balance
    cancel   alice  a1 0xabc...  as c1              -> a1 cancelled, 0xabc... not_found_or_inactive
    again    c1                                     -> already_processed
    open     alice                                  -> nothing

`parse` reads such a text and `play` plays it on a floor (`floors.py`): the engine alone, a venue in this process on a
real data folder, or a server in another process. The answers are the same everywhere, or `Mismatch` names the line.

Lines, where `[...]` may be left out; amounts are nominal units of USDC, odds are percent, times are like `90s`, `10m`,
`1h30m`, and `+` or `-` is seen from now:

    rows     EXP-01 EXP-02                          conformance rows that the day proves; has no answer
    fixture  NAME starts +1h [live] [feed]          a sports event, betting in play, started by a status feed only
    update   NAME [starts +2h] [live|no-live] [feed|no-feed]
    status   NAME in_progress                       or any other status
    market   NAME FIXTURE                           a money line
    close    MARKET                                 and `reopen MARKET`
    report   MARKET one|two|void                    the outcome, once
    balance  WHO 100
    restrict WHO                                    and `lift WHO`: by hand
    approve  WHO 100 [nonce 1]                      a permit; `nothing` where so much is allowed already
    place    WHO ORDER MARKET one|two SIZE [@ ODDS] [until +10s], ...   odds 50 and a day if left out
    place    WHO ORDER [until +10s], ...            the same order once more
    cancel   WHO ORDER|TEXT ... [salt NAME] [at -10m] [as NAME]         `upper:ORDER` is its hash in capitals
    cancel-event WHO FIXTURE|TEXT ... (the same options), cancel-all WHO ...
    fill     WHO MARKET one|two STAKE [@ ODDS] [slip PERCENT] as NAME    odds are the taker's; `held` where admitted
    fill-orders WHO ORDER SIZE, ORDER SIZE, ... as NAME                   the legacy form, sizes are the makers'
    result   NAME                                   of a fill whose delay is over: `20 @ 50`, why not, or `dropped`
    bets     NAME                                   its parts: `a1 30+20 pending`, maker's and taker's, by order
    confirm  NAME                                   and `fail NAME`: the operator settles a pending fill
    again    NAME                                   the very same signed cancel or fill
    ping     WHO 30s                                and `silence WHO`: arm the heartbeat, stop it
    heartbeat WHO                                   `armed 30s` or `off`
    fired    WHO                                    the orders that its last firing met
    open     WHO                                    open orders, oldest first
    suspended WHO                                   suspended orders, oldest first
    order    ORDER                                  `filled 10 pending 20`, or `not listed`
    book     MARKET one|two                         best price first
    best     MARKET one|two                         the best odds, or `none`
    exposure WHO MARKET                             what the open orders may cost
    wallet   WHO                                    the balance
    available WHO                                   ... without unconfirmed stakes
    escrow   MARKET                                 confirmed stakes that are not paid yet
    wait     10s                                    time passes; has no answer
    restart                                         a clean stop and a start; has no answer
    crash                                           everything but the disk is gone; has no answer
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

import msgspec

from overround.engine.commands import (
    Approve,
    CancelAll,
    CancelFixture,
    CancelOrders,
    CreateFixture,
    CreateMarket,
    DecideFill,
    FillMarket,
    FillOrders,
    NewOrder,
    ReportMarket,
    SetBalance,
    SetFixtureStatus,
    SetMarketStatus,
    SetRestriction,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules, Token
from overround.engine.types import (
    Address,
    FillHash,
    FixtureId,
    FixtureStatus,
    MarketHash,
    OrderHash,
    Outcome,
)
from overround.protocols.operator.decode import market_hash
from overround.protocols.sx import digests
from overround.protocols.sx.profile import EXPIRY, USDC_DECIMALS
from overround.protocols.sx.units import hash_text, pack_salt, unpack_salt
from overround.signing.account import LocalAccount
from overround.signing.address import parse_address
from overround.signing.keccak import keccak256
from overround.testing import accounts
from overround.testing.sx import MAINNET

PEOPLE: Final = {
    name: getattr(accounts, name.upper())
    for name in ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")
}
USDC: Final = Address(parse_address(MAINNET.usdc))
EXECUTOR: Final = Address(parse_address(MAINNET.executor))
RULES: Final = Rules(
    chain_id=MAINNET.chain_id,
    executor=EXECUTOR,
    tokens=(Token("USDC", USDC, USDC_DECIMALS, MAINNET.maker_minimum_usdc, MAINNET.taker_minimum_usdc),),
    odds_ladder_step=MAINNET.odds_ladder_step,
    cancel_timestamp_past_max_s=600,
    cancel_timestamp_future_max_s=60,
)
MONEY_LINE: Final = 52  # a market type without a line
NOTHING: Final = "nothing"

_ODDS_PLACES: Final = 18  # of a percentage
_DAY_S: Final = 86_400
_DECIMAL: Final = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)
_SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?", re.ASCII)


class ScenarioError(Exception):
    """The text is no market day, or the floor answered in a way that no line can expect."""


class Mismatch(AssertionError):
    """A line was answered otherwise than expected."""


# ---- the text ------------------------------------------------------------------------------------------------------


class Line(NamedTuple):
    """One command with its expected answer."""

    place: str  # file and line, for messages
    verb: str
    words: str  # what follows the verb
    expected: str | None


class Day(NamedTuple):
    """A parsed text."""

    name: str
    rows: tuple[str, ...]
    lines: tuple[Line, ...]


def parse(text: str, name: str) -> Day:
    """Read a market day. Raises ScenarioError."""
    rows: list[str] = []
    lines: list[Line] = []
    for number, raw in enumerate(text.splitlines(), start=1):
        content = raw.partition("#")[0].strip()
        if not content:
            continue
        command, arrow, expected = content.partition("->")
        verb, _, words = command.strip().partition(" ")
        line = Line(f"{name}:{number}", verb, words.strip(), expected.strip() if arrow else None)
        if verb == "rows":
            rows += line.words.split()
        elif verb not in _VERBS:
            raise ScenarioError(f"{line.place}: there is no verb {verb!r}")
        elif (line.expected is None) != (verb in _SILENT):
            raise ScenarioError(f"{line.place}: {verb} has {'no' if verb in _SILENT else 'an'} answer")
        else:
            lines.append(line)
    return Day(name, tuple(rows), tuple(lines))


def _span_ms(text: str) -> int:
    """Milliseconds of `90s`, `10m`, `1h30m`, `999ms`, with a sign or without."""
    found = _SPAN.fullmatch(text.lstrip("+-"))
    if not text.lstrip("+-") or found is None:
        raise ScenarioError(f"{text!r} is no span of time")
    hours, minutes, seconds, millis = (int(part or 0) for part in found.groups())
    span = ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis
    return -span if text.startswith("-") else span


def _scaled(text: str, places: int) -> int:
    """The integer that decimal text stands for where the unit has so many decimal places."""
    found = _DECIMAL.fullmatch(text)
    whole, part = found.groups("") if found else ("", "")
    if found is None or len(part) > places:
        raise ScenarioError(f"{text!r} is no number with at most {places} decimals")
    return int(whole + part.ljust(places, "0"))


def _plain(number: int, places: int) -> str:
    """The shortest decimal text of such an integer."""
    whole, part = divmod(number, 10**places)
    return f"{whole}.{part:0{places}d}".rstrip("0").rstrip(".")


# ---- the floor -----------------------------------------------------------------------------------------------------


class SignedCancel(NamedTuple):
    """A cancel with what its signature is made from."""

    command: CancelOrders | CancelFixture | CancelAll
    signer: LocalAccount
    salt: bytes


class OpenOrder(NamedTuple):
    """An order on the book."""

    order_hash: OrderHash
    is_one: bool
    percentage_odds: int


class SignedFill(NamedTuple):
    """A fill with what its signature is made from."""

    command: FillMarket | FillOrders
    signer: LocalAccount
    salt: int
    orders: tuple[NewOrder, ...] = ()  # those that the legacy form names


class Filled(NamedTuple):
    """What a fill was told at the end of its delay."""

    taker_stake: int
    average_odds: int  # the taker's


class Bet(NamedTuple):
    """One order's part of a fill."""

    order_hash: OrderHash
    maker_stake: int
    taker_stake: int
    status: str  # pending, success, failed, settled


CancelAnswer = list[tuple[str, str]]  # the text of a hash, and `cancelled` or why not


class Floor(Protocol):
    """Where a day is played."""

    def now_ms(self) -> int:
        """The time there, a whole second at first."""

    def operate(self, command: VenueCommand) -> Rejection | None:
        """An operator's command."""

    def place(self, orders: tuple[NewOrder, ...]) -> Rejection | list[Rejection | None]:
        """One request with these orders."""

    def cancel(self, request: SignedCancel) -> Rejection | CancelAnswer:
        """One signed cancel."""

    def open_orders(self, *, maker: Address | None = None, market: MarketHash | None = None) -> list[OpenOrder]:
        """A maker's or a market's open orders, oldest first."""

    def fill(self, request: SignedFill) -> Rejection | None:
        """One signed fill; None where it waits out its delay."""

    def fill_result(self, fill_hash: FillHash) -> Rejection | Filled | None:
        """What became of a fill whose delay is over; None where it was dropped."""

    def bets(self, request: SignedFill) -> list[Bet]:
        """The parts of a matched fill."""

    def approve(self, command: Approve, signer: LocalAccount) -> Rejection | bool:
        """One permit; whether it changed anything."""

    def ping(self, account: Address, interval_s: int) -> None:
        """Arm a heartbeat, or stop it with an interval of 0."""

    def heartbeat(self, account: Address) -> int | None:
        """The interval of an armed heartbeat, seconds."""

    def last_firing(self, account: Address) -> list[OrderHash]:
        """Whose orders a missed heartbeat met last."""

    def suspended(self, account: Address) -> list[OrderHash]:
        """An account's suspended orders, oldest first."""

    def amounts(self, order: OrderHash) -> tuple[int, int] | None:
        """What of an open order is filled, and pending."""

    def available(self, account: Address) -> int:
        """The wallet without unconfirmed stakes."""

    def escrow(self, market: MarketHash) -> int:
        """Confirmed stakes of a market that are not paid yet."""

    def best_odds(self, market: MarketHash, *, is_one: bool) -> int | None:
        """The best odds of one side."""

    def exposure(self, account: Address, market: MarketHash) -> int:
        """What the account's open orders on a market may cost."""

    def balance(self, account: Address) -> int:
        """The wallet."""

    def wait(self, span_ms: int) -> None:
        """Time passes, and what is due has fired."""

    def restart(self, *, crash: bool) -> None:
        """Stop and start again, on nothing but what is durable."""


# ---- playing -------------------------------------------------------------------------------------------------------


def play(day: Day, floor: Floor) -> None:
    """Play a day line by line. Raises Mismatch at the first answer that is not the expected one."""
    player = _Player(day.name, floor)
    for line in day.lines:
        try:
            answer = _VERBS[line.verb](player, line.words)
        except (ScenarioError, LookupError, ValueError) as error:
            raise ScenarioError(f"{line.place}: {line.verb} {line.words}: {error!r}") from error
        if line.expected is not None and _words(answer) != _words(line.expected):
            raise Mismatch(f"{line.place}: {line.verb} {line.words}\n  expected {line.expected}\n  answered {answer}")


def _words(answer: str) -> list[list[str]]:
    return [part.split() for part in answer.split(",")]


class _Player:
    """Gives names to things, and says what happens to them in the words of the table."""

    def __init__(self, day: str, floor: Floor) -> None:
        self._day = day
        self._floor = floor
        self._markets: dict[str, MarketHash] = {}
        self._orders: dict[str, NewOrder] = {}
        self._cancels: dict[str, SignedCancel] = {}
        self._fills: dict[str, SignedFill] = {}
        self._salts = 0

    # ---- the operator ---------------------------------------------------------------------------------------------

    def fixture(self, words: str) -> str:
        name, *options = words.split()
        return self._operate(
            CreateFixture(
                fixture_id=self._fixture(name),
                sport_id=5,
                league_label="Market days",
                team_one_name="Home",
                team_two_name="Away",
                game_time_s=self._at_s(_option(options, "starts")),
                live_enabled="live" in options,
                status_feed="feed" in options,
            )
        )

    def update(self, words: str) -> str:
        name, *options = words.split()
        return self._operate(
            UpdateFixture(
                fixture_id=self._fixture(name),
                game_time_s=self._at_s(_option(options, "starts")) if "starts" in options else None,
                live_enabled=_switch(options, "live"),
                status_feed=_switch(options, "feed"),
            )
        )

    def status(self, words: str) -> str:
        name, status = words.split()
        return self._operate(SetFixtureStatus(fixture_id=self._fixture(name), status=FixtureStatus[status.upper()]))

    def market(self, words: str) -> str:
        name, fixture = words.split()
        one, two = f"Home {name}", f"Away {name}"
        found = market_hash(self._fixture(fixture), MONEY_LINE, None, one, two)
        self._markets[name] = found
        return self._operate(
            CreateMarket(
                market_hash=found,
                fixture_id=self._fixture(fixture),
                type=MONEY_LINE,
                outcome_one_name=one,
                outcome_two_name=two,
            )
        )

    def close(self, words: str) -> str:
        return self._operate(SetMarketStatus(market_hash=self._markets[words], active=False))

    def reopen(self, words: str) -> str:
        return self._operate(SetMarketStatus(market_hash=self._markets[words], active=True))

    def report(self, words: str) -> str:
        market, outcome = words.split()
        return self._operate(ReportMarket(market_hash=self._markets[market], outcome=Outcome[outcome.upper()]))

    def restrict(self, words: str) -> str:
        return self._operate(SetRestriction(account=_address(words), restricted=True))

    def lift(self, words: str) -> str:
        return self._operate(SetRestriction(account=_address(words), restricted=False))

    def set_balance(self, words: str) -> str:
        who, amount = words.split()
        return self._operate(SetBalance(account=_address(who), token=USDC, amount=_scaled(amount, USDC_DECIMALS)))

    def _operate(self, command: VenueCommand) -> str:
        rejection = self._floor.operate(command)
        return "ok" if rejection is None else rejection.value

    # ---- orders ---------------------------------------------------------------------------------------------------

    def place(self, words: str) -> str:
        who, _, offers = words.partition(" ")
        orders = tuple(self._order(who, offer.split()) for offer in offers.split(","))
        answer = self._floor.place(orders)
        if isinstance(answer, Rejection):
            return answer.value
        return ", ".join("ok" if one is None else one.value for one in answer)

    def _order(self, who: str, words: list[str]) -> NewOrder:
        name, *terms = words
        if not terms or terms[0] == "until":
            return self._same_order(name, terms)
        if name in self._orders:
            raise ScenarioError(f"there is an order {name} already")
        market, side, size, *options = terms
        signer: LocalAccount = PEOPLE[who]
        odds = _scaled(_option(options, "@") if "@" in options else "50", _ODDS_PLACES)
        amount, is_one = _scaled(size, USDC_DECIMALS), _is_one(side)
        salt = int.from_bytes(keccak256(f"{self._day} {name}".encode()), "big")
        order_hash = digests.order_hash(
            self._markets[market], USDC, amount, odds, EXPIRY, salt, signer.address, EXECUTOR, is_one
        )
        self._orders[name] = order = NewOrder(
            order_hash=OrderHash(order_hash),
            market_hash=self._markets[market],
            maker=Address(signer.address),
            base_token=USDC,
            total_bet_size=amount,
            percentage_odds=odds,
            salt=pack_salt(str(salt)),
            is_maker_betting_outcome_one=is_one,
            signature=signer.sign_digest(digests.order_digest(order_hash)),
            api_expiry=self._at_s(_option(options, "until")) if "until" in options else self._at_s("0s") + _DAY_S,
        )
        return order

    def _same_order(self, name: str, options: list[str]) -> NewOrder:
        """What was signed once, with an expiry of its own if it has one: that is not part of what is signed."""
        order = self._orders[name]
        return msgspec.structs.replace(order, api_expiry=self._at_s(_option(options, "until"))) if options else order

    # ---- cancels --------------------------------------------------------------------------------------------------

    def cancel_orders(self, words: str) -> str:
        who, names, options = _split_options(words)
        texts = tuple(map(self._hash_text, names))
        signer, salt, timestamp_s = self._signing(who, options)
        digest = digests.cancel_orders_digest(RULES.chain_id, salt, texts, timestamp_s)
        maker = Address(signer.address)
        command = CancelOrders(maker=maker, digest=digest, timestamp_s=timestamp_s, order_hashes=texts)
        return self._send(SignedCancel(command, signer, salt), options)

    def cancel_event(self, words: str) -> str:
        who, (name,), options = _split_options(words)
        signer, salt, timestamp_s = self._signing(who, options)
        fixture_id = self._fixture(name)
        digest = digests.cancel_event_digest(RULES.chain_id, salt, fixture_id, timestamp_s)
        maker = Address(signer.address)
        command = CancelFixture(maker=maker, digest=digest, timestamp_s=timestamp_s, fixture_id=fixture_id)
        return self._send(SignedCancel(command, signer, salt), options)

    def cancel_all(self, words: str) -> str:
        who, _, options = _split_options(words)
        signer, salt, timestamp_s = self._signing(who, options)
        digest = digests.cancel_all_digest(RULES.chain_id, salt, timestamp_s)
        command = CancelAll(maker=Address(signer.address), digest=digest, timestamp_s=timestamp_s)
        return self._send(SignedCancel(command, signer, salt), options)

    def again(self, words: str) -> str:
        if words in self._fills:
            return self._send_fill(self._fills[words])
        return self._answer(self._floor.cancel(self._cancels[words]))

    def _signing(self, who: str, options: dict[str, str]) -> tuple[LocalAccount, bytes, int]:
        self._salts += 1
        salt = options.get("salt", f"number {self._salts}")
        return PEOPLE[who], keccak256(f"{self._day} salt {salt}".encode()), self._at_s(options.get("at", "0s"))

    def _send(self, request: SignedCancel, options: dict[str, str]) -> str:
        if "as" in options:
            self._cancels[options["as"]] = request
        return self._answer(self._floor.cancel(request))

    def _answer(self, answer: Rejection | CancelAnswer) -> str:
        if isinstance(answer, Rejection):
            return answer.value
        return ", ".join(f"{self._name(text)} {what}" for text, what in answer) or NOTHING

    # ---- fills ----------------------------------------------------------------------------------------------------

    def fill(self, words: str) -> str:
        who, market, side, stake, *options = words.split()
        signer, name = PEOPLE[who], _option(options, "as")
        market_text = hash_text(self._markets[market])
        desired = _scaled(_option(options, "@") if "@" in options else "50", _ODDS_PLACES)
        amount, slippage = _scaled(stake, USDC_DECIMALS), int(_option(options, "slip")) if "slip" in options else 0
        salt = self._fill_salt(name)
        message = digests.FillMessage(
            market=market_text,
            market_hash=market_text,
            base_token=MAINNET.usdc,
            stake_wei=str(amount),
            desired_odds=str(desired),
            odds_slippage=slippage,
            outcome_one=_is_one(side),
            fill_salt=salt,
        )
        command = FillMarket(
            taker=Address(signer.address),
            fill_hash=FillHash(digests.fill_digest(*_FILL_DOMAIN, message)),
            market_hash=self._markets[market],
            base_token=USDC,
            is_taker_betting_outcome_one=_is_one(side),
            stake=amount,
            desired_odds=desired,
            odds_slippage=slippage,
        )
        self._fills[name] = SignedFill(command, signer, salt)
        return self._send_fill(self._fills[name])

    def fill_orders(self, words: str) -> str:
        text, _, name = words.rpartition(" as ")
        who, _, parts = text.partition(" ")
        signer, salt = PEOPLE[who], self._fill_salt(name)
        named = [part.split() for part in parts.split(",")]
        orders = tuple(self._orders[order] for order, _ in named)
        amounts = tuple(_scaled(size, USDC_DECIMALS) for _, size in named)
        message = digests.LegacyFillMessage(
            orders=[_order_fields(order) for order in orders],
            maker_signatures=[order.signature for order in orders],
            taker_amounts=amounts,
            fill_salt=salt,
        )
        command = FillOrders(
            taker=Address(signer.address),
            fill_hash=FillHash(digests.legacy_fill_digest(*_FILL_DOMAIN, message)),
            order_hashes=tuple(order.order_hash for order in orders),
            maker_amounts=amounts,
        )
        self._fills[name] = SignedFill(command, signer, salt, orders)
        return self._send_fill(self._fills[name])

    def _fill_salt(self, name: str) -> int:
        return int.from_bytes(keccak256(f"{self._day} fill {name}".encode()), "big")

    def _send_fill(self, request: SignedFill) -> str:
        rejection = self._floor.fill(request)
        return "held" if rejection is None else rejection.value

    def result(self, words: str) -> str:
        found = self._floor.fill_result(self._fills[words].command.fill_hash)
        if isinstance(found, Rejection):
            return found.value
        if found is None:
            return "dropped"
        return f"{_plain(found.taker_stake, USDC_DECIMALS)} @ {_plain(found.average_odds, _ODDS_PLACES)}"

    def bets(self, words: str) -> str:
        told = [
            f"{self._name(hash_text(bet.order_hash))} "
            f"{_plain(bet.maker_stake, USDC_DECIMALS)}+{_plain(bet.taker_stake, USDC_DECIMALS)} {bet.status}"
            for bet in self._floor.bets(self._fills[words])
        ]
        return ", ".join(sorted(told)) or NOTHING

    def confirm(self, words: str) -> str:
        return self._operate(DecideFill(fill_hash=self._fills[words].command.fill_hash, confirmed=True))

    def fail(self, words: str) -> str:
        return self._operate(DecideFill(fill_hash=self._fills[words].command.fill_hash, confirmed=False))

    def approve(self, words: str) -> str:
        who, amount, *options = words.split()
        signer, value = PEOPLE[who], _scaled(amount, USDC_DECIMALS)
        nonce = int(_option(options, "nonce")) if "nonce" in options else 0
        deadline_s = self._at_s("1h")
        message = digests.PermitMessage(
            signer.address, parse_address(MAINNET.token_transfer_proxy), value, nonce, deadline_s
        )
        command = Approve(
            owner=Address(signer.address),
            token=USDC,
            value=value,
            nonce=nonce,
            deadline_s=deadline_s,
            digest=digests.permit_digest(MAINNET.chain_id, "USDC", USDC, message),
        )
        changed = self._floor.approve(command, signer)
        return changed.value if isinstance(changed, Rejection) else "ok" if changed else NOTHING

    # ---- heartbeats -----------------------------------------------------------------------------------------------

    def ping(self, words: str) -> str:
        who, interval = words.split()
        self._floor.ping(_address(who), _span_ms(interval) // 1000)
        return "ok"

    def silence(self, words: str) -> str:
        self._floor.ping(_address(words), 0)
        return "ok"

    def heartbeat(self, words: str) -> str:
        interval_s = self._floor.heartbeat(_address(words))
        return "off" if interval_s is None else f"armed {interval_s}s"

    def fired(self, words: str) -> str:
        return self._name_all(self._floor.last_firing(_address(words)))

    # ---- reading --------------------------------------------------------------------------------------------------

    def open(self, words: str) -> str:
        return self._names(self._floor.open_orders(maker=_address(words)))

    def book(self, words: str) -> str:
        market, side = words.split()
        orders = self._floor.open_orders(market=self._markets[market])
        own_side = [order for order in orders if order.is_one is _is_one(side)]
        return self._names(sorted(own_side, key=lambda order: -order.percentage_odds))

    def best(self, words: str) -> str:
        market, side = words.split()
        odds = self._floor.best_odds(self._markets[market], is_one=_is_one(side))
        return "none" if odds is None else _plain(odds, _ODDS_PLACES)

    def suspended(self, words: str) -> str:
        return self._name_all(self._floor.suspended(_address(words)))

    def order(self, words: str) -> str:
        amounts = self._floor.amounts(self._orders[words].order_hash)
        if amounts is None:
            return "not listed"
        filled, pending = (_plain(one, USDC_DECIMALS) for one in amounts)
        return f"filled {filled} pending {pending}"

    def available(self, words: str) -> str:
        amount = self._floor.available(_address(words))
        return "-" * (amount < 0) + _plain(abs(amount), USDC_DECIMALS)

    def escrow(self, words: str) -> str:
        return _plain(self._floor.escrow(self._markets[words]), USDC_DECIMALS)

    def exposure(self, words: str) -> str:
        who, market = words.split()
        return _plain(self._floor.exposure(_address(who), self._markets[market]), USDC_DECIMALS)

    def wallet(self, words: str) -> str:
        return _plain(self._floor.balance(_address(words)), USDC_DECIMALS)

    # ---- time -----------------------------------------------------------------------------------------------------

    def wait(self, words: str) -> str:
        self._floor.wait(_span_ms(words))
        return ""

    def restart(self, words: str) -> str:
        del words
        self._floor.restart(crash=False)
        return ""

    def crash(self, words: str) -> str:
        del words
        self._floor.restart(crash=True)
        return ""

    # ---- names ----------------------------------------------------------------------------------------------------

    def _fixture(self, name: str) -> FixtureId:
        return FixtureId(f"{self._day}-{name}")

    def _at_s(self, text: str) -> int:
        return (self._floor.now_ms() + _span_ms(text)) // 1000

    def _hash_text(self, name: str) -> str:
        """The hash of an order, or the text itself where no order has that name."""
        plain = name.removeprefix("upper:")
        if plain not in self._orders:
            return name
        text = hash_text(self._orders[plain].order_hash)
        return text if plain == name else "0x" + text[2:].upper()

    def _name(self, text: str) -> str:
        known = {hash_text(order.order_hash): name for name, order in self._orders.items()}
        return known.get(text.lower(), text)

    def _names(self, orders: Iterable[OpenOrder]) -> str:
        return self._name_all(order.order_hash for order in orders)

    def _name_all(self, hashes: Iterable[OrderHash]) -> str:
        return " ".join(self._name(hash_text(one)) for one in hashes) or NOTHING


_VERBS: Final[dict[str, Callable[[_Player, str], str]]] = {
    "fixture": _Player.fixture,
    "update": _Player.update,
    "status": _Player.status,
    "market": _Player.market,
    "close": _Player.close,
    "reopen": _Player.reopen,
    "report": _Player.report,
    "balance": _Player.set_balance,
    "restrict": _Player.restrict,
    "lift": _Player.lift,
    "approve": _Player.approve,
    "place": _Player.place,
    "cancel": _Player.cancel_orders,
    "cancel-event": _Player.cancel_event,
    "cancel-all": _Player.cancel_all,
    "fill": _Player.fill,
    "fill-orders": _Player.fill_orders,
    "result": _Player.result,
    "bets": _Player.bets,
    "confirm": _Player.confirm,
    "fail": _Player.fail,
    "again": _Player.again,
    "ping": _Player.ping,
    "silence": _Player.silence,
    "heartbeat": _Player.heartbeat,
    "fired": _Player.fired,
    "open": _Player.open,
    "suspended": _Player.suspended,
    "order": _Player.order,
    "book": _Player.book,
    "best": _Player.best,
    "exposure": _Player.exposure,
    "wallet": _Player.wallet,
    "available": _Player.available,
    "escrow": _Player.escrow,
    "wait": _Player.wait,
    "restart": _Player.restart,
    "crash": _Player.crash,
}
_SILENT: Final = {"wait", "restart", "crash"}
_CANCEL_OPTIONS: Final = ("salt", "at", "as")


_FILL_DOMAIN: Final = (MAINNET.chain_id, MAINNET.domain_version, parse_address(MAINNET.fill_hasher))


def _order_fields(order: NewOrder) -> digests.OrderFields:
    return digests.OrderFields(
        order.market_hash,
        order.base_token,
        order.total_bet_size,
        order.percentage_odds,
        EXPIRY,
        int(unpack_salt(order.salt), 0),
        order.maker,
        EXECUTOR,
        order.is_maker_betting_outcome_one,
    )


def _address(who: str) -> Address:
    return Address(PEOPLE[who].address)


def _is_one(side: str) -> bool:
    return {"one": True, "two": False}[side]


def _option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def _switch(options: list[str], name: str) -> bool | None:
    return True if name in options else False if f"no-{name}" in options else None


def _split_options(words: str) -> tuple[str, list[str], dict[str, str]]:
    """Who, what, and the options at the end."""
    who, *rest = words.split()
    options: dict[str, str] = {}
    while len(rest) >= 2 and rest[-2] in _CANCEL_OPTIONS:
        *rest, name, value = rest
        options[name] = value
    return who, rest, options
