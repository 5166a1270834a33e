"""The cancels that the benchmark posts are what the venue accepts."""

import json
import time

from benchmarks.signed_cancel import CHAIN_ID, cancels

from overround.protocols.sx.digests import cancel_all_digest
from overround.signing.account import LocalAccount
from overround.signing.address import parse_address
from overround.signing.keccak import keccak256
from overround.signing.recover import parse_signature, recover_address

MAKERS = [LocalAccount(keccak256(b"%d" % number)) for number in range(3)]


def test_every_cancel_is_unique_and_signed_by_its_maker() -> None:
    requests = [cancel.request for cancel in cancels(MAKERS, 7)]
    salts = set()
    for request, maker in zip(requests, MAKERS * 3, strict=False):
        head, _, text = request.partition(b"\r\n\r\n")
        assert head.startswith(b"POST /orders/cancel/all HTTP/1.1\r\n")
        assert b"Content-Length: %d" % len(text) in head
        body = json.loads(text)
        salts.add(body["salt"])
        digest = cancel_all_digest(CHAIN_ID, bytes.fromhex(body["salt"][2:]), body["timestamp"])
        signer = recover_address(digest, parse_signature(body["signature"]))
        assert signer == parse_address(body["maker"]) == maker.address
        assert abs(body["timestamp"] - time.time()) < 60
    assert len(salts) == 7
