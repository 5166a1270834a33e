// Follows channels with the published JavaScript client, one connection in JSON and one in Protobuf, and prints what
// happens as JSON, one event a line. Ends when its standard input does.
//
//   WS_URL=ws://... TOKEN=... node follow.mjs CHANNEL...

import { createRequire } from "node:module";

const require = createRequire(new URL("../clients/package.json", import.meta.url));
const { Centrifuge } = require("centrifuge");
const { Centrifuge: ProtobufCentrifuge } = require("centrifuge/build/protobuf");
const WebSocket = require("ws");

const channels = process.argv.slice(2);
const text = new TextDecoder();

function say(client, event, more) {
  process.stdout.write(JSON.stringify({ client, event, ...more }) + "\n");
}

function follow(name, Client, read) {
  const client = new Client(process.env.WS_URL, {
    token: process.env.TOKEN,
    websocket: WebSocket,
    minReconnectDelay: 20,
    maxReconnectDelay: 500,
    maxServerPingDelay: 1000,
  });
  client.on("connected", () => say(name, "connected"));
  client.on("connecting", ({ code }) => say(name, "connecting", { code }));
  client.on("disconnected", ({ code, reason }) => say(name, "disconnected", { code, reason }));
  for (const channel of channels) {
    const subscription = client.newSubscription(channel);
    subscription.on("subscribing", ({ code }) => say(name, "subscribing", { channel, code }));
    subscription.on("unsubscribed", ({ code, reason }) => say(name, "unsubscribed", { channel, code, reason }));
    subscription.on("subscribed", ({ wasRecovering, recovered, streamPosition }) =>
      say(name, "subscribed", { channel, wasRecovering, recovered, ...streamPosition }),
    );
    subscription.on("publication", ({ offset, tags, data }) =>
      say(name, "publication", { channel, offset, messageId: tags.messageId, data: read(data) }),
    );
    subscription.subscribe();
  }
  client.connect();
}

follow("js json", Centrifuge, (data) => data);
follow("js protobuf", ProtobufCentrifuge, (data) => JSON.parse(text.decode(data)));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
