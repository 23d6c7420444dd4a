"""The measurement's place in the container's pytest: the hooks of pytest-cov, without its reports.

Registered under pytest-cov's own name: where the image has pytest-cov, its fixture ``cov``
finds the measurement here, and other plugins see that coverage is measured.
"""

from typing import Any, Dict

import pytest

from .channel import Channel
from .measurement import Measurement, MeasurementError

_NAME = "_cov"


class MeasurementPlugin:
    """Starts, pauses and ends a measurement where pytest-cov would.

    Args:
        wanted: See `wire.Start.coverage`.
        toolkit: As `wire.Start.toolkit`.

    Attributes:
        cov_controller: The measurement; pytest-cov's fixture ``cov`` looks for it here.
    """

    def __init__(self, wanted: Dict[str, Any], toolkit: str) -> None:
        self.__name__ = _NAME
        self.cov_controller = Measurement(wanted, toolkit)

    def send(self, channel: Channel) -> None:
        """Send what was measured."""
        self.cov_controller.send(channel)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_load_initial_conftests(self, early_config: Any) -> Any:
        # An image that has pytest-cov and asks for it (PYTEST_ADDOPTS) would measure everything twice.
        early_config.known_args_namespace.cov_source = []
        try:
            self.cov_controller.start()
        except MeasurementError as error:
            raise pytest.UsageError("coverage cannot be measured in the container: %s" % error) from None
        yield

    def pytest_configure(self, config: Any) -> None:
        config.addinivalue_line("markers", "no_cover: disable coverage for this test.")

    def pytest_sessionstart(self, session: Any) -> None:
        if self.cov_controller.has_test_contexts:
            session.config.pluginmanager.register(_TestContexts(self.cov_controller), _NAME + "_contexts")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self) -> Any:
        self.cov_controller.save_sometimes()  # a worker that dies in its first test has imported much
        yield
        self.cov_controller.stop()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        if item.get_closest_marker("no_cover") or "no_cover" in getattr(item, "fixturenames", ()):
            self.cov_controller.pause()
            yield
            self.cov_controller.resume()
        else:
            yield

    def pytest_runtest_logfinish(self) -> None:
        self.cov_controller.save_sometimes()

    @pytest.fixture
    def no_cover(self) -> None:
        """Leaves out the test that asks for it."""

    @pytest.fixture
    def cov(self) -> Any:
        """Coverage's object that measures."""
        return self.cov_controller.cov


class _TestContexts:
    """``--cov-context=test``: notes which test, and which phase of it, ran a line."""

    def __init__(self, measurement: Measurement) -> None:
        self._measurement = measurement

    def pytest_runtest_setup(self, item: Any) -> None:
        self._switch(item, "setup")

    def pytest_runtest_call(self, item: Any) -> None:
        self._switch(item, "run")

    def pytest_runtest_teardown(self, item: Any) -> None:
        self._switch(item, "teardown")

    def _switch(self, item: Any, when: str) -> None:
        if self._measurement.is_measuring and self._measurement.cov is not None:
            self._measurement.cov.switch_context("%s|%s" % (item.nodeid, when))
