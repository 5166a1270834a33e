"""What every answer looks like, whatever it says (`spec/sx.md` 2.2, 2.3)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx


def data_of(response: httpx.Response) -> Any:
    """What a success carries."""
    assert response.status_code == 200, response.text
    body = response.json()
    assert body.keys() == {"status", "data"}
    assert body["status"] == "success"
    return body["data"]


def assert_failure(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """It is this failure, in the whole envelope; returns the envelope."""
    body = assert_some_failure(response)
    assert (response.status_code, body["errorCode"]) == (status, code), response.text
    return body


def assert_bad_request(response: httpx.Response, about: str = "") -> None:
    """A malformed request: the message is a list of texts, one of which speaks of `about`."""
    body = assert_failure(response, 400, "BAD_REQUEST")
    assert isinstance(body["message"], list)
    assert any(about in text for text in body["message"]), body["message"]


def assert_some_failure(response: httpx.Response) -> dict[str, Any]:
    """A 4xx in the union envelope that every attested client understands."""
    assert 400 <= response.status_code < 500, f"{response.status_code} {response.text[:500]}"
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert body["status"] == "failure"
    assert body["statusCode"] == response.status_code
    # 413 and 414 were renamed by RFC 9110; the interpreter may know either name.
    assert body["error"] == HTTPStatus(response.status_code).phrase
    code, message = body["errorCode"], body["message"]
    assert isinstance(code, str)
    assert code
    if code == "BAD_REQUEST":
        assert isinstance(message, list)
        assert message
        assert all(isinstance(text, str) and text for text in message)
    else:
        assert message == code
    assert body.keys() - {"detail"} == {"status", "errorCode", "error", "message", "statusCode"}
    assert isinstance(body.get("detail", ""), str)
    return body
