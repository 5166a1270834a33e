// A beginner's bot as the first published tutorial has it: fetch, hex salts, cancels signed with eth-sig-util, the
// constants of the original in the source, orders taken in the older way by naming them.
//
//   BASE_URL=http://127.0.0.1:8080 SX_PRIVATE_KEY=0x... TAKER_PRIVATE_KEY=0x... node as_in_basics.mjs SPORT_LABEL
//
// Finds a match, posts on both of its sides, takes one of the orders twice with another key, cancels both, reads the
// trades a page at a time. Prints, as JSON, what it saw.

import { SignTypedDataVersion, signTypedData } from "@metamask/eth-sig-util";
import {
  Wallet,
  ZeroAddress,
  ZeroHash,
  getBytes,
  hexlify,
  parseUnits,
  randomBytes,
  solidityPackedKeccak256,
} from "ethers";

const { BASE_URL, SX_PRIVATE_KEY, TAKER_PRIVATE_KEY } = process.env;
const USDC = "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B";
const EXECUTOR = "0x52adf738AAD93c31f798a30b2C74D658e1E9a562";
const FILL_HASHER = "0x845a2Da2D70fEDe8474b1C8518200798c60aC364";
const CHAIN_ID = 4162;
const EXPIRY = 2209006800;
const PAGE_SIZE = 1;

const wallet = new Wallet(SX_PRIVATE_KEY);
const taker = new Wallet(TAKER_PRIVATE_KEY);
const [sportLabel] = process.argv.slice(2);
const seen = {};

async function get(path, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) query.append(name, Array.isArray(value) ? value.join(",") : value);
  const response = await fetch(`${BASE_URL}${path}?${query}`);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(JSON.stringify(answer));
  return answer.data;
}

