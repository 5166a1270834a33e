// Does on an open hub what the published JavaScript client can do, and prints what it saw as JSON.
//
//   WS_URL=ws://... PROTOCOL=json|protobuf TOKEN=... RUN=<a word of its own> node open_realtime.mjs

import { createRequire } from "node:module";

const require = createRequire(new URL("clients/package.json", import.meta.url));
const isBinary = process.env.PROTOCOL === "protobuf";
const { Centrifuge } = require(isBinary ? "centrifuge/build/protobuf" : "centrifuge");
const WebSocket = require("ws");

const pack = (value) => (isBinary ? new TextEncoder().encode(JSON.stringify(value)) : value);
const unpack = (data) => (isBinary ? JSON.parse(new TextDecoder().decode(data)) : data);
const { RUN } = process.env;
const clients = [];

function connect(options = {}) {
  const client = new Centrifuge(process.env.WS_URL, { websocket: WebSocket, minReconnectDelay: 20, ...options });
  clients.push(client);
  client.connect();
  return client;
}

function once(emitter, event, wanted = () => true) {
  return new Promise((resolve) => {
    emitter.on(event, function look(context) {
      if (!wanted(context)) return;
      emitter.removeListener(event, look);
      resolve(context);
    });
  });
}

async function subscribed(client, channel) {
  const subscription = client.newSubscription(channel);
  subscription.subscribe();
  await subscription.ready(5000);
  return subscription;
}

async function codeOf(promise) {
  try {
    await promise;
    return 0;
  } catch (error) {
    return error.code;
  }
}

async function publishAndHear() {
  const client = connect();
  const subscription = await subscribed(client, `${RUN}-publish`);
  const heard = once(subscription, "publication");
  await subscription.publish(pack({ my: "data" }));
  const { data, offset } = await heard;
  return { data: unpack(data), offset, elsewhere: await codeOf(client.publish(`${RUN}-elsewhere`, pack({}))) };
}

async function askWhoIsThere() {
  const client = connect({ token: process.env.TOKEN });
  const other = connect();
  const subscription = await subscribed(client, `${RUN}-presence`);
  const joined = once(subscription, "join", ({ info }) => info.user === "");
  const left = once(subscription, "leave");
  const theirs = await subscribed(other, `${RUN}-presence`);
  const join = await joined;
  const { clients: present } = await subscription.presence();
  const stats = await subscription.presenceStats();
  theirs.unsubscribe();
  const leave = await left;
  subscription.unsubscribe();
  let after = await client.presenceStats(`${RUN}-presence`);
  while (after.numClients) after = await client.presenceStats(`${RUN}-presence`);
  return {
    users: Object.values(present).map(({ user }) => user).sort(),
    stats: { ...stats },
    sameClient: join.info.client === leave.info.client,
    after: { ...after },
  };
}

async function readHistory() {
  const subscription = await subscribed(connect(), `${RUN}-history`);
  for (let number = 1; number <= 4; number += 1) await subscription.publish(pack(number));
  const all = await subscription.history({ limit: -1 });
  const since = { offset: 1, epoch: all.epoch };
  const page = await subscription.history({ limit: 2, since });
  const last = await subscription.history({ limit: 1, reverse: true });
  const read = ({ publications }) => publications.map(({ data }) => unpack(data));
  return { all: read(all), page: read(page), last: read(last), offset: last.offset };
}

async function missed(channel, count) {
  const client = connect();
  const writer = await subscribed(connect(), channel);
  const subscription = await subscribed(client, channel);
  const heard = [];
  subscription.on("publication", ({ data }) => heard.push(unpack(data)));
  const first = once(subscription, "publication");
  await writer.publish(pack("live"));
  await first;
  client.disconnect();
  for (let number = 1; number <= count; number += 1) await writer.publish(pack(number));
  const back = once(subscription, "subscribed");
  client.connect();
  const { wasRecovering, recovered } = await back;
  const last = once(subscription, "publication", ({ data }) => unpack(data) === "last");
  await writer.publish(pack("last"));
  await last;
  return { wasRecovering, recovered, heard };
}

async function personalChannel() {
  const client = new Centrifuge(process.env.WS_URL, { websocket: WebSocket, token: process.env.TOKEN });
  clients.push(client);
  const server = once(client, "subscribed");
  const heard = once(client, "publication");
  client.connect();
  const { channel, recoverable } = await server;
  await client.publish(channel, pack("to myself"));
  return { channel, recoverable, data: unpack((await heard).data) };
}

