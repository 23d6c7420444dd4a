"""Requests to one registry: which scheme and certificates, authentication, redirects, retries, limits."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import requests.exceptions
import urllib3
from requests.utils import parse_dict_header

from pytest_dockerci.engine.registry_credentials import Credentials
from pytest_dockerci.errors import RegistryError
from pytest_dockerci.image_reference import Repository
from pytest_dockerci.masking import hide

MAX_JSON_BYTES = 8 << 20
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
_RETRY_PAUSES_SECONDS = (0.3, 1.0)
_RETRIED_STATUSES = (429, 500, 502, 503, 504)
_REPEATABLE = ("GET", "HEAD", "PUT", "DELETE")
_MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_UNAUTHORIZED = 401
_FIRST_ERROR = 400
_NOT_FOUND = 404
_MAX_SHOWN_CHARACTERS = 300
_SYSTEM_AUTHORITIES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
_CERTIFICATE_FOLDERS = (Path("/etc/docker/certs.d"), Path("~/.docker/certs.d"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A registry's answer that is no error.

    Attributes:
        status: HTTP status, 2xx; 404 where that was expected.
        headers: By name, in any case.
        body: All of it.
        url: The address that answered.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


def registry_error(what: str, *, why: str = "", fix: str = "", status: int = 0) -> RegistryError:
    """A registry's failure, with the status of its answer."""
    error = RegistryError(what, why=hide(why), fix=fix)
    error.status = status
    return error


class RegistryLink:
    """Requests to the registry of one repository, with one account.

    Args:
        repository: Tokens are asked for it.
        credentials: Of the account.
        is_insecure: The engine takes this registry without checked certificates, and without TLS where it has none.
        may_write: Tokens are to allow pushing, too.
        read_seconds: How long the registry may be silent.
    """

    def __init__(
        self,
        repository: Repository,
        credentials: Credentials,
        *,
        is_insecure: bool,
        may_write: bool,
        read_seconds: float = _READ_SECONDS,
    ) -> None:
        self._repository = repository
        self._credentials = credentials
        self._is_insecure = is_insecure
        self._actions = "pull,push" if may_write else "pull"
        self._timeouts = (_CONNECT_SECONDS, read_seconds)
        self._session = requests.Session()
        self._session.auth = _leave_headers  # else requests looks into ~/.netrc
        self._certificates = _certificates(repository.api_host, is_insecure=is_insecure)
        self._base = ""
        self._authorization = ""

    def close(self) -> None:
        """Hang up."""
        self._session.close()

    def send(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
        missing_ok: bool = False,
        max_bytes: int = MAX_JSON_BYTES,
    ) -> Answer:
        """Send one request, authenticated where the registry asks for that.

        What may be repeated is, where the registry cannot be reached or says that it is not well.

        Args:
            method: Of HTTP.
            target: A path, or a whole address that the registry has named.
            headers: Beside those for authentication.
            data: The body.
            missing_ok: A 404 is an answer.
            max_bytes: Of the answer.

        Raises:
            RegistryError: There is no answer, or it is an error.
        """
        pauses = list(_RETRY_PAUSES_SECONDS if method in _REPEATABLE else ())
        while True:
            try:
                url = target if "://" in target else f"{self._find_base()}{target}"
                answer = self._authenticated(method, url, dict(headers or {}), data, max_bytes)
            except RegistryError as error:
                if error.status or not pauses or _is_timeout(error):
                    raise
            else:
                if answer.status < _FIRST_ERROR or (missing_ok and answer.status == _NOT_FOUND):
                    return answer
                if answer.status not in _RETRIED_STATUSES or not pauses:
                    raise self._refused(method, answer)
            time.sleep(pauses.pop(0))

    # Where

    def _find_base(self) -> str:
        """The registry's address. Where engines accept it, one that speaks no TLS is asked without."""
        if self._base:
            return self._base
        host = self._repository.api_host
        if self._is_insecure:
            try:
                self._once("GET", f"https://{host}/v2/", {}, None, MAX_JSON_BYTES)
            except RegistryError as error:
                if not isinstance(error.__cause__, requests.exceptions.SSLError):
                    raise
                self._base = f"http://{host}"
                return self._base
        self._base = f"https://{host}"
        return self._base

    # Who

    def _authenticated(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None, max_bytes: int
    ) -> Answer:
        answer = self._followed(method, url, headers, data, max_bytes)
        challenge = answer.headers.get("WWW-Authenticate", "")
        if answer.status != _UNAUTHORIZED or not challenge:
            return answer
        self._authorization = self._answer_challenge(challenge)
        return self._followed(method, url, headers, data, max_bytes) if self._authorization else answer

    def _answer_challenge(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        credentials = self._credentials
        if scheme.lower() == "basic":
            return _basic(credentials) if credentials.username else ""
        if scheme.lower() != "bearer":
            return ""
        named = {key: value or "" for key, value in parse_dict_header(rest).items()}  # type: ignore[no-untyped-call]
        realm = named.get("realm", "")
        if not self._may_go_to(realm):
            raise registry_error(
                f"the registry {self._repository.registry} asks for credentials at {realm or 'no address'}",
                why="they are sent over TLS only",
                fix="set up the registry's token server with TLS",
            )
        scope = f"repository:{self._repository.path}:{self._actions}"
        wanted = {"service": named.get("service", ""), "scope": scope}
        if credentials.identity_token:
            form = {
                **wanted,
                "grant_type": "refresh_token",
                "refresh_token": credentials.identity_token,
                "client_id": "pytest-dockerci",
            }
            answer = self._once("POST", realm, {}, form, MAX_JSON_BYTES)
        else:
            headers = {"Authorization": _basic(credentials)} if credentials.username else {}
            answer = self._once("GET", realm, headers, None, MAX_JSON_BYTES, params=wanted)
        if answer.status >= _FIRST_ERROR:
            raise self._refused("GET", answer, f"gives no token for {scope}")
        with contextlib.suppress(ValueError, AttributeError):
            data = json.loads(answer.body)
            token = data.get("token") or data.get("access_token")
            if token:
                return f"Bearer {token}"
        raise registry_error(f"the token server {realm} sent no token")

    def _may_go_to(self, url: str) -> bool:
        scheme = urlsplit(url).scheme
        return scheme == "https" or (scheme == "http" and self._base.startswith("http:"))

    # How

    def _followed(
        self, method: str, url: str, headers: dict[str, str], data: bytes | None, max_bytes: int
    ) -> Answer:
        for _ in range(_MAX_REDIRECTS + 1):
            is_registry = urlsplit(url).netloc == self._repository.api_host
            own = {"Authorization": self._authorization} if is_registry and self._authorization else {}
            answer = self._once(method, url, {**headers, **own}, data, max_bytes)
            if answer.status not in _REDIRECTS:
                return answer
            target = urljoin(url, answer.headers.get("Location", ""))
            if method not in ("GET", "HEAD") or not self._may_go_to(target):
                raise registry_error(
                    f"the registry {self._repository.registry} sends a {method} on to {target}",
                    why="only reading may be sent on, and only over TLS",
                    fix="name the registry by the address that it sends to",
                    status=answer.status,
                )
            url = target
        raise registry_error(f"the registry {self._repository.registry} sends requests round in circles")

    def _once(
        self, method: str, url: str, headers: dict[str, str], data: Any, max_bytes: int, **options: Any
    ) -> Answer:
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                data=data,
                timeout=self._timeouts,
                verify=self._certificates,  # not the session's: REQUESTS_CA_BUNDLE would overrule that
                allow_redirects=False,
                stream=True,
                **options,
            ) as response:
                body = b"".join(_capped(response, max_bytes)) if method != "HEAD" else b""
                return Answer(
                    status=response.status_code, headers=response.headers, body=body, url=response.url
                )
        except requests.exceptions.RequestException as error:
            raise registry_error(
                f"the registry {urlsplit(url).netloc} does not answer",
                why=_words(error),
                fix="look at the network and at the registry, then run again",
            ) from error

    def _refused(self, method: str, answer: Answer, does: str = "") -> RegistryError:
        place = urlsplit(answer.url).path
        said = _said(answer.body)
        return registry_error(
            f"the registry {self._repository.registry} {does or f'refuses {method} {place}'}",
            why=f"HTTP {answer.status}" + (f": {said}" if said else ""),
            fix=_advice(answer.status, self._repository),
            status=answer.status,
        )


