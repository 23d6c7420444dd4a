"""What the kernel says about the container's memory: how often it has killed for it, and the limit."""

from contextlib import suppress
from pathlib import Path
from typing import Optional

# As a container sees its own control group. Source: the kernel's documentation, "Control Group v2"
# (memory.events, memory.max) and "Memory Resource Controller" (version 1).
_FOLDERS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/memory"))
_EVENT_FILES = ("memory.events", "memory.oom_control")
_LIMIT_FILES = ("memory.max", "memory.limit_in_bytes")
_NO_LIMIT_BYTES = 1 << 60


def count_kills() -> int:
    """How many processes the kernel has killed because the container's memory was used up; 0 if it does not say."""
    for name in _EVENT_FILES:
        for line in _read(name).splitlines():
            key, _, value = line.partition(" ")
            if key == "oom_kill" and value.isdigit():
                return int(value)
    return 0


def limit_bytes() -> Optional[int]:
    """The container's memory limit; None for none."""
    for name in _LIMIT_FILES:
        text = _read(name).strip()
        if text.isdigit() and int(text) < _NO_LIMIT_BYTES:
            return int(text)
    return None


def _read(name: str) -> str:
    for folder in _FOLDERS:
        with suppress(OSError, ValueError):
            return (folder / name).read_text(encoding="ascii")
    return ""
