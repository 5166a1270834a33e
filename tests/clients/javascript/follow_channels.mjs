// A bot follows any channels over one connection.
//
//   WS_URL=ws://127.0.0.1:8080/connection/websocket TOKEN=... node follow_channels.mjs CHANNEL...
//
// TOKEN alone is a fixed token; with BASE_URL and SX_API_KEY further ones are asked for. PROTOCOL=protobuf speaks the
// binary protocol. FROM_SNAPSHOT=1 reads GET /orders first and goes on from where that stands.
// Prints a line of JSON for everything that happens. When its input ends it prints its books, merged by updateTime.

import WebSocket from "ws";

globalThis.WebSocket = WebSocket; // Node 20 has none of its own

const { BASE_URL, FROM_SNAPSHOT, PROTOCOL, SX_API_KEY, TOKEN, WS_URL } = process.env;
const isBinary = PROTOCOL === "protobuf";
const { Centrifuge } = await import(isBinary ? "centrifuge/build/protobuf" : "centrifuge");
const tell = (line) => console.log(JSON.stringify(line));
const read = (data) => (isBinary ? JSON.parse(new TextDecoder().decode(data) || "null") : data);

async function getToken() {
  const response = await fetch(`${BASE_URL}/user/realtime-token/api-key`, { headers: { "x-api-key": SX_API_KEY } });
  if (!response.ok) throw new Error(`Token endpoint returned ${response.status}`);
  tell({ event: "token" });
  return (await response.json()).token;
}

const options = isBinary ? { protocol: "protobuf" } : {};
if (TOKEN) options.token = TOKEN;
if (SX_API_KEY) options.getToken = getToken;
const client = new Centrifuge(WS_URL, options);
client.on("connecting", (ctx) => tell({ event: "connecting", code: ctx.code, reason: ctx.reason }));
client.on("connected", () => tell({ event: "connected" }));
client.on("disconnected", (ctx) => tell({ event: "disconnected", code: ctx.code, reason: ctx.reason }));
client.on("error", (ctx) => tell({ event: "error", code: ctx.error.code, message: ctx.error.message }));

// What of GET /orders a channel carries.
const FILTERS = { "active_orders:": "maker", "order_book:market_": "marketHashes", "order_book:event_": "sportXeventId" };

const books = {};
function merge(channel, updates) {
  for (const update of updates) {
    const known = books[channel][update.orderHash];
    if (!known || BigInt(update.updateTime) > BigInt(known.updateTime)) books[channel][update.orderHash] = update;
  }
}

async function getState(channel) {
  const [prefix, filter] = Object.entries(FILTERS).find(([start]) => channel.startsWith(start));
  const response = await fetch(`${BASE_URL}/orders?${filter}=${channel.slice(prefix.length)}`);
  const [, epoch, offset] = response.headers.get("x-overround-position").split(" ");
  merge(channel, (await response.json()).data.map((row) => ({ ...row, status: row.orderStatus })));
  tell({ event: "snapshot", channel, offset: Number(offset) });
  return { epoch, offset: Number(offset) };
}

for (const channel of process.argv.slice(2)) {
  books[channel] = {};
  const state = FROM_SNAPSHOT ? { getState: () => getState(channel) } : {};
  const sub = client.newSubscription(channel, { positioned: true, recoverable: true, ...state });
  sub.on("publication", (ctx) => {
    const data = read(ctx.data);
    if (channel.startsWith("active_orders:") || channel.startsWith("order_book:")) merge(channel, data);
    tell({ event: "publication", channel, offset: ctx.offset, id: ctx.tags?.messageId, data });
  });
  sub.on("subscribed", ({ recovered, wasRecovering, streamPosition, data }) =>
    tell({ event: "subscribed", channel, recovered, wasRecovering, position: streamPosition, data: read(data) }),
  );
  sub.on("unsubscribed", (ctx) => tell({ event: "unsubscribed", channel, code: ctx.code, reason: ctx.reason }));
  sub.on("error", (ctx) => tell({ event: "error", channel, code: ctx.error.code, message: ctx.error.message }));
  sub.subscribe();
}
client.connect();

process.stdin.on("end", () => {
  tell({ event: "books", books });
  client.disconnect();
});
process.stdin.resume();
