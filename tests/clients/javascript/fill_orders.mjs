// A taker's bot: approves, fills a market at its best price, then takes a named order in the older way.
//
//   BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... node fill_orders.mjs MARKET_HASH
//
// Prints, as JSON, each request with its answer.

import { Wallet, ZeroAddress, ZeroHash, hexlify, randomBytes } from "ethers";

const BASE_URL = process.env.BASE_URL;
const CHAIN_ID = Number(process.env.CHAIN_ID);

const wallet = new Wallet(process.env.SX_PRIVATE_KEY);
const [marketHash] = process.argv.slice(2);
const steps = [];

async function get(path) {
  return (await (await fetch(`${BASE_URL}${path}`)).json()).data;
}

async function send(path, sent) {
  const response = await fetch(`${BASE_URL}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(sent),
  });
  steps.push({ path, sent, status: response.status, answer: await response.json() });
}

const fields = (types) => Object.entries(types).map(([name, type]) => ({ name, type }));

const metadata = await get("/metadata");
const token = metadata.addresses[CHAIN_ID].USDC;
const fillDomain = {
  name: "SX Bet",
  version: metadata.domainVersion,
  chainId: CHAIN_ID,
  verifyingContract: metadata.EIP712FillHasher,
};

// The transfer proxy may spend 100 USDC.
const permit = {
  owner: wallet.address,
  spender: metadata.TokenTransferProxy,
  value: "100000000",
  nonce: 0,
  deadline: Math.floor(Date.now() / 1000) + 3600,
};
await send("/orders/approve", {
  owner: permit.owner,
  spender: permit.spender,
  tokenAddress: token,
  value: permit.value,
  deadline: permit.deadline,
  signature: await wallet.signTypedData(
    { name: "USDC", version: "1", chainId: CHAIN_ID, verifyingContract: token },
    {
      Permit: fields({
        owner: "address",
        spender: "address",
        value: "uint256",
        nonce: "uint256",
        deadline: "uint256",
      }),
    },
    permit,
  ),
});

// 2 USDC against whoever backs outcome one, at his best price.
const {
  bestOdds: [best],
} = await get(`/orders/odds/best?marketHashes=${marketHash}&baseToken=${token}`);
const fill = {
  stakeWei: "2000000",
  marketHash,
  baseToken: token,
  desiredOdds: (10n ** 20n - BigInt(best.outcomeOne.percentageOdds)).toString(),
  oddsSlippage: 5,
  isTakerBettingOutcomeOne: false,
  fillSalt: BigInt(hexlify(randomBytes(32))).toString(),
  beneficiary: ZeroAddress,
  beneficiaryType: 0,
  cashOutTarget: ZeroHash,
};
await send("/orders/fill/v2", {
  market: marketHash,
  baseToken: token,
  isTakerBettingOutcomeOne: fill.isTakerBettingOutcomeOne,
  stakeWei: fill.stakeWei,
  desiredOdds: fill.desiredOdds,
  oddsSlippage: fill.oddsSlippage,
  fillSalt: fill.fillSalt,
  taker: wallet.address,
  takerSig: await wallet.signTypedData(
    fillDomain,
    {
      Details: fields({
        action: "string",
        market: "string",
        betting: "string",
        stake: "string",
        worstOdds: "string",
        worstReturning: "string",
        fills: "FillObject",
      }),
      FillObject: fields({
        stakeWei: "string",
        marketHash: "string",
        baseToken: "string",
        desiredOdds: "string",
        oddsSlippage: "uint256",
        isTakerBettingOutcomeOne: "bool",
        fillSalt: "uint256",
        beneficiary: "address",
        beneficiaryType: "uint8",
        cashOutTarget: "bytes32",
      }),
    },
    {
      action: "N/A",
      market: marketHash,
      betting: "N/A",
      stake: "N/A",
      worstOdds: "N/A",
      worstReturning: "N/A",
      fills: fill,
    },
  ),
  message: "N/A",
});

// 3 USDC of what the first order's maker still risks.
const [order] = await get(`/orders?marketHashes=${marketHash}&baseToken=${token}`);
const display = { action: "N/A", market: "N/A", betting: "N/A", stake: "N/A", odds: "N/A", returning: "N/A" };
const orderTypes = {
  marketHash: "bytes32",
  baseToken: "address",
  totalBetSize: "uint256",
  percentageOdds: "uint256",
  expiry: "uint256",
  salt: "uint256",
  maker: "address",
  executor: "address",
  isMakerBettingOutcomeOne: "bool",
};
const legacy = {
  orders: [Object.fromEntries(Object.keys(orderTypes).map((name) => [name, order[name]]))],
  makerSigs: [order.signature],
  takerAmounts: ["3000000"],
  fillSalt: BigInt(hexlify(randomBytes(32))).toString(),
  beneficiary: ZeroAddress,
  beneficiaryType: 0,
  cashOutTarget: ZeroHash,
};
await send("/orders/fill", {
  ...display,
  orderHashes: [order.orderHash],
  takerAmounts: legacy.takerAmounts,
  taker: wallet.address,
  fillSalt: legacy.fillSalt,
  takerSig: await wallet.signTypedData(
    fillDomain,
    {
      Details: fields({
        ...Object.fromEntries(Object.keys(display).map((name) => [name, "string"])),
        fills: "FillObject",
      }),
      FillObject: fields({
        orders: "Order[]",
        makerSigs: "bytes[]",
        takerAmounts: "uint256[]",
        fillSalt: "uint256",
        beneficiary: "address",
        beneficiaryType: "uint8",
        cashOutTarget: "bytes32",
      }),
      Order: fields(orderTypes),
    },
    { ...display, fills: legacy },
  ),
});

console.log(JSON.stringify(steps));
