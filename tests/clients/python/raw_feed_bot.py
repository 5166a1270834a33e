"""A bot without any SDK: JSON frames by hand, no flags, no recovery; a ping is answered with the empty object.

    WS_URL=ws://127.0.0.1:8080/connection/websocket TOKEN=... python raw_feed_bot.py PINGS CHANNEL...

Prints every frame that comes in, as a line each, and ends by itself after so many pings.
"""

import json
import os
import sys

from websockets.sync.client import connect

pings_wanted, *channels = sys.argv[1:]
pings = 0

with connect(os.environ["WS_URL"]) as socket:
    socket.send(json.dumps({"id": 1, "connect": {"token": os.environ["TOKEN"]}}))
    print(socket.recv(), flush=True)
    subscriptions = [{"id": number, "subscribe": {"channel": channel}} for number, channel in enumerate(channels, 2)]
    socket.send("\n".join(map(json.dumps, subscriptions)))
    while pings < int(pings_wanted):
        frame = socket.recv()
        print(frame, flush=True)
        if frame == "{}":
            pings += 1
            socket.send("{}")
