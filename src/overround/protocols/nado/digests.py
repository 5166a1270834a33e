"""What each Nado message signs (`spec/nado.md` 3).

Every message is EIP-712 typed data under one domain name and version. What differs is the verifying contract: an
order is signed for its product, whose number stands there as an address; everything else is signed for the venue's
endpoint. For every message there are two functions: its struct hash, and the digest that is signed. Senders and
digests are 32 bytes, addresses 20; a number outside its type raises `TypedDataError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from overround.signing.eip712 import (
    address_word,
    array_hash,
    bool_word,
    bytes32_word,
    contract_domain,
    int_word,
    struct_hash,
    type_hash,
    typed_digest,
    uint_word,
)

DOMAIN_NAME: Final = "Nado"
DOMAIN_VERSION: Final = "0.0.1"

_ORDER: Final = type_hash(
    "Order(bytes32 sender,int128 priceX18,int128 amount,uint64 expiration,uint64 nonce,uint128 appendix)"
)
_CANCELLATION: Final = type_hash("Cancellation(bytes32 sender,uint32[] productIds,bytes32[] digests,uint64 nonce)")
_CANCELLATION_PRODUCTS: Final = type_hash("CancellationProducts(bytes32 sender,uint32[] productIds,uint64 nonce)")
_LINK_SIGNER: Final = type_hash("LinkSigner(bytes32 sender,bytes32 signer,uint64 nonce)")
_STREAM_AUTHENTICATION: Final = type_hash("StreamAuthentication(bytes32 sender,uint64 expiration)")
_LIST_TRIGGER_ORDERS: Final = type_hash("ListTriggerOrders(bytes32 sender,uint64 recvTime)")
_TRANSFER_QUOTE: Final = type_hash("TransferQuote(bytes32 sender,bytes32 recipient,uint128 amount,uint64 nonce)")
_WITHDRAW: Final = type_hash("WithdrawCollateral(bytes32 sender,uint32 productId,uint128 amount,uint64 nonce)")
_WITHDRAW_V2: Final = type_hash(
    "WithdrawCollateralV2(bytes32 sender,uint32 productId,uint128 amount,uint64 nonce,address sendTo,uint128 appendix)"
)
_MINT_NLP: Final = type_hash("MintNlp(bytes32 sender,uint128 quoteAmount,uint64 nonce)")
_BURN_NLP: Final = type_hash("BurnNlp(bytes32 sender,uint128 nlpAmount,uint64 nonce)")
_LIQUIDATE: Final = type_hash(
    "LiquidateSubaccount(bytes32 sender,bytes32 liquidatee,uint32 productId,bool isEncodedSpread,int128 amount,"
    "uint64 nonce)"
)


class Domain(NamedTuple):
    """What all signatures of a venue commit to: the answer to the `contracts` query."""

    chain_id: int
    endpoint: bytes

    def of_endpoint(self) -> bytes:
        """The separator of everything but orders."""
        return contract_domain(DOMAIN_NAME, DOMAIN_VERSION, self.chain_id, self.endpoint)

    def of_product(self, product_id: int) -> bytes:
        """The separator of the orders of a product."""
        return contract_domain(DOMAIN_NAME, DOMAIN_VERSION, self.chain_id, product_address(product_id))


def product_address(product_id: int) -> bytes:
    """A product as the contract that its orders are signed for: its number, big-endian, in 20 bytes."""
    return uint_word(product_id, 32)[12:]


# Orders (3.3): the digest of an order is the order's identity.


class OrderTerms(NamedTuple):
    """The six signed members of an order, in the order of the type string."""

    sender: bytes
    price_x18: int
    amount: int
    """Signed: positive buys, negative sells."""
    expiration: int
    """Unix seconds."""
    nonce: int
    appendix: int


def order_struct(terms: OrderTerms) -> bytes:
    """The struct hash of an order."""
    return struct_hash(
        _ORDER,
        bytes32_word(terms.sender),
        int_word(terms.price_x18, 128),
        int_word(terms.amount, 128),
        uint_word(terms.expiration, 64),
        uint_word(terms.nonce, 64),
        uint_word(terms.appendix, 128),
    )


def order_digest(domain: Domain, product_id: int, terms: OrderTerms) -> bytes:
    """What the owner of an order signs, and what names it ever after."""
    return typed_digest(domain.of_product(product_id), order_struct(terms))


# What an order venue serves beside orders


def cancellation_struct(sender: bytes, product_ids: Sequence[int], digests: Sequence[bytes], nonce: int) -> bytes:
    """The struct hash of `cancel_orders`; both lists may be empty."""
    return struct_hash(_CANCELLATION, sender, _product_ids(product_ids), array_hash(digests), uint_word(nonce, 64))


def cancellation_digest(
    domain: Domain, sender: bytes, product_ids: Sequence[int], digests: Sequence[bytes], nonce: int
) -> bytes:
    """What is signed for `cancel_orders` and for the first half of `cancel_and_place`."""
    return typed_digest(domain.of_endpoint(), cancellation_struct(sender, product_ids, digests, nonce))


def cancellation_products_struct(sender: bytes, product_ids: Sequence[int], nonce: int) -> bytes:
    """The struct hash of `cancel_product_orders`; no products means all."""
    return struct_hash(_CANCELLATION_PRODUCTS, bytes32_word(sender), _product_ids(product_ids), uint_word(nonce, 64))


def cancellation_products_digest(domain: Domain, sender: bytes, product_ids: Sequence[int], nonce: int) -> bytes:
    """What is signed for `cancel_product_orders`."""
    return typed_digest(domain.of_endpoint(), cancellation_products_struct(sender, product_ids, nonce))


def link_signer_struct(sender: bytes, signer: bytes, nonce: int) -> bytes:
    """The struct hash of `link_signer`; `signer` is 32 bytes, of which the first 20 count."""
    return struct_hash(_LINK_SIGNER, bytes32_word(sender), bytes32_word(signer), uint_word(nonce, 64))


def link_signer_digest(domain: Domain, sender: bytes, signer: bytes, nonce: int) -> bytes:
    """What is signed for `link_signer`."""
    return typed_digest(domain.of_endpoint(), link_signer_struct(sender, signer, nonce))


def stream_authentication_struct(sender: bytes, expiration: int) -> bytes:
    """The struct hash of the authentication of a subscription socket; unix milliseconds."""
    return struct_hash(_STREAM_AUTHENTICATION, bytes32_word(sender), uint_word(expiration, 64))


def stream_authentication_digest(domain: Domain, sender: bytes, expiration: int) -> bytes:
    """What is signed for `authenticate` (11.2)."""
    return typed_digest(domain.of_endpoint(), stream_authentication_struct(sender, expiration))


# What this venue refuses as not implemented (7.7): the digests are here for clients and for whoever implements it.


def list_trigger_orders_struct(sender: bytes, recv_time: int) -> bytes:
    """The struct hash of a listing at the trigger service; unix milliseconds."""
    return struct_hash(_LIST_TRIGGER_ORDERS, bytes32_word(sender), uint_word(recv_time, 64))


def list_trigger_orders_digest(domain: Domain, sender: bytes, recv_time: int) -> bytes:
    """What is signed for a listing at the trigger service."""
    return typed_digest(domain.of_endpoint(), list_trigger_orders_struct(sender, recv_time))


def transfer_quote_struct(sender: bytes, recipient: bytes, amount: int, nonce: int) -> bytes:
    """The struct hash of `transfer_quote`."""
    return struct_hash(
        _TRANSFER_QUOTE, bytes32_word(sender), bytes32_word(recipient), uint_word(amount, 128), uint_word(nonce, 64)
    )


def transfer_quote_digest(domain: Domain, sender: bytes, recipient: bytes, amount: int, nonce: int) -> bytes:
    """What is signed for `transfer_quote`."""
    return typed_digest(domain.of_endpoint(), transfer_quote_struct(sender, recipient, amount, nonce))


def withdraw_collateral_struct(sender: bytes, product_id: int, amount: int, nonce: int) -> bytes:
    """The struct hash of `withdraw_collateral`; the amount is in the token's own decimals."""
    return struct_hash(
        _WITHDRAW, bytes32_word(sender), uint_word(product_id, 32), uint_word(amount, 128), uint_word(nonce, 64)
    )


