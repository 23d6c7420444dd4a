"""The SDK's client, which tells in one way when the engine does not answer any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker
import requests
import requests.exceptions

from pytest_dockerci.engine.endpoint import shown_loss
from pytest_dockerci.errors import DockerCIError, EngineUnreachableError

if TYPE_CHECKING:
    from pytest_dockerci.engine.ssh_tunnel import SshTunnel

CALL_TIMEOUT_SECONDS = 60
# One that did not answer once is not given so much time again.
_SUSPECT_TIMEOUT_SECONDS = 3


class EngineLostError(DockerCIError, requests.exceptions.ConnectionError):
    """The engine answered before and does not now.

    It stands for the SDK's own error, and is one of those as well: whoever can do without the answer catches that.

    Attributes:
        explanation: What is wrong, in one line; named as in the SDK's errors.
    """

    def __init__(self, endpoint: str, why: str) -> None:
        super().__init__(
            shown_loss(endpoint, "").rstrip(": "),
            why=why,
            fix="see whether it runs (`docker version`), and run again; "
            "the next run, or `dockerci gc`, removes what this one leaves",
        )
        self.explanation = shown_loss(endpoint, why)


class Api(docker.APIClient):
    """As the SDK's.

    Args:
        shown_endpoint: How messages call the engine's address.
        tunnel: What leads to it; None where nothing does.
        options: As for the SDK's.
    """

    def __init__(self, shown_endpoint: str, tunnel: SshTunnel | None = None, **options: Any) -> None:
        self._shown_endpoint = shown_endpoint
        self._tunnel = tunnel
        self._is_suspect = False
        super().__init__(**options)

    def merge_environment_settings(self, *arguments: Any, **options: Any) -> Any:
        """As requests has it, but for the engine's authority: REQUESTS_CA_BUNDLE would win over it (requests 2.32)."""
        return {**super().merge_environment_settings(*arguments, **options), "verify": self.verify}

    def suspect(self) -> None:
        """It did not answer somebody who asked in another way: calls are given little time until one is answered."""
        self._is_suspect = True

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send one request; every one goes through here.

        Raises:
            EngineLostError: The engine cannot be reached, or takes longer than a call may.
            requests.exceptions.ReadTimeout: It takes longer than this caller wants to wait.
        """
        timeout_seconds = options.get("timeout")
        has_own_time = timeout_seconds != CALL_TIMEOUT_SECONDS
        if self._is_suspect and not has_own_time:
            options["timeout"] = _SUSPECT_TIMEOUT_SECONDS
        breaks = self._mend_tunnel()
        try:
            response = super().send(request, **options)
        except requests.exceptions.ReadTimeout as error:
            self._is_suspect = True
            if has_own_time:
                raise
            raise EngineLostError(self._shown_endpoint, f"no answer in {options['timeout']} s") from error
        except requests.exceptions.ConnectionError as error:
            why = (self._tunnel.broken_since(breaks) if self._tunnel else "") or _cause(error)
            raise EngineLostError(self._shown_endpoint, why) from error
        self._is_suspect = False
        return response

    def _mend_tunnel(self) -> int:
        """One that has broken is opened again: what it carried is lost, and the clean-up still gets through."""
        if self._tunnel is None:
            return 0
        try:
            self._tunnel.open()
        except EngineUnreachableError as error:
            raise EngineLostError(self._shown_endpoint, error.why) from error
        return self._tunnel.breaks


class Client(docker.DockerClient):
    """The SDK's client on that; all that its own constructor does is to make an `APIClient`."""

    api: Api

    def __init__(self, shown_endpoint: str, tunnel: SshTunnel | None = None, **options: Any) -> None:
        self.api = Api(shown_endpoint, tunnel, **options)
        self._tunnel = tunnel

    def close(self) -> None:
        """Close its connections, and the tunnel."""
        super().close()
        if self._tunnel is not None:
            self._tunnel.close()


def _cause(error: BaseException) -> str:
    """The system's own words: the SDK's transport wraps them several times."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        inner = inner.__cause__ or inner.__context__
    return "it hung up" if "Connection aborted" in str(error) else str(error)
