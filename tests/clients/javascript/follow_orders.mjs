// A maker's bot watches its own orders: Centrifuge with a token from the venue, asked for whenever one is needed.
//
//   BASE_URL=http://127.0.0.1:8080 WS_URL=ws://127.0.0.1:8080/connection/websocket SX_API_KEY=... SX_PRIVATE_KEY=0x...
//   node follow_orders.mjs
//
// Prints a line of JSON for everything that happens. When its input ends it prints its book, merged by updateTime.

import { Centrifuge } from "centrifuge";
import { Wallet } from "ethers";
import WebSocket from "ws";

globalThis.WebSocket = WebSocket; // Node 20 has none of its own

const { BASE_URL, WS_URL, SX_API_KEY, SX_PRIVATE_KEY } = process.env;
const wallet = new Wallet(SX_PRIVATE_KEY);
const tell = (line) => console.log(JSON.stringify(line));

async function fetchToken() {
  const response = await fetch(`${BASE_URL}/user/realtime-token/api-key`, { headers: { "x-api-key": SX_API_KEY } });
  if (!response.ok) throw new Error(`Token endpoint returned ${response.status}`);
  const { token } = await response.json();
  tell({ event: "token" });
  return token;
}

const client = new Centrifuge(WS_URL, { getToken: fetchToken });

const sub = client.newSubscription(`active_orders:${wallet.address}`, { positioned: true, recoverable: true });

const book = {};
sub.on("publication", (ctx) => {
  for (const update of ctx.data) {
    const known = book[update.orderHash];
    if (!known || BigInt(update.updateTime) > BigInt(known.updateTime)) book[update.orderHash] = update;
    tell({ event: "update", channel: ctx.channel, orderHash: update.orderHash, status: update.status });
  }
});
sub.on("subscribed", (ctx) => tell({ event: "subscribed", channel: ctx.channel, recovered: ctx.recovered }));
client.on("disconnected", (ctx) => tell({ event: "disconnected", code: ctx.code, reason: ctx.reason }));

sub.subscribe();
client.connect();

process.stdin.on("end", () => {
  tell({ event: "book", book });
  client.disconnect();
});
process.stdin.resume();
