// A beginner's bot as the second published tutorial has it: axios with parameters, decimal salts, cancels signed with
// ethers, `chainVersion` wherever there is room for it.
//
//   BASE_URL=http://127.0.0.1:8080 SX_PRIVATE_KEY=0x... TAKER_PRIVATE_KEY=0x... node as_in_quickstart.mjs SPORT_ID
//
// Finds a match, posts, takes 1 USDC of the order with another key, cancels the rest, waits for the trade to be
// confirmed. Prints, as JSON, what it saw.

import { randomBytes } from "node:crypto";

import axios from "axios";
import { ethers } from "ethers";

const { BASE_URL, SX_PRIVATE_KEY, TAKER_PRIVATE_KEY } = process.env;
const USDC = "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B";
const EXECUTOR = "0x52adf738AAD93c31f798a30b2C74D658e1E9a562";
const FILL_HASHER = "0x845a2Da2D70fEDe8474b1C8518200798c60aC364";
const CHAIN_ID = 4162;
const PATIENCE_MS = 20_000;

const maker = new ethers.Wallet(SX_PRIVATE_KEY);
const taker = new ethers.Wallet(TAKER_PRIVATE_KEY);
const sportId = Number(process.argv[2]);
const seen = {};

const get = async (path, params = {}) => (await axios.get(`${BASE_URL}${path}`, { params })).data.data;

async function send(path, sent) {
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${BASE_URL}${path}`, { method: "POST", headers, body: JSON.stringify(sent) });
  const answer = await response.json();
  if (!response.ok || answer.status !== "success") throw new Error(JSON.stringify(answer));
  return answer.data;
}

// Leagues of all sports, chosen from here.
seen.sports = (await get("/sports")).length;
const [league] = (await get("/leagues/active")).filter((one) => one.sportId === sportId);
const nextWeek = Date.now() + 7 * 24 * 3600 * 1000;
const [fixture] = (await get("/fixture/active", { leagueId: league.leagueId })).filter(
  (one) => new Date(one.startDate) >= new Date() && new Date(one.startDate) <= nextWeek,
);
const { markets } = await get("/markets/active", { eventId: fixture.eventId, onlyMainLine: true });
const { marketHash } = markets[0];
seen.marketHash = marketHash;

// An order of 20 USDC.
const order = {
  marketHash,
  maker: maker.address,
  totalBetSize: ethers.parseUnits("20", 6).toString(),
  percentageOdds: ethers.parseUnits("50.25", 18).toString(),
  baseToken: USDC,
  apiExpiry: Math.floor(Date.now() / 1000) + 3600,
  expiry: 2209006800,
  executor: EXECUTOR,
  isMakerBettingOutcomeOne: true,
  salt: ethers.toBigInt(ethers.hexlify(ethers.randomBytes(32))).toString(),
};
const hashed = ["marketHash", "baseToken", "totalBetSize", "percentageOdds", "expiry", "salt", "maker", "executor"];
const orderHash = ethers.solidityPackedKeccak256(
  ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"],
  [...hashed, "isMakerBettingOutcomeOne"].map((name) => order[name]),
);
const signature = await maker.signMessage(ethers.getBytes(orderHash));
seen.posted = await send("/orders/new", { orders: [{ ...order, signature }] });

// 1 USDC of it, which is the least there is.
const active = await get("/orders", { maker: maker.address, chainVersion: "SXR" });
const found = active.find((one) => one.orderHash === seen.posted.orders[0]);
const odds = BigInt(found.percentageOdds);
const takerAmounts = [((1_000_000n * odds) / (BigInt(10 ** 20) - odds)).toString()];
const fillSalt = ethers.toBigInt(`0x${randomBytes(32).toString("hex")}`).toString();
const texts = { action: "N/A", market: "N/A", betting: "N/A", stake: "N/A", odds: "N/A", returning: "N/A" };
const text = (name) => ({ name, type: "string" });
const types = {
  Details: [...Object.keys(texts).map(text), { name: "fills", type: "FillObject" }],
  FillObject: [
    { name: "orders", type: "Order[]" },
    { name: "makerSigs", type: "bytes[]" },
    { name: "takerAmounts", type: "uint256[]" },
    { name: "fillSalt", type: "uint256" },
    { name: "beneficiary", type: "address" },
    { name: "beneficiaryType", type: "uint8" },
    { name: "cashOutTarget", type: "bytes32" },
  ],
  Order: [
    { name: "marketHash", type: "bytes32" },
    { name: "baseToken", type: "address" },
    { name: "totalBetSize", type: "uint256" },
    { name: "percentageOdds", type: "uint256" },
    { name: "expiry", type: "uint256" },
    { name: "salt", type: "uint256" },
    { name: "maker", type: "address" },
    { name: "executor", type: "address" },
    { name: "isMakerBettingOutcomeOne", type: "bool" },
  ],
};
const named = Object.fromEntries(types.Order.map(({ name }) => [name, found[name]]));
const fills = {
  orders: [{ ...named, expiry: found.expiry.toString() }],
  makerSigs: [found.signature],
  takerAmounts,
  fillSalt,
  beneficiary: ethers.ZeroAddress,
  beneficiaryType: 0,
  cashOutTarget: ethers.ZeroHash,
};
const domain = { name: "SX Bet", version: "6.0", chainId: CHAIN_ID, verifyingContract: FILL_HASHER };
const takerSig = await taker.signTypedData(domain, types, { ...texts, fills });
seen.filled = await send("/orders/fill", {
  orderHashes: [found.orderHash],
  takerAmounts,
  taker: taker.address,
  takerSig,
  fillSalt,
  ...texts,
});

// The rest is taken back.
const salt = ethers.hexlify(ethers.randomBytes(32));
const timestamp = Math.floor(Date.now() / 1000);
const cancel = await maker.signTypedData(
  { name: "CancelOrderV2SportX", version: "1.0", chainId: CHAIN_ID, salt },
  { Details: [{ name: "orderHashes", type: "string[]" }, { name: "timestamp", type: "uint256" }] },
  { orderHashes: [orderHash], timestamp },
);
seen.cancelled = await send("/orders/cancel/v2?chainVersion=SXR", {
  orderHashes: [orderHash],
  signature: cancel,
  salt,
  maker: maker.address,
  timestamp,
});

// What the taker got, as soon as it is confirmed.
const filters = { marketHashes: [marketHash].join(","), maker: false, chainVersion: "SXR" };
const giveUpAt = Date.now() + PATIENCE_MS;
do {
  const { trades } = await get("/trades", { ...filters, tradeStatus: "SUCCESS", pageSize: 100 });
  seen.trades = trades.filter((one) => one.fillHash === seen.filled.fillHash);
} while (seen.trades.length === 0 && Date.now() < giveUpAt);

console.log(JSON.stringify(seen));
