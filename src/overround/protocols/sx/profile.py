"""The constants clients know a venue by (`spec/sx.md` 1.1, 1.3, 5.1)."""

from __future__ import annotations

from typing import Final

import msgspec

EXPIRY: Final = 2_209_006_800  # the fixed `expiry` of every maker order, unix seconds
USDC_DECIMALS: Final = 6
WSX_DECIMALS: Final = 18


class Profile(msgspec.Struct, frozen=True):
    """What `GET /metadata` serves and signatures commit to. Addresses are checksummed text."""

    name: str
    chain_id: int
    usdc: str
    wsx: str
    executor: str
    fill_hasher: str
    token_transfer_proxy: str
    maker_minimum_usdc: int  # base units
    domain_version: str = "6.0"
    taker_minimum_usdc: int = 1_000_000
    odds_ladder_step: int = 125


PROFILES: Final = {
    "mainnet": Profile(
        name="mainnet",
        chain_id=4162,
        usdc="0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
        wsx="0x3E96B0a25d51e3Cc89C557f152797c33B839968f",
        executor="0x52adf738AAD93c31f798a30b2C74D658e1E9a562",
        fill_hasher="0x845a2Da2D70fEDe8474b1C8518200798c60aC364",
        token_transfer_proxy="0x38aef22152BC8965bf0af7Cf53586e4b0C4E9936",
        maker_minimum_usdc=10_000_000,
    ),
    "toronto": Profile(
        name="toronto",
        chain_id=79479957,
        usdc="0x1BC6326EA6aF2aB8E4b6Bc83418044B1923b2956",
        wsx="0x5c02932f8422D943647682E95c87ea0333191e08",
        executor="0x3259E7Ccc0993368fCB82689F5C534669A0C06ca",
        # The original publishes these two only through its own /metadata; fixed placeholders here.
        fill_hasher="0x000000000000000000000000000000000000f111",
        token_transfer_proxy="0x000000000000000000000000000000000000bE01",
        maker_minimum_usdc=5_000_000,
    ),
}
