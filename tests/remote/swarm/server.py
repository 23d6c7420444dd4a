"""Answers with its version; told to end, it goes on for as long as clients may still know its address."""

import http.server
import os
import signal
import threading
import time

DRAIN_SECONDS = 4


class Answer(http.server.BaseHTTPRequestHandler):
    """Its version, on every path."""

    def do_GET(self) -> None:
        """Answer, as a small application would: after a moment."""
        time.sleep(0.01)
        body = os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    """With room for a crowd."""

    request_queue_size = 128


def drain(*_: object) -> None:
    """End after a while."""
    threading.Timer(DRAIN_SECONDS, os._exit, [0]).start()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, drain)
    Server(("", 8000), Answer).serve_forever()
