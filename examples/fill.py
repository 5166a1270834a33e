import secrets

import requests
from eth_account import Account

BASE_URL = "http://127.0.0.1:8080"

# The second of the sandbox's keys takes what the first one offers: the other outcome, at 100 % less the maker's odds.
account = Account.from_key("0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")
metadata = requests.get(f"{BASE_URL}/metadata").json()["data"]
market = requests.get(f"{BASE_URL}/markets/active").json()["data"]["markets"][0]
fill = {
    "stakeWei": "5000000",  # 5 USDC
    "marketHash": market["marketHash"],
    "baseToken": metadata["addresses"]["4162"]["USDC"],
    "desiredOdds": "47500000000000000000",  # 47.5 %
    "oddsSlippage": 0,  # or better
    "isTakerBettingOutcomeOne": False,
    "fillSalt": secrets.randbits(256),
}


def fields(**types: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


# A fill is typed data. Who shows no texts to a user says N/A, and nobody else benefits.
texts = dict.fromkeys(("action", "betting", "stake", "worstOdds", "worstReturning"), "N/A")
nobody = {"beneficiary": "0x" + "00" * 20, "beneficiaryType": 0, "cashOutTarget": bytes(32)}
signed = account.sign_typed_data(
    domain_data={
        "name": "SX Bet",
        "version": metadata["domainVersion"],
        "chainId": 4162,
        "verifyingContract": metadata["EIP712FillHasher"],
    },
    message_types={
        "Details": [
            *fields(action="string", market="string", betting="string", stake="string"),
            *fields(worstOdds="string", worstReturning="string", fills="FillObject"),
        ],
        "FillObject": [
            *fields(stakeWei="string", marketHash="string", baseToken="string", desiredOdds="string"),
            *fields(oddsSlippage="uint256", isTakerBettingOutcomeOne="bool", fillSalt="uint256"),
            *fields(beneficiary="address", beneficiaryType="uint8", cashOutTarget="bytes32"),
        ],
    },
    message_data={**texts, "market": market["marketHash"], "fills": {**fill, **nobody}},
)
fill |= {"market": market["marketHash"], "fillSalt": str(fill["fillSalt"])}  # numbers beyond 2^53 travel as text
fill |= {"taker": account.address, "takerSig": "0x" + signed.signature.hex()}

answer = requests.post(f"{BASE_URL}/orders/fill/v2", json=fill).json()
if answer["status"] == "success":
    print(f"filled {answer['data']['totalFilled']} at {int(answer['data']['averageOdds']) / 1e18:.1f} %")
else:
    print(answer["errorCode"], answer.get("detail", ""))
