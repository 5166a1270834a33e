const BASE_URL = "https://api.sx.bet"; // Mainnet — use https://api.toronto.sx.bet for testnet
const headers = { "X-Api-Key": process.env.SX_API_KEY, "Content-Type": "application/json" };

// Register a heartbeat with a 30-second timeout
await fetch(`${BASE_URL}/user/heartbeat`, {
  method: "POST",
  headers,
  body: JSON.stringify({ interval: 30 }),
});

// Send heartbeats in a loop to keep orders alive
setInterval(async () => {
  await fetch(`${BASE_URL}/user/heartbeat`, {
    method: "POST",
    headers,
    body: JSON.stringify({ interval: 30 }),
  });
}, 15_000); // send well within the 30s window
