"""What a test can do to the descriptors by which the agent speaks; what it does next decides how soon that is seen."""

from __future__ import annotations

LOSSES = (
    "os.closerange(3, 4096)",
    "[os.dup2(1, fd) for fd in range(690, 720)]",
    "os.closerange(0, 4096)",
    "[os.dup2(os.open('/dev/null', os.O_RDWR), fd) for fd in range(690, 720)]",
    "[os.dup2(os.open('/dev/urandom', os.O_RDWR), fd) for fd in range(690, 720)]",
    "os.closerange(3, 4096); time.sleep(0.5)",
)
