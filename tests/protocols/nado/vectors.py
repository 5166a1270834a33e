"""The signing vectors and the recorded requests of the official SDKs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from overround.protocols.nado.digests import Domain
from overround.protocols.nado.profile import TESTNET_CHAIN_ID, TESTNET_ENDPOINT

Vector = dict[str, Any]

_FOLDER: Final = Path(__file__).parents[2] / "vectors"
FILE: Final[Vector] = json.loads((_FOLDER / "nado_vectors.json").read_text())
SDK_REQUESTS: Final[Vector] = json.loads((_FOLDER / "nado_sdk_requests.json").read_text())

VECTORS: Final[dict[str, Vector]] = {vector["name"]: vector for vector in FILE["vectors"]}
LINKED: Final[list[Vector]] = FILE["linked_signer_vectors"]
NEGATIVE: Final[list[Vector]] = FILE["negative_vectors"]

DOMAIN: Final = Domain(TESTNET_CHAIN_ID, TESTNET_ENDPOINT)
NOW_MS: Final = 1_735_689_600_000  # the clock of the vectors: their messages are good for 90 seconds from here


def raw(text: str) -> bytes:
    """Bytes of `0x` hex."""
    return bytes.fromhex(text[2:])


def domain_of(vector: Vector) -> Domain:
    """The domain that a vector was signed for. Orders name a product, so theirs lacks the endpoint."""
    given = vector["domain"]
    order = vector["primaryType"] == "Order"
    return Domain(given["chainId"], TESTNET_ENDPOINT if order else raw(given["verifyingContract"]))


def body_of(request: Any) -> bytes:
    """A request as it travels."""
    return json.dumps(request).encode()


OWNER: Final = raw(FILE["meta"]["address"])
LINKED_SIGNER: Final = raw(FILE["meta"]["linked_signer_address"])