def _capped(response: requests.Response, max_bytes: int) -> Iterator[bytes]:
    seen = 0
    for chunk in response.iter_content(1 << 16):
        seen += len(chunk)
        if seen > max_bytes:
            raise registry_error(
                f"the registry's answer to {response.url} is too large", why=f"more than {max_bytes} bytes"
            )
        yield chunk


def _certificates(host: str, *, is_insecure: bool) -> bool | str:
    """What the registry's certificate is checked with: the engine's own authority for it, or the machine's.

    Source: "Verify repository client with certificates" in Docker's documentation; requests itself
    trusts what it brings, and looks at ``REQUESTS_CA_BUNDLE``.
    """
    for folder in _CERTIFICATE_FOLDERS:
        authority = folder.expanduser() / host / "ca.crt"
        with contextlib.suppress(OSError):
            if authority.is_file():
                return str(authority)
    if is_insecure:
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return False
    if os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE"):
        return True
    named = (os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile, *_SYSTEM_AUTHORITIES)
    return next((name for name in named if name and Path(name).is_file()), True)


def _leave_headers(request: Any) -> Any:
    return request


def _basic(credentials: Credentials) -> str:
    pair = f"{credentials.username}:{credentials.password}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _is_timeout(error: RegistryError) -> bool:
    return isinstance(error.__cause__, requests.exceptions.ReadTimeout)


def _words(error: BaseException) -> str:
    """The system's own words where there are some; requests wraps them several times."""
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, OSError) and inner.strerror:
            return inner.strerror.lower()
        inner = inner.__cause__ or inner.__context__
    return "it hung up" if "Connection aborted" in str(error) else str(error)[:_MAX_SHOWN_CHARACTERS]


def _said(body: bytes) -> str:
    """The registry's own words, as its errors have them; empty where it has none."""
    try:
        first = json.loads(body)["errors"][0]
        words = [str(first.get("code") or ""), str(first.get("message") or "")]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return " ".join(body[:_MAX_SHOWN_CHARACTERS].decode("utf-8", "replace").split())
    return ": ".join(word for word in words if word)[:_MAX_SHOWN_CHARACTERS]


def _advice(status: int, repository: Repository) -> str:
    match status:
        case 401:
            return f"`docker login {repository.registry}` as an account that may use {repository.path}"
        case 403:
            return f"the account of `docker login {repository.registry}` needs the right to use {repository.path}"
        case 404:
            return f"is {repository} right? some registries want the repository to be made first"
        case 429:
            return "the registry limits how often it is asked; wait, then run again"
        case _:
            return "look at the registry's own log, then run again; to repeat is safe"
