// A maker's bot posts orders: ethers signs, Node's fetch sends.
//
//   BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... node post_orders.mjs MARKET_HASH...
//
// One order on each named market. SALT=hex writes salts as some bots do, 0x and hex digits, instead of decimal.
// Prints, as JSON, what was sent and what came back.

import { Wallet, getBytes, hexlify, randomBytes, solidityPackedKeccak256 } from "ethers";

const { BASE_URL, CHAIN_ID, SX_PRIVATE_KEY, SALT } = process.env;

const wallet = new Wallet(SX_PRIVATE_KEY);
const { data: metadata } = await (await fetch(`${BASE_URL}/metadata`)).json();

const orders = [];
for (const marketHash of process.argv.slice(2)) {
  const salt = hexlify(randomBytes(32));
  const order = {
    marketHash,
    maker: wallet.address,
    baseToken: metadata.addresses[CHAIN_ID].USDC,
    totalBetSize: "10000000",
    percentageOdds: "51500000000000000000",
    expiry: 2209006800,
    apiExpiry: Math.floor(Date.now() / 1000) + 600,
    executor: metadata.executorAddress,
    salt: SALT === "hex" ? salt : BigInt(salt).toString(),
    isMakerBettingOutcomeOne: true,
  };
  const orderHash = solidityPackedKeccak256(
    ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"],
    [
      order.marketHash,
      order.baseToken,
      order.totalBetSize,
      order.percentageOdds,
      order.expiry,
      order.salt,
      order.maker,
      order.executor,
      order.isMakerBettingOutcomeOne,
    ],
  );
  orders.push({ ...order, signature: await wallet.signMessage(getBytes(orderHash)) });
}

const response = await fetch(`${BASE_URL}/orders/new`, {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ orders }),
});
console.log(JSON.stringify({ sent: orders, status: response.status, answer: await response.json() }));
