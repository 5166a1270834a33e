// A day with the official TypeScript SDK of the Nado dialect: pointed at a venue, and nothing else changed.
// It places, replaces, cancels and trades, alone and through a linked signer, and follows its orders on a socket of
// the `ws` package. Prints what each step returned, or why it failed.
import { createNadoClient, NADO_DEPLOYMENTS, packOrderAppendix, subaccountToHex } from "@nadohq/client";
import { createPublicClient, createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { inkSepolia } from "viem/chains";
import WebSocket from "ws";

const { BASE_URL } = process.env;
const WAIT_MS = 20_000;
const BTC = 2;
const ETH = 4;
const X18 = 10n ** 18n;

const chain = { chain: inkSepolia, transport: http(`${BASE_URL}/no-node`) };
const walletOf = (account) => createWalletClient({ account: privateKeyToAccount(account.privateKey), ...chain });
const clientOf = (account, linked) =>
  createNadoClient(
    {
      contractAddresses: NADO_DEPLOYMENTS.inkTestnet,
      engineEndpoint: `${BASE_URL}/v1`,
      indexerEndpoint: `${BASE_URL}/archive`,
      triggerEndpoint: `${BASE_URL}/trigger`,
    },
    {
      walletClient: walletOf(account),
      linkedSignerWalletClient: linked && walletOf(linked),
      publicClient: createPublicClient(chain),
    },
  );

const { accounts } = await (await fetch(`${BASE_URL}/sandbox`)).json();
const [own, other] = [accounts[3], accounts[4]];
const bot = clientOf(own);
const counterparty = clientOf(other);
const engine = bot.context.engineClient;
const subaccount = { subaccountOwner: own.address, subaccountName: "default" };
const sender = subaccountToHex(subaccount);

const results = {};
const step = async (name, ask) => {
  try {
    results[name] = { value: (await ask()) ?? null };
  } catch (error) {
    results[name] = { error: error.message };
  }
  return results[name].value;
};

const order = (productId, price, amount, orderExecutionType = "post_only", more = {}) => ({
  productId,
  order: {
    subaccountName: "default",
    price,
    amount: ((BigInt(Math.round(amount * 1000)) * X18) / 1000n).toString(),
    expiration: 4294967295,
    appendix: packOrderAppendix({ orderExecutionType }),
  },
  ...more,
});
const cancellation = (digests, productIds = digests.map(() => BTC)) => ({
  subaccountName: "default",
  productIds,
  digests,
});
const digestOf = (name) => results[name].value?.data?.digest ?? `0x${"00".repeat(32)}`;
const openOrders = () => bot.market.getOpenSubaccountOrders({ ...subaccount, productId: BTC });
const byProduct = (...productIds) => bot.market.cancelProductOrders({ subaccountName: "default", productIds });

// ---- what is there -------------------------------------------------------------------------------------------------

await step("contracts", () => engine.getContracts());
await step("status", () => engine.getStatus());
await step("symbols", () => engine.getSymbols({}));
await step("markets", () => engine.getAllMarkets());
await step("account", () => engine.getSubaccountSummary(subaccount));
await step("nonce", () => engine.getTxNonce(own.address));
await step("emptyBook", () => engine.getMarketLiquidity({ productId: BTC, depth: 10 }));

// ---- orders --------------------------------------------------------------------------------------------------------

await step("place", () => bot.market.placeOrder(order(BTC, 50_000, 0.1, "post_only", { id: 100 })));
await step("open", openOrders);
await step("order", () => engine.getOrder({ productId: BTC, digest: digestOf("place") }));
await step("book", () => engine.getMarketLiquidity({ productId: BTC, depth: 10 }));
await step("price", () => engine.getMarketPrice({ productId: BTC }));
await step("cancel", () => bot.market.cancelOrders(cancellation([digestOf("place")])));
await step("cancelAgain", () => bot.market.cancelOrders(cancellation([digestOf("place")])));
await step("cancelNothing", () => bot.market.cancelOrders(cancellation([])));
await step("placeBtc", () => bot.market.placeOrder(order(BTC, 49_000, 0.1)));
await step("placeEth", () => bot.market.placeOrder(order(ETH, 2_000, 1)));
await step("openBoth", () =>
  bot.market.getOpenSubaccountMultiProductOrders({ ...subaccount, productIds: [BTC, ETH] }),
);
await step("cancelProduct", () => byProduct(BTC));
await step("cancelAll", () => byProduct());
await step("placeOld", () => bot.market.placeOrder(order(BTC, 48_000, 0.1)));
await step("replace", () =>
  bot.market.cancelAndPlace({
    cancelOrders: cancellation([digestOf("placeOld")]),
    placeOrder: order(BTC, 48_500, 0.1),
  }),
);
await step("openReplaced", openOrders);
await step("placeSeveral", () =>
  bot.market.placeOrders({ orders: [order(BTC, 47_000, 0.1), order(BTC, 47_000.5, 0.1), order(BTC, 47_001, 0.1)] }),
);
await step("clear", () => byProduct());

// ---- a linked signer -----------------------------------------------------------------------------------------------

// The SDK derives this key from a signature of its owner.
const hand = await bot.subaccount.createStandardLinkedSigner("default");
results.hand = { value: hand.account.address };
await step("link", () =>
  bot.subaccount.linkSigner({ subaccountName: "default", signer: `${hand.account.address}${"00".repeat(12)}` }),
);
await step("linked", () => engine.getLinkedSigner(subaccount));
await step("nonceAfter", () => engine.getTxNonce(own.address));
const linkedBot = clientOf(own, hand);
await step("placeLinked", () => linkedBot.market.placeOrder(order(BTC, 46_000, 0.1)));
await step("cancelLinked", () => linkedBot.market.cancelOrders(cancellation([digestOf("placeLinked")])));
await step("offer", () => counterparty.market.placeOrder(order(BTC, 60_000, -0.5)));
await step("takeLinked", () => linkedBot.market.placeOrder(order(BTC, 60_000, 0.1, "ioc")));
await step("position", () => engine.getSubaccountSummary(subaccount));

// ---- sockets -------------------------------------------------------------------------------------------------------

// Frames of a socket, one at a time; the listener is there before the first can come.
const open = async (path) => {
  const socket = new WebSocket(BASE_URL.replace("http", "ws") + path);
  const frames = [];
  let wake = () => {};
  socket.on("message", (data) => {
    frames.push(JSON.parse(data));
    wake();
  });
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const receive = async () => {
    const late = AbortSignal.timeout(WAIT_MS);
    while (frames.length === 0) {
      await new Promise((resolve, reject) => {
        wake = resolve;
        late.onabort = () => reject(new Error("nothing came"));
      });
    }
    return frames.shift();
  };
  const ask = (message) => {
    socket.send(JSON.stringify(message));
    return receive();
  };
  return { ask, receive, close: () => socket.close(), extensions: socket.extensions };
};

// The SDK builds messages for sockets and opens none.
const signedPlacement = async (price) => {
  const { payload } = await engine.payloadBuilder.buildPlaceOrderPayload({
    ...order(BTC, price, 0.1, "post_only", { id: 7 }),
    order: { ...order(BTC, price, 0.1).order, subaccountOwner: own.address },
    verifyingAddr: `0x${BTC.toString(16).padStart(40, "0")}`,
    chainId: inkSepolia.id,
  });
  return { place_order: payload };
};
const signedCancellation = async (digest) => ({
  cancel_orders: await engine.payloadBuilder.buildCancelOrdersPayload({
    ...cancellation([digest]),
    subaccountOwner: own.address,
    verifyingAddr: NADO_DEPLOYMENTS.inkTestnet.endpoint,
    chainId: inkSepolia.id,
  }),
});

const action = await open("/v1/ws");
results.extensions = { value: action.extensions };
await step("wsQuery", () => action.ask(bot.ws.query.buildQueryMessage("status", {})));
await step("wsPlace", async () => action.ask(await signedPlacement(45_000)));
await step("wsCancel", async () => action.ask(await signedCancellation(digestOf("wsPlace"))));
action.close();

// The SDK cannot sign this one. Here the linked signer does.
const authentication = async () => {
  const expiration = BigInt(Date.now() + 60_000);
  const signature = await walletOf(hand).signTypedData({
    domain: {
      name: "Nado",
      version: "0.0.1",
      chainId: inkSepolia.id,
      verifyingContract: NADO_DEPLOYMENTS.inkTestnet.endpoint,
    },
    types: {
      StreamAuthentication: [
        { name: "sender", type: "bytes32" },
        { name: "expiration", type: "uint64" },
      ],
    },
    primaryType: "StreamAuthentication",
    message: { sender, expiration },
  });
  return { method: "authenticate", id: 1, tx: { sender, expiration: String(expiration) }, signature };
};
const subscription = (id, method, type) =>
  bot.ws.subscription.buildSubscriptionMessage(
    id,
    method,
    bot.ws.subscription.buildSubscriptionParams(type, { product_id: BTC, subaccount: sender }),
  );

const stream = await open("/v1/subscribe");
await step("subscribeEarly", () => stream.ask(subscription(0, "subscribe", "order_update")));
await step("authenticate", async () => stream.ask(await authentication()));
await step("subscribeOrders", () => stream.ask(subscription(2, "subscribe", "order_update")));
await step("list", () => stream.ask(bot.ws.subscription.buildSubscriptionMessage(3, "list", {})));
await step("placeFollowed", () => bot.market.placeOrder(order(BTC, 44_000, 0.1, "post_only", { id: 9 })));
await step("eventPlaced", stream.receive);
await step("cancelFollowed", () => bot.market.cancelOrders(cancellation([digestOf("placeFollowed")])));
await step("eventCancelled", stream.receive);
await step("unsubscribe", () => stream.ask(subscription(4, "unsubscribe", "order_update")));
await step("subscribeFills", () => stream.ask(subscription(5, "subscribe", "fill")));
await step("sell", () => bot.market.placeOrder(order(BTC, 59_500, -0.1)));
await step("sellTaken", () => counterparty.market.placeOrder(order(BTC, 59_500, 0.1, "ioc")));
await step("eventFill", stream.receive);
stream.close();

// ---- the end of the day --------------------------------------------------------------------------------------------

await step("flat", () => engine.getSubaccountSummary(subaccount));
await step("leave", () => byProduct());
await step("counterpartyLeaves", () =>
  counterparty.market.cancelProductOrders({ subaccountName: "default", productIds: [] }),
);
await step("openAtTheEnd", () => engine.getMarketLiquidity({ productId: BTC, depth: 10 }));

console.log(JSON.stringify(results, (_, value) => (typeof value === "bigint" ? String(value) : value)));
