"""The report page on 127.0.0.1, for one reviewer, until Ctrl-C: it is read with `GET /`, a decision is made with `POST /decisions`.

Whoever may decide is whoever has the address that was printed:

- It carries a key of 256 random bits, new at every start. The first visit turns it into a cookie (HttpOnly, SameSite=Strict), and
  the page takes it out of the address bar. The page carries a second key, which every decision must send in a header: a form or an
  image of another site cannot, and the cookie alone is not enough.
- `Host` must be the very address we listen on, so that a name that somebody points at 127.0.0.1 is refused; the `Origin` of a
  decision must be our own page.
- The reviewer's name, the time and what was shown come from here, never from the browser. The page says which trip in which
  state it showed, the verdict and the note, and nothing else.

There is no other route, no file of the folder is served, nothing is cached, and no word from outside is logged.
"""

from __future__ import annotations

import contextlib
import hmac
import secrets
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ghostships import review
from ghostships.errors import GhostshipsError, UsageError
from ghostships.reviews import decision, for_page, ledger
from ghostships.terminal import log, visible

LOOPBACK = "127.0.0.1"
KEY_HEADER = "x-ghostships-key"
LARGEST_BODY_BYTES = decision.LONGEST_LINE_BYTES
MOST_CONNECTIONS = 32
_CLOSE_WITHIN_S = 3

_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_PAGE_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; connect-src 'self'"
"""Beside the policy that the page itself carries, which allows one script and one style by hash; a browser enforces both."""
_ANSWER_POLICY = "default-src 'none'; frame-ancestors 'none'"


@dataclass
class Keys:
    """What only this start of the server knows."""

    visit: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    decide: str = field(default_factory=lambda: secrets.token_urlsafe(32))


@dataclass
class _Room:
    """The folder as it is now: opened again when a run or a night has replaced it."""

    folder: Path
    reviewer: str
    keys: Keys
    clock: Callable[[], datetime]
    desk: review.Desk

    def current(self) -> review.Desk:
        """The folder as it stands."""
        if review.manifest_sha256(self.folder) != self.desk.manifest_sha256:
            self.desk = review.opened(self.folder)
        return self.desk

    def page(self) -> str:
        """The page with all decisions kept up to now."""
        served = {"reviewer": self.reviewer, "key": self.keys.decide}
        return self.current().drawn(ledger.as_far_as_read(self.folder), served=served)

    def decide(self, said: dict[str, str]) -> dict[str, Any]:
        """Keep a decision; the record as kept, and the count with it."""
        desk = self.current()
        made = review.decide(
            desk,
            trip_id=said["trip_id"],
            trip_sha256=said["trip_sha256"],
            verdict=said["verdict"],
            note=said["note"],
            reviewer=self.reviewer,
            now_utc=self.clock(),
        )
        log.info("%s: %s, kept in %s", visible(made.trip_id), made.verdict, ledger.NAME)
        tally = for_page.count(desk.tables, desk.manifest, ledger.read(self.folder))
        return {"decision": made.as_record(), "tally": tally.as_dict()}


def app(room: _Room, *, port: int) -> ASGIApp:
    """The two routes, behind everything that a request must fulfil."""
    host = f"{LOOPBACK}:{port}"
    cookie = f"ghostships_review_{port}"

    async def look(request: Request) -> Response:
        has_key = _is_same(request.query_params.get("key"), room.keys.visit)
        if not has_key and not _is_same(request.cookies.get(cookie), room.keys.visit):
            raise HTTPException(403, "open the address that `ghostships review` printed: it carries the key")
        response = HTMLResponse(await run_in_threadpool(room.page), headers={"content-security-policy": _PAGE_POLICY})
        if has_key:
            response.set_cookie(cookie, room.keys.visit, httponly=True, samesite="strict", path="/")
        return response

    async def decide(request: Request) -> Response:
        if not _is_same(request.cookies.get(cookie), room.keys.visit):
            raise HTTPException(403, "no valid cookie: open the address that `ghostships review` printed")
        if not _is_same(request.headers.get(KEY_HEADER), room.keys.decide):
            raise HTTPException(403, "no valid key: the server was started again; open the address that it printed")
        if request.headers.get("origin") != f"http://{host}":
            raise HTTPException(403, "the request does not come from the review page")
        if request.headers.get("content-type") != "application/json":
            raise HTTPException(415, "right would be application/json")
        try:
            said = await request.json()
        except (ValueError, RecursionError):
            raise HTTPException(400, "the decision is not JSON") from None
        wanted = {"trip_id", "trip_sha256", "verdict", "note"}
        if not isinstance(said, dict) or set(said) != wanted or not all(isinstance(v, str) for v in said.values()):
            raise HTTPException(400, f"a decision has the texts {', '.join(sorted(wanted))}, and nothing else")
        try:
            return JSONResponse(await run_in_threadpool(room.decide, said), 201)
        except review.Stale as error:
            raise HTTPException(409, str(error)) from None
        except UsageError as error:
            raise HTTPException(400, str(error)) from None

    async def refuse(_request: Request, error: Exception) -> Response:
        status, why = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "it failed")
        return JSONResponse({"error": why}, status)

    async def fail(_request: Request, error: Exception) -> Response:
        # What goes wrong in here is said where the command was started; the browser learns the line that a user may read.
        line = str(error) if isinstance(error, GhostshipsError) else f"{type(error).__name__} while answering"
        log.error("%s", visible(line, limit=1000))
        return JSONResponse({"error": line}, 500)

    inner = Starlette(
        routes=[Route("/", look, methods=["GET"]), Route("/decisions", decide, methods=["POST"])],
        exception_handlers={HTTPException: refuse, GhostshipsError: fail, Exception: fail},
        max_body_size=LARGEST_BODY_BYTES,
    )
    # `/decisions/` is not another name of `/decisions`.
    inner.router.redirect_slashes = False
    return _Guarded(inner, host=host)


