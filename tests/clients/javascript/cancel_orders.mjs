// A maker's bot takes its orders off the book in all three ways: by hash, by event, everything.
//
//   BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... node cancel_orders.mjs EVENT_ID ORDER_HASH...
//
// One salt and one timestamp serve the three requests.
// Prints, as JSON, each request with its answer, and the maker's open orders before and after each.

import { Wallet, hexlify, randomBytes } from "ethers";

const BASE_URL = process.env.BASE_URL;
const CHAIN_ID = Number(process.env.CHAIN_ID);

const wallet = new Wallet(process.env.SX_PRIVATE_KEY);
const [event, ...orderHashes] = process.argv.slice(2);
const salt = hexlify(randomBytes(32));
const timestamp = Math.floor(Date.now() / 1000);
const steps = [];

async function openOrders() {
  const response = await fetch(`${BASE_URL}/orders?maker=${wallet.address}`);
  return (await response.json()).data.map((row) => row.orderHash);
}

async function send(path, sent) {
  const before = await openOrders();
  const response = await fetch(`${BASE_URL}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(sent),
  });
  const answer = { status: response.status, answer: await response.json() };
  steps.push({ path, sent, ...answer, before, after: await openOrders() });
}

// Some orders, by their hashes.
const byHash = await wallet.signTypedData(
  { name: "CancelOrderV2SportX", version: "1.0", chainId: CHAIN_ID, salt },
  { Details: [{ name: "orderHashes", type: "string[]" }, { name: "timestamp", type: "uint256" }] },
  { orderHashes, timestamp },
);
await send("/orders/cancel/v2", { orderHashes, signature: byHash, salt, maker: wallet.address, timestamp });

// Whatever stands on one event.
const byEvent = await wallet.signTypedData(
  { name: "CancelOrderEventsSportX", version: "1.0", chainId: CHAIN_ID, salt },
  { Details: [{ name: "sportXeventId", type: "string" }, { name: "timestamp", type: "uint256" }] },
  { sportXeventId: event, timestamp },
);
await send("/orders/cancel/event", { sportXeventId: event, signature: byEvent, salt, maker: wallet.address, timestamp });

// The rest.
const everything = await wallet.signTypedData(
  { name: "CancelAllOrdersSportX", version: "1.0", chainId: CHAIN_ID, salt },
  { Details: [{ name: "timestamp", type: "uint256" }] },
  { timestamp },
);
await send("/orders/cancel/all", { signature: everything, salt, maker: wallet.address, timestamp });

console.log(JSON.stringify(steps));