def withdraw_collateral_digest(domain: Domain, sender: bytes, product_id: int, amount: int, nonce: int) -> bytes:
    """What is signed for `withdraw_collateral`."""
    return typed_digest(domain.of_endpoint(), withdraw_collateral_struct(sender, product_id, amount, nonce))


class WithdrawalV2(NamedTuple):
    """The message of `withdraw_collateral_v2`."""

    sender: bytes
    product_id: int
    amount: int
    nonce: int
    send_to: bytes
    appendix: int


def withdraw_collateral_v2_struct(message: WithdrawalV2) -> bytes:
    """The struct hash of `withdraw_collateral_v2`."""
    return struct_hash(
        _WITHDRAW_V2,
        bytes32_word(message.sender),
        uint_word(message.product_id, 32),
        uint_word(message.amount, 128),
        uint_word(message.nonce, 64),
        address_word(message.send_to),
        uint_word(message.appendix, 128),
    )


def withdraw_collateral_v2_digest(domain: Domain, message: WithdrawalV2) -> bytes:
    """What is signed for `withdraw_collateral_v2`."""
    return typed_digest(domain.of_endpoint(), withdraw_collateral_v2_struct(message))


def mint_nlp_struct(sender: bytes, quote_amount: int, nonce: int) -> bytes:
    """The struct hash of `mint_nlp`."""
    return struct_hash(_MINT_NLP, bytes32_word(sender), uint_word(quote_amount, 128), uint_word(nonce, 64))


