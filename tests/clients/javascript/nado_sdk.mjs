// The official TypeScript SDK of the Nado dialect, as a bot uses it: pointed at a venue, and nothing else changed.
// Prints what each call returned, or why it failed.
import { createNadoClient, NADO_DEPLOYMENTS, packOrderAppendix } from "@nadohq/client";
import { createPublicClient, createWalletClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { inkSepolia } from "viem/chains";

const { BASE_URL, NADO_PRIVATE_KEY, LINKED_SIGNER } = process.env;
const account = privateKeyToAccount(NADO_PRIVATE_KEY);
const chain = { chain: inkSepolia, transport: http(`${BASE_URL}/no-node`) };
const client = createNadoClient(
  {
    contractAddresses: NADO_DEPLOYMENTS.inkTestnet,
    engineEndpoint: `${BASE_URL}/v1`,
    indexerEndpoint: `${BASE_URL}/archive`,
    triggerEndpoint: `${BASE_URL}/trigger`,
  },
  { walletClient: createWalletClient({ account, ...chain }), publicClient: createPublicClient(chain) },
);
const engine = client.context.engineClient;
const own = { subaccountOwner: account.address, subaccountName: "default" };
const order = (price, amount, type = "default") => ({
  subaccountName: "default",
  price,
  amount,
  expiration: 4294967295,
  appendix: packOrderAppendix({ orderExecutionType: type }),
});
const results = {};
const call = async (name, ask) => {
  try {
    results[name] = { value: (await ask()) ?? null };
  } catch (error) {
    results[name] = { error: error.message };
  }
  return results[name].value;
};

await call("contracts", () => engine.getContracts());
await call("status", () => engine.getStatus());
await call("markets", () => engine.getAllMarkets());
await call("symbols", () => engine.getSymbols({ productType: 1 }));
const buy = { productId: 2, order: order(50_000, "100000000000000000", "post_only") };
const placed = await call("placeOrder", () => client.market.placeOrder({ ...buy, id: 100 }));
await call("placeOrders", () => client.market.placeOrders({ orders: [buy, { ...buy, order: order(49_000, "1") }] }));
const digests = [placed?.data?.digest];
const cancel = { subaccountName: "default", productIds: [2], digests };
await call("openOrders", () => client.market.getOpenSubaccountOrders({ ...own, productId: 2 }));
await call("openOrdersOfSeveral", () => client.market.getOpenSubaccountMultiProductOrders({ ...own, productIds: [2, 3] }));
await call("order", () => engine.getOrder({ productId: 2, digest: digests[0] }));
await call("cancelAndPlace", () => client.market.cancelAndPlace({ cancelOrders: cancel, placeOrder: buy }));
await call("cancelOrders", () => client.market.cancelOrders(cancel));
await call("cancelNothing", () => client.market.cancelOrders({ ...cancel, productIds: [], digests: [] }));
await call("cancelProductOrders", () => client.market.cancelProductOrders({ subaccountName: "default", productIds: [2] }));
await call("linkSigner", () => client.subaccount.linkSigner({ subaccountName: "default", signer: LINKED_SIGNER }));
await call("linkedSigner", () => engine.getLinkedSigner(own));
await call("account", () => engine.getSubaccountSummary(own));
await call("feeRates", () => engine.getSubaccountFeeRates(own));
await call("liquidity", () => engine.getMarketLiquidity({ productId: 2, depth: 10 }));
await call("prices", () => engine.getMarketPrices({ productIds: [2, 3] }));
await call("maxOrderSize", () => client.market.getMaxOrderSize({ ...own, productId: 2, price: 60_000, side: "long" }));
await call("time", () => engine.getTime());
await call("withdraw", () => client.spot.withdraw({ subaccountName: "default", productId: 0, amount: "1000000" }));
console.log(JSON.stringify(results, (_, value) => (typeof value === "bigint" ? String(value) : value)));