async function send(path, sent) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${BASE_URL}${path}`, { method: "POST", headers, body: JSON.stringify(sent) });
  const answer = await response.json();
  if (answer.status !== "success") throw new Error(JSON.stringify(answer));
  return answer.data;
}

// ---- from sports to a market ----

const metadata = await get("/metadata", { chainVersion: "SXR" });
seen.executor = metadata.executorAddress === EXECUTOR;
const sport = (await get("/sports")).find((one) => one.label === sportLabel);
const [league] = await get("/leagues/active", { sportId: sport.sportId });
const soon = Date.now() + 48 * 3600 * 1000;
const [fixture] = (await get("/fixture/active", { leagueId: league.leagueId }))
  .filter((one) => new Date(one.startDate) >= new Date() && new Date(one.startDate) <= soon)
  .sort((one, other) => new Date(one.startDate) - new Date(other.startDate));
seen.match = `${fixture.participantOneName} v ${fixture.participantTwoName}`;
const { markets } = await get("/markets/active", { eventId: fixture.eventId, onlyMainLine: true });
const { marketHash } = markets[0];
seen.markets = markets.map((one) => one.marketHash);

// ---- a maker ----

async function post(isMakerBettingOutcomeOne, odds) {
  const order = {
    marketHash,
    maker: wallet.address,
    totalBetSize: parseUnits("50", 6).toString(),
    percentageOdds: parseUnits(odds, 20).toString(),
    baseToken: USDC,
    apiExpiry: Math.floor(Date.now() / 1000) + 3600,
    expiry: EXPIRY,
    executor: EXECUTOR,
    isMakerBettingOutcomeOne,
    salt: hexlify(randomBytes(32)),
  };
  const hash = solidityPackedKeccak256(
    ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"],
    [
      marketHash,
      USDC,
      order.totalBetSize,
      order.percentageOdds,
      EXPIRY,
      order.salt,
      order.maker,
      EXECUTOR,
      isMakerBettingOutcomeOne,
    ],
  );
  return send("/orders/new", { orders: [{ ...order, signature: await wallet.signMessage(getBytes(hash)) }] });
}

seen.posted = [await post(true, "0.505"), await post(false, "0.45")];
const book = await get("/orders", { marketHashes: marketHash, baseToken: USDC });
seen.book = book
  .filter((order) => order.maker === wallet.address)
  .map((order) => ({
    orderHash: order.orderHash,
    takersOutcome: order.isMakerBettingOutcomeOne ? 2 : 1,
    createdAt: new Date(order.createdAt).getTime(),
  }));

// ---- a taker ----

const ORDER = { marketHash: "bytes32", baseToken: "address", totalBetSize: "uint256", percentageOdds: "uint256" };
const REST = { expiry: "uint256", salt: "uint256", maker: "address", executor: "address" };
const fields = (types) => Object.entries(types).map(([name, type]) => ({ name, type }));
const TEXTS = { action: "N/A", market: "N/A", betting: "N/A", stake: "N/A", odds: "N/A", returning: "N/A" };
const FILL_TYPES = {
  Details: fields({ ...Object.fromEntries(Object.keys(TEXTS).map((one) => [one, "string"])), fills: "FillObject" }),
  FillObject: fields({
    orders: "Order[]",
    makerSigs: "bytes[]",
    takerAmounts: "uint256[]",
    fillSalt: "uint256",
    beneficiary: "address",
    beneficiaryType: "uint8",
    cashOutTarget: "bytes32",
  }),
  Order: fields({ ...ORDER, ...REST, isMakerBettingOutcomeOne: "bool" }),
};

async function fill(order, usdc) {
  const odds = BigInt(order.percentageOdds);
  const takerAmounts = [((parseUnits(usdc, 6) * odds) / (10n ** 20n - odds)).toString()]; // the maker's part of it
  const fillSalt = BigInt(hexlify(randomBytes(32))).toString();
  const signed = Object.fromEntries(FILL_TYPES.Order.map(({ name }) => [name, order[name]]));
  const message = {
    ...TEXTS,
    fills: {
      orders: [signed],
      makerSigs: [order.signature],
      takerAmounts,
      fillSalt,
      beneficiary: ZeroAddress,
      beneficiaryType: 0,
      cashOutTarget: ZeroHash,
    },
  };
  const domain = { name: "SX Bet", version: "6.0", chainId: CHAIN_ID, verifyingContract: FILL_HASHER };
  const takerSig = await taker.signTypedData(domain, FILL_TYPES, message);
  const orderHashes = [order.orderHash];
  return send("/orders/fill", { orderHashes, takerAmounts, taker: taker.address, takerSig, fillSalt, ...TEXTS });
}

const named = (await get("/orders", { maker: wallet.address })).find((one) => one.isMakerBettingOutcomeOne);
seen.filled = [await fill(named, "1"), await fill(named, "7.5")];

// ---- the maker has enough ----

async function cancel(orderHashes) {
  const salt = `0x${Buffer.from(randomBytes(32)).toString("hex")}`;
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = signTypedData({
    privateKey: Buffer.from(SX_PRIVATE_KEY.slice(2), "hex"),
    version: SignTypedDataVersion.V4,
    data: {
      types: {
        EIP712Domain: fields({ name: "string", version: "string", chainId: "uint256", salt: "bytes32" }),
        Details: fields({ orderHashes: "string[]", timestamp: "uint256" }),
      },
      primaryType: "Details",
      domain: { name: "CancelOrderV2SportX", version: "1.0", chainId: CHAIN_ID, salt },
      message: { orderHashes, timestamp },
    },
  });
  return send("/orders/cancel/v2?chainVersion=SXR", { signature, orderHashes, salt, maker: wallet.address, timestamp });
}

seen.cancelled = await cancel(seen.posted.map((one) => one.orders[0]));

// ---- what was traded ----

async function allTrades(filters) {
  const found = [];
  const parameters = { ...filters, pageSize: PAGE_SIZE };
  do {
    const { trades, nextKey } = await get("/trades", parameters);
    found.push(...trades);
    parameters.paginationKey = nextKey;
  } while (parameters.paginationKey);
  return found;
}

const filters = { bettor: wallet.address, chainVersion: "SXR", startDate: Math.floor(Date.now() / 1000) - 24 * 3600 };
seen.trades = await allTrades(filters);
seen.tradesOfMarket = await allTrades({ marketHashes: [marketHash], baseToken: USDC });

console.log(JSON.stringify(seen));
