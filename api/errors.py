"""Errors over HTTP: one envelope, `{"error": {"type", "code", "message", "param"}}`, whatever went wrong.

The message is one sentence; the parameter is named, its value is not repeated: it may be a card number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.database.connections import is_transient
from engine.runtime.batch import KEY_REUSED, UNAVAILABLE
from engine.runtime.intake import IntakeFull
from engine.vocabulary.decision import Answer
from engine.vocabulary.responses import ResponseCode

LARGEST_BODY = 64 * 1024
"""Bytes. No request of this interface comes near."""

_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}|[0-9]{1,3}")

log = structlog.get_logger(__name__)


class ErrorDetail(BaseModel):
    """What went wrong. `type` is for programs that retry, `code` for programs that decide, `message` for people."""

    type: str
    code: str
    message: str
    param: str | None = None


class ErrorEnvelope(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail


class ApiError(Exception):
    """An answer that is not a success."""

    def __init__(self, status: int, kind: str, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.detail = ErrorDetail(type=kind, code=code, message=message, param=param)


INVALID = "invalid_request_error"
AUTHENTICATION = "authentication_error"
IDEMPOTENCY = "idempotency_error"
REFUSED = "refused_error"
API = "api_error"

_OF_STATUS = {
    400: ("malformed", "The request cannot be read."),
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not know this method."),
    413: ("too_large", f"The body is larger than {LARGEST_BODY} bytes."),
}
RESPONSES: dict[int | str, dict[str, Any]] = {"default": {"model": ErrorEnvelope, "description": "What went wrong"}}
"""For every router: what OpenAPI says of answers that are no success."""


def unless_taken(answer: Answer) -> Answer:
    """The answer, if the books took the request; else the `ApiError` that says why they did not."""
    if answer.code == KEY_REUSED:
        raise ApiError(
            409, IDEMPOTENCY, KEY_REUSED, "This Idempotency-Key was used with another request.", "Idempotency-Key"
        )
    if answer.code == UNAVAILABLE:
        raise _unavailable()
    if answer.reasons == (ResponseCode.SYSTEM_MALFUNCTION.name.lower(),):
        raise _bug()
    return answer


def refused(answer: Answer, words: dict[str, tuple[str, str | None]]) -> ApiError:
    """The error of a refusal: its first reason, in words, and the parameter that it is about."""
    message, param = words[answer.reasons[0]]
    return ApiError(402, REFUSED, answer.reasons[0], message, param)


def add_error_handling(app: FastAPI) -> None:
    """Have every error of the application told in the envelope."""
    app.add_exception_handler(ApiError, _api_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(IntakeFull, _full)
    app.add_middleware(_Guard)


def _unavailable() -> ApiError:
    return ApiError(503, API, UNAVAILABLE, "The books cannot be reached; ask again with the same Idempotency-Key.")


def _bug() -> ApiError:
    return ApiError(500, API, "internal", "Something is wrong on our side; it has been set aside to be looked at.")


def _told(error: ApiError) -> JSONResponse:
    headers = {"Retry-After": "1"} if error.status in (429, 503) else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(ErrorEnvelope(error=error.detail).model_dump(), error.status, headers)


async def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return _told(error)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code, message = _OF_STATUS.get(error.status_code, ("refused", "The request cannot be answered."))
    answer = _told(ApiError(error.status_code, INVALID, code, message))
    answer.headers.update(error.headers or {})
    return answer


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place: Sequence[str | int] = first["loc"]
    if first["type"] == "json_invalid":
        return _told(ApiError(422, INVALID, "json_invalid", "The body is no JSON.", "body"))
    # A name that is not of ours may be anything, a card number too.
    names = [str(part) for part in place[1:]] or [str(place[0])]
    param = ".".join(names) if all(_NAME.fullmatch(name) for name in names) else "body"
    if place[0] == "header":
        param = "-".join(word.capitalize() for word in param.split("-"))
    reason = str(first["msg"]).removeprefix("Value error, ").rstrip(".")
    return _told(ApiError(422, INVALID, str(first["type"]), f"{param}: {reason}.", param))


async def _full(request: Request, error: Exception) -> JSONResponse:
    return _told(ApiError(429, "rate_limit_error", "too_many_requests", "Too many requests wait; try again later."))


class _Guard:
    """Around the application: no body larger than it should be, and no trace for whoever asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0
        begun = False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > LARGEST_BODY:
                raise HTTPException(413)
            return message

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except Exception as error:
            if begun:
                raise
            unreachable = is_transient(error)
            log.error("request failed", path=scope["path"], reason=type(error).__name__, exc_info=not unreachable)
            await _told(_unavailable() if unreachable else _bug())(scope, receive, send)