async function manySubscriptionsAndNone() {
  const client = connect();
  const subscription = client.newSubscription(`${RUN}-loop`);
  const unsubscribed = once(subscription, "unsubscribed");
  for (let number = 0; number < 10; number += 1) {
    subscription.subscribe();
    subscription.unsubscribe();
  }
  const { code } = await unsubscribed;
  subscription.subscribe();
  const { numClients } = await subscription.presenceStats();
  for (let number = 0; number < 5; number += 1) {
    client.disconnect();
    client.connect();
  }
  await client.ready(5000);
  await subscription.ready(5000);
  return { code, numClients, rpc: await codeOf(client.rpc("method", pack({}))) };
}

// What an application's tokens let it follow; each comes after a while, and they overtake each other.
async function followWithTokens() {
  const client = connect({ token: undefined });
  const tokens = JSON.parse(process.env.SUBSCRIPTION_TOKENS);
  const subscriptions = Object.entries(tokens).map(([channel, token], place) => {
    const getToken = () => new Promise((resolve) => setTimeout(resolve, 50 - place * 10, token));
    return client.newSubscription(channel, { getToken });
  });
  const ended = subscriptions.map((subscription) => once(subscription, "unsubscribed"));
  for (const subscription of subscriptions) subscription.subscribe();
  await Promise.all(subscriptions.map((subscription) => subscription.ready(5000)));
  const states = subscriptions.map(({ state }) => state);
  for (const subscription of subscriptions) subscription.unsubscribe();
  client.disconnect();
  return { states, codes: (await Promise.all(ended)).map(({ code }) => code) };
}

// The network goes and comes back, also while a connection is only being made.
async function loseTheNetwork() {
  const networkEventTarget = new EventTarget();
  const client = new Centrifuge([{ transport: "websocket", endpoint: process.env.WS_URL }], {
    websocket: WebSocket,
    networkEventTarget,
  });
  clients.push(client);
  const change = (name) => networkEventTarget.dispatchEvent(new Event(name));
  client.once("__centrifuge_debug:transport_initialized", () => change("offline"));
  client.connect();
  await client.ready(5000);
  const subscription = await subscribed(client, `${RUN}-network`);
  const connecting = once(client, "connecting");
  change("offline");
  const { code } = await connecting;
  const back = once(subscription, "subscribed");
  change("online");
  const { recovered } = await back;
  await client.ready(5000);
  client.disconnect();
  change("online");
  return { code, recovered, state: client.state };
}

// A subscription that is given up when the frame that asks for it has just been sent, or is not sent yet.
async function changeItsMind() {
  const client = new Centrifuge(process.env.WS_URL, { websocket: WebSocket });
  clients.push(client);
  const subscription = client.newSubscription(`${RUN}-mind`);
  const sent = once(client, "__centrifuge_debug:connect_frame_sent");
  client.once("__centrifuge_debug:connect_frame_sent", () => subscription.unsubscribe());
  subscription.subscribe();
  client.connect();
  await sent;
  await client.ready(5000);
  const between = subscription.state;
  const first = once(subscription, "subscribed");
  subscription.subscribe();
  await first;
  client.disconnect();
  client.connect();
  subscription.unsubscribe();
  const again = once(subscription, "subscribed");
  subscription.subscribe();
  await again;
  // The connection before this one may not have been seen to close yet.
  let { numClients } = await subscription.presenceStats();
  while (numClients > 1) ({ numClients } = await subscription.presenceStats());
  return { between, numClients, state: client.state };
}

// What is asked for before there is a connection waits for it.
async function askBeforeConnecting() {
  const client = new Centrifuge(process.env.WS_URL, { websocket: WebSocket });
  clients.push(client);
  const code = codeOf(client.rpc("method", pack({ my: "data" })));
  client.connect();
  for (let number = 0; number < 10; number += 1) {
    client.disconnect();
    client.connect();
  }
  await client.ready(5000);
  return { early: (await code) !== 0, now: await codeOf(client.rpc("method", pack({}))) };
}

const seen = {
  publish: await publishAndHear(),
  presence: await askWhoIsThere(),
  history: await readHistory(),
  recovery: await missed(`${RUN}-recovery`, 10),
  smallEnough: await missed(`smallhistory:${RUN}-two`, 2),
  tooMany: await missed(`smallhistory:${RUN}-three`, 3),
  personal: await personalChannel(),
  loop: await manySubscriptionsAndNone(),
  tokens: await followWithTokens(),
  network: await loseTheNetwork(),
  mind: await changeItsMind(),
  early: await askBeforeConnecting(),
};
for (const client of clients) client.disconnect();
console.log(JSON.stringify(seen));
process.exit(0);
