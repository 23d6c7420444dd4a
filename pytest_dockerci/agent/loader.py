"""The program given to ``python -c`` in the container.

It reads the agent's modules from a file descriptor, makes them importable as
``dockerci_agent``, and runs ``main`` of one of them. Nothing touches the file system.
Arguments: the module to run, the descriptor to read from, and what ``main`` is to get.
"""

import json
import os
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional


class AgentFinder:
    """Finds the modules that came over the channel; loads each when it is first imported."""

    def __init__(self, modules: Dict[str, str]) -> None:
        self.modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        """A spec for the modules that we hold, None for all others."""
        if name != "dockerci_agent" and name not in self.modules:
            return None
        return ModuleSpec(name, self, is_package=name == "dockerci_agent")  # type: ignore[arg-type]

    def create_module(self, spec: ModuleSpec) -> Optional[ModuleType]:
        """None: Python's default module object will do."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the source of a module."""
        name = module.__name__
        if name in self.modules:
            exec(compile(self.modules[name], "<%s>" % name, "exec"), module.__dict__)


def read_exactly(descriptor: int, size: int) -> bytes:
    """Read that many bytes, however they are sliced."""
    data = b""
    while len(data) < size:
        chunk = os.read(descriptor, size - len(data))
        if not chunk:
            raise SystemExit("dockerci: the host hung up before the agent was there")
        data += chunk
    return data


def load(module: str, descriptor: int) -> Callable[[List[str]], None]:
    """Take the bootstrap (8 hexadecimal digits of length, JSON) and give the `main` of a module of it."""
    text = read_exactly(descriptor, int(read_exactly(descriptor, 8), 16))
    bootstrap = json.loads(text)
    sys.meta_path.append(AgentFinder(bootstrap["modules"]))
    package: Any = __import__("dockerci_agent")
    package.BOOTSTRAP = b"%08x" % len(text) + text
    package.LOADER = bootstrap["loader"]
    name = "dockerci_agent." + module
    __import__(name)
    main: Callable[[List[str]], None] = sys.modules[name].main
    return main


if __name__ == "__main__":
    # Called from here: the suite finds the stack as deep as under `python -m pytest`.
    load(sys.argv[1], int(sys.argv[2]))(sys.argv[2:])
