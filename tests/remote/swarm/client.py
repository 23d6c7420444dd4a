"""Asks a service without pause from several threads until its input ends, and says what came of it, as JSON."""

import collections
import json
import sys
import threading
import urllib.request

THREADS = 6
answers: collections.Counter[str] = collections.Counter()
failures: list[str] = []
last: list[str] = []
ended = threading.Event()


def ask() -> None:
    """Ask again and again; each time by name, on a new connection."""
    while not ended.is_set():
        try:
            with urllib.request.urlopen("http://web:8000/", timeout=5) as response:
                version = response.read().decode()
        except OSError as error:  # noqa: PERF203 - each request may fail by itself
            failures.append(repr(error))
        else:
            answers[version] += 1
            last.append(version)


threads = [threading.Thread(target=ask) for _ in range(THREADS)]
for thread in threads:
    thread.start()
sys.stdout.write("asking\n")
sys.stdout.flush()
sys.stdin.read()
ended.set()
for thread in threads:
    thread.join()
sys.stdout.write(json.dumps({"answers": answers, "failures": failures, "last": last[-THREADS:]}))
