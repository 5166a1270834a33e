"""The conformance rows of the real-time protocol, numbered in the order in which the specification lists
them (centrifugo.md 23).
"""

ROWS = {
    # handshake
    "CF-01": "no sub-protocol",
    "CF-02": "empty sub-protocol",
    "CF-03": "unknown sub-protocol",
    "CF-04": "protobuf sub-protocol",
    "CF-05": "empty frame",
    "CF-06": "junk line",
    "CF-07": "trailing newline",
    "CF-08": "two commands in one frame",
    "CF-09": "command before connect",
    "CF-10": "second connect",
    "CF-11": "unknown request",
    "CF-12": "id 0",
    # connect
    "CF-13": "good token",
    "CF-14": "expired token: 109 and nothing else processed",
    "CF-15": "bad signature: 3500",
    "CF-16": "no token: 3501",
    "CF-17": "exp gives ttl",
    "CF-18": "refresh",
    "CF-19": "refresh with an expired token: 3005",
    "CF-20": "refresh for another user: 3500",
    "CF-21": "closed after the grace: 3005",
    "CF-22": "stale: 3502",
    # ping
    "CF-23": "first ping within [i/2, i]",
    "CF-24": "every i",
    "CF-25": "pong accepted",
    "CF-26": "unsolicited pong: 3501",
    "CF-27": "missing pong: 3012",
    # subscribe
    "CF-28": "result fields for each combination of flags",
    "CF-29": "102",
    "CF-30": "103",
    "CF-31": "105",
    "CF-32": "106 at the 513th",
    "CF-33": "107",
    "CF-34": "512 in one frame of more than 65,536 bytes",
    # recovery
    "CF-35": "exact",
    "CF-36": "empty",
    "CF-37": "epoch mismatch",
    "CF-38": "trimmed",
    "CF-39": "ttl-expired",
    "CF-40": "over the limit",
    "CF-41": "over the bytes",
    "CF-42": "offset ahead",
    "CF-43": "offset 0 with an empty epoch",
    "CF-44": "flag 2: 112",
    # live
    "CF-45": "order",
    "CF-46": "gap: 2500, then recovered",
    "CF-47": "duplicates dropped",
    "CF-48": "no push after the unsubscribe reply",
    # flow and ends
    "CF-49": "slow consumer: 3008, later recovery",
    "CF-50": "a large reply on an empty queue survives",
    "CF-51": "pings on a busy connection",
    "CF-52": "code and reason of the close frame for each disconnect by the server",
    "CF-53": "protobuf parity for all of the above",
}
