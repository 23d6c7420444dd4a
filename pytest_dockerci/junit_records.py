"""Puts what a test in the container recorded for the JUnit file into the host's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from _pytest.junitxml import bin_xml_escape, xml_key

if TYPE_CHECKING:
    import pytest

    from pytest_dockerci.worker_ledger import TestRecord

_XML_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


def property_name(name: Any) -> Any:
    """The name of a property as XML can hold it; pytest writes names as they are, and breaks the file."""
    return bin_xml_escape(name) if isinstance(name, str) else name


def record_for_junit(config: pytest.Config, nodeid: str, record: TestRecord) -> None:
    """Record it, as `record_xml_attribute` and `record_testsuite_property` do; nothing where no file is written.

    A property of the suite that another worker has recorded as often is not repeated.
    """
    log = config.stash.get(xml_key, None)
    if log is None or record.recorded is None:
        return
    if record.recorded.attributes:
        reporter = log.node_reporter(nodeid)
        for name, value in record.recorded.attributes.items():
            if _XML_NAME.fullmatch(name):  # pytest would write any other one as it is, and break the file
                reporter.add_attribute(name, value)
    for name, value, count in record.suite_properties:
        if log.global_properties.count((property_name(name), bin_xml_escape(value))) < count:
            log.add_global_property(property_name(name), value)
