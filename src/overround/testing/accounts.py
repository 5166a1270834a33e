"""Named signers with the sandbox's well-known keys."""

from __future__ import annotations

from typing import Final

from overround.sandbox.accounts import PRIVATE_KEYS
from overround.signing.account import LocalAccount

ALICE, BOB, CAROL, DAVE, ERIN, FRANK, GRACE, HEIDI, IVAN, JUDY = (LocalAccount.from_hex(key) for key in PRIVATE_KEYS)
EVERYBODY: Final = (ALICE, BOB, CAROL, DAVE, ERIN, FRANK, GRACE, HEIDI, IVAN, JUDY)