def mint_nlp_digest(domain: Domain, sender: bytes, quote_amount: int, nonce: int) -> bytes:
    """What is signed for `mint_nlp`."""
    return typed_digest(domain.of_endpoint(), mint_nlp_struct(sender, quote_amount, nonce))


def burn_nlp_struct(sender: bytes, nlp_amount: int, nonce: int) -> bytes:
    """The struct hash of `burn_nlp`."""
    return struct_hash(_BURN_NLP, bytes32_word(sender), uint_word(nlp_amount, 128), uint_word(nonce, 64))


def burn_nlp_digest(domain: Domain, sender: bytes, nlp_amount: int, nonce: int) -> bytes:
    """What is signed for `burn_nlp`."""
    return typed_digest(domain.of_endpoint(), burn_nlp_struct(sender, nlp_amount, nonce))


class Liquidation(NamedTuple):
    """The message of `liquidate_subaccount`."""

    sender: bytes
    liquidatee: bytes
    product_id: int
    is_encoded_spread: bool
    amount: int
    nonce: int


def liquidate_subaccount_struct(message: Liquidation) -> bytes:
    """The struct hash of `liquidate_subaccount`."""
    return struct_hash(
        _LIQUIDATE,
        bytes32_word(message.sender),
        bytes32_word(message.liquidatee),
        uint_word(message.product_id, 32),
        bool_word(message.is_encoded_spread),
        int_word(message.amount, 128),
        uint_word(message.nonce, 64),
    )


def liquidate_subaccount_digest(domain: Domain, message: Liquidation) -> bytes:
    """What is signed for `liquidate_subaccount`."""
    return typed_digest(domain.of_endpoint(), liquidate_subaccount_struct(message))


def _product_ids(product_ids: Sequence[int]) -> bytes:
    if len(product_ids) == 1:  # as in most cancels; remembered, since there are few products
        return _one_product(product_ids[0])
    return array_hash([uint_word(product_id, 32) for product_id in product_ids])


@lru_cache(1024)
def _one_product(product_id: int) -> bytes:
    return array_hash([uint_word(product_id, 32)])