class _Guarded:
    """Refuses what is not addressed to us before anything looks at it, and gives every answer the same strict headers."""

    def __init__(self, inner: ASGIApp, *, host: str) -> None:
        self.inner, self.host = inner, host.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def strictly(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = {key.lower() for key, _ in message["headers"]}
                strict = {**_HEADERS, "content-security-policy": _ANSWER_POLICY}
                more = [(k.encode(), v.encode()) for k, v in strict.items() if k.encode() not in found]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        hosts = [value for key, value in scope["headers"] if key == b"host"]
        if hosts != [self.host]:
            refused = PlainTextResponse(f"this is {self.host.decode()} and answers to no other name\n", 421)
            await refused(scope, receive, strictly)
            return
        await self.inner(scope, receive, strictly)


def _is_same(given: str | None, key: str) -> bool:
    """Compared in constant time, so that the time of an answer tells nothing of the key."""
    return given is not None and hmac.compare_digest(given.encode(), key.encode())


@dataclass
class Serving:
    """A server that listens already; `run` answers until it is told to stop."""

    address: str
    server: uvicorn.Server
    listening: socket.socket

    def run(self) -> None:
        """Answer requests until a signal comes, or `stop`."""
        self.server.run(sockets=[self.listening])

    def stop(self) -> None:
        """Let `run` end; may be called from another thread."""
        self.server.should_exit = True


@contextmanager
def serving(
    folder: Path, *, reviewer: str, clock: Callable[[], datetime], port: int = 0, keys: Keys | None = None
) -> Iterator[Serving]:
    """A server for one folder and one reviewer, listening on 127.0.0.1 as long as the block stands.

    Parameters
    ----------
    reviewer : written into every decision
    clock : the time, for every decision
    port : 0 takes any that is free

    Raises
    ------
    UsageError
        when the folder is not ours, or the reviewer's name cannot be written.
    GhostshipsError
        when the port is taken.
    """
    if not decision.is_text(reviewer, longest=decision.LONGEST_REVIEWER):
        raise UsageError(
            f"--reviewer {visible(reviewer)!r}: right would be a name of 1 to {decision.LONGEST_REVIEWER} characters"
        )
    room = _Room(folder, reviewer, keys or Keys(), clock, review.opened(folder))
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((LOOPBACK, port))
            listening.listen(MOST_CONNECTIONS)
        except OSError as error:
            raise GhostshipsError(
                f"--port {port}: cannot listen on {LOOPBACK}:{port}: {error.strerror or error}; right would be a free port, or none"
            ) from error
        found = listening.getsockname()[1]
        config = uvicorn.Config(
            app(room, port=found),
            lifespan="off",
            ws="none",
            http="h11",
            log_config=None,
            log_level="critical",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=_CLOSE_WITHIN_S,
        )
        yield Serving(f"http://{LOOPBACK}:{found}/?key={room.keys.visit}", uvicorn.Server(config), listening)
    finally:
        listening.close()


@contextmanager
def shown_in_browser(address: str) -> Iterator[None]:
    """Open the user's browser at the address, by way of a private file.

    The command line of a browser can be read by every user of the machine, so the key must not stand in it.
    """
    with tempfile.TemporaryDirectory(prefix="ghostships-review-", ignore_cleanup_errors=True) as folder:
        file = Path(folder, "open.html")
        file.write_text(
            f'<!DOCTYPE html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={address}">'
            f'<title>ghostships review</title><a href="{address}">Open the review page</a>\n',
            encoding="utf-8",
        )
        # Some browsers keep whoever opens them waiting; the page they wait for comes from this process.
        threading.Thread(target=_open, args=(file.as_uri(),), daemon=True).start()
        yield


def _open(address: str) -> None:
    with contextlib.suppress(webbrowser.Error, OSError):
        webbrowser.open(address)
