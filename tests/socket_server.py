"""An HTTP server on a Unix socket, whose answers a test writes: where a real engine cannot be had in that state."""

from __future__ import annotations

import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def serving(path: Path, answer: Callable[[str, str], tuple[int, Any]]) -> Iterator[None]:
    """Serve for a while.

    Args:
        path: Of the socket.
        answer: Gets method and path of a request; gives the status, and what becomes JSON (None: no body).
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            status, value = answer(self.command, self.path)
            body = b"" if value is None else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_DELETE = _answer  # noqa: N815 - their names there

        def address_string(self) -> str:
            """A socket's client has none."""
            return "a client"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
