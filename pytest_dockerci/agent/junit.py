"""What tests record for the JUnit file, which the host writes: attributes of cases, properties of the suite."""

from typing import Any, Dict, Optional

from . import wire
from .plain import safe_str


class JUnitRecords:
    """Stands by pytest's own log of a JUnit file, which here hears of no report and writes no file."""

    def __init__(self) -> None:
        self._log: Any = None
        self._sent = 0

    def configure(self, config: Any) -> None:
        """Take pytest's log off the hooks; the fixtures that record still find it."""
        from _pytest.junitxml import xml_key

        self._log = config.stash.get(xml_key, None) if hasattr(config, "stash") else None
        if self._log is not None:
            config.pluginmanager.unregister(self._log)

    def unconfigure(self, config: Any) -> None:
        """Hide it from pytest, which would take it off the hooks itself."""
        from _pytest.junitxml import xml_key

        if self._log is not None:
            del config.stash[xml_key]
            self._log = None

    def take(self, index: int) -> Optional[wire.Recorded]:
        """What has been recorded since it was last asked; None for nothing."""
        if self._log is None:
            return None
        attributes: Dict[str, str] = {}
        for reporter in self._log.node_reporters.values():
            attributes.update({safe_str(name): safe_str(value) for name, value in reporter.attrs.items()})
        self._log.node_reporters.clear()
        properties = self._log.global_properties[self._sent :]
        self._sent = len(self._log.global_properties)
        if not attributes and not properties:
            return None
        return wire.Recorded(
            index=index,
            attributes=attributes,
            suite=[[safe_str(name), safe_str(value)] for name, value in properties],
        )
