import { Wallet, hexlify, randomBytes } from "ethers";

const wallet = new Wallet("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const salt = hexlify(randomBytes(32));
const timestamp = Math.floor(Date.now() / 1000);
const signature = await wallet.signTypedData(
  { name: "CancelAllOrdersSportX", version: "1.0", chainId: 4162, salt },
  { Details: [{ name: "timestamp", type: "uint256" }] },
  { timestamp },
);
const response = await fetch("http://127.0.0.1:8080/orders/cancel/all", {
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify({ maker: wallet.address, salt, timestamp, signature }),
});
const { data } = await response.json();
console.log("cancelled", ...data.orders.map((order) => order.orderHash));
