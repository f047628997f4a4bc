"""What a request may be, how it is refused in one line, and the headers of every answer."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from aiohttp import web  # noqa: TID253  only `facedeblur serve` imports this module

# the page needs its own script and style, and pictures that the browser holds; nothing from anywhere else
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src blob: data:; media-src blob:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class RefusedError(Exception):
    """A request that gets an error: its status and one line."""

    def __init__(self, status: int, line: str, **headers: str) -> None:
        super().__init__(line)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class LeftError(Exception):
    """The client has gone; nobody waits for an answer."""


def split_address(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError:
        raise RefusedError(400, "a malformed header") from None


def host_of(address: str) -> str | None:
    try:
        return split_address(address).hostname
    except ValueError:
        raise RefusedError(400, "a malformed header") from None


def strength_of(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 <= value <= 1:
        raise RefusedError(400, f"strength: must be a number from 0 to 1, got {text[:20]!r}")
    return value


def numbers_of(request: web.Request, name: str, count: int) -> tuple[float, ...]:
    """So many numbers, with commas between them, of the query; none where it has no such key."""
    if name not in request.query:
        return ()
    try:
        numbers = tuple(float(part) for part in request.query[name].split(","))
    except ValueError:
        numbers = ()
    if len(numbers) != count:
        raise RefusedError(400, f"{name}: must be {count} numbers")
    return numbers
