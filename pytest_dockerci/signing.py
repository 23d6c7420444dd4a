"""Signs statements with a key of the user's, and tells whose a signature is.

Source: "DSSE: Dead Simple Signing Envelope" v1.0; the keys are those that `openssl genpkey` makes.

Needs what ``pytest-dockerci[sign]`` installs. Loaded only where something is signed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dockerci.errors import SettingsError
from pytest_dockerci.evidence import MEDIA_TYPE
from pytest_dockerci.masking import know

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

_PEM_MARK = "-----BEGIN "
_KINDS = "Ed25519, ECDSA (P-256, P-384, P-521) or RSA"


@dataclass(frozen=True, slots=True)
class StatementSigner:
    """Signs statements.

    Attributes:
        key_id: Of the key's public half, as an envelope names it.
    """

    key_id: str
    _signer: CryptoSigner = field(repr=False)

    def sign(self, statement: bytes) -> bytes:
        """The statement in an envelope, as JSON."""
        from securesystemslib.dsse import Envelope  # noqa: PLC0415 - optional

        envelope = Envelope(statement, MEDIA_TYPE, {})
        envelope.sign(self._signer)
        return (json.dumps(envelope.to_dict(), indent=1) + "\n").encode()


def read_private_key(text: str, *, folder: Path, name: str) -> StatementSigner:
    """A key to sign with; from here on it is hidden in every text.

    Args:
        text: A file in PEM, or what would be in it.
        folder: Where a relative path begins.
        name: Of the setting or variable that gives it.

    Raises:
        SettingsError: It cannot be read, or is no private key that can be used; nothing of it is shown.
    """
    _require_library(name)
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 - optional
    from securesystemslib.signer import CryptoSigner  # noqa: PLC0415 - optional

    pem = text if text.lstrip().startswith(_PEM_MARK) else _read(folder / Path(text).expanduser(), name)
    know(line for line in pem.splitlines() if not line.startswith("-----"))
    try:
        signer = CryptoSigner(load_pem_private_key(pem.encode(), password=None))
    except TypeError:
        raise SettingsError(
            f"pytest-dockerci: the key of {name} cannot be used",
            why="it is encrypted, and nobody is there to type its password",
            fix="store it without one, where only the job that publishes can read it: openssl pkey -in KEY -out PLAIN",
        ) from None
    except (ValueError, UnsupportedAlgorithm):  # their words may quote what is in the key
        raise SettingsError(
            f"pytest-dockerci: the key of {name} cannot be used",
            why=f"it is no private key in PEM: {_KINDS}",
            fix="make one: openssl genpkey -algorithm ed25519 -out KEY",
        ) from None
    return StatementSigner(signer.public_key.keyid, signer)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whose signatures are believed.

    Attributes:
        name: As the user gave it.
    """

    name: str
    _key: SSlibKey = field(repr=False)

    def has_signed(self, body: bytes) -> bool:
        """True for an envelope with a good signature of this key."""
        from securesystemslib.dsse import Envelope  # noqa: PLC0415 - optional
        from securesystemslib.exceptions import Error  # noqa: PLC0415 - optional

        try:
            Envelope.from_dict(json.loads(body)).verify([self._key], 1)
        except (Error, ValueError, TypeError, KeyError, AttributeError):
            return False
        return True


def read_public_key(file: str) -> PublicKey:
    """A key to check with.

    Args:
        file: In PEM.

    Raises:
        SettingsError: It cannot be read, or is no public key that can be used.
    """
    _require_library("--key")
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - optional
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415 - optional
    from securesystemslib.signer import SSlibKey  # noqa: PLC0415 - optional

    pem = _read(Path(file).expanduser(), "--key")
    try:
        return PublicKey(file, SSlibKey.from_crypto(load_pem_public_key(pem.encode())))
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError(
            f"the key of --key cannot be used: {file}",
            why=f"it is no public key in PEM: {_KINDS}",
            fix="take the public half of the key that signs: openssl pkey -in KEY -pubout -out KEY.pub",
        ) from None


def _read(file: Path, name: str) -> str:
    try:
        return file.read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"pytest-dockerci: the key of {name} cannot be read",
            why=f"{error.strerror}: {file}" if isinstance(error, OSError) else f"it is no text: {file}",
            fix="name a file in PEM that this user may read",
        ) from None


def _require_library(name: str) -> None:
    try:
        import cryptography  # noqa: F401, PLC0415 - optional
        import securesystemslib.dsse  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise SettingsError(
            f"pytest-dockerci: {name} needs a library that is not installed",
            why=str(error),
            fix="pip install 'pytest-dockerci[sign]'",
        ) from None
