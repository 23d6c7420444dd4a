"""Signed statements: keys as OpenSSL makes them, signatures that OpenSSL checks, nothing believed that was changed."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_dockerci.errors import SettingsError
from pytest_dockerci.evidence import RunEvidence, envelope_payload, statement_of
from pytest_dockerci.masking import Mask, known
from pytest_dockerci.signing import read_private_key, read_public_key

STATEMENT = statement_of(RunEvidence(passed=["a"]), name="web", digest="sha256:" + "1" * 64)
KINDS = {
    "ed25519": ["-algorithm", "ed25519"],
    "p256": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
}


def openssl(*args: object) -> None:
    """What a user would type."""
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


def make_keys(folder: Path, kind: str = "ed25519", name: str = "key") -> tuple[Path, Path]:
    """A private key, and its public half."""
    private, public = folder / name, folder / f"{name}.pub"
    openssl("genpkey", *KINDS[kind], "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, public


def sign(private: Path) -> bytes:
    """The statement, signed."""
    return read_private_key(str(private), folder=private.parent, name="dockerci_push_key").sign(STATEMENT)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_signed_is_the_statement_and_the_key_tells(tmp_path: Path, kind: str) -> None:
    """With each kind of key; another key of the same kind has not signed it."""
    private, public = make_keys(tmp_path, kind)
    _, other = make_keys(tmp_path, kind, "other")
    envelope = sign(private)
    assert envelope_payload(envelope) == STATEMENT
    assert read_public_key(str(public)).has_signed(envelope)
    assert not read_public_key(str(other)).has_signed(envelope)


@pytest.mark.parametrize("part", ["payload", "payloadType", "sig", "keyid"])
def test_a_change_anywhere_is_seen(tmp_path: Path, part: str) -> None:
    """In what is said, in what it is called, in the signature; a key's name is no proof."""
    private, public = make_keys(tmp_path)
    data = json.loads(sign(private))
    if part == "payload":
        data[part] = base64.b64encode(STATEMENT.replace(b'"a"', b'"b"')).decode()
    elif part == "payloadType":
        data[part] += "x"
    elif part == "sig":
        data["signatures"][0][part] = base64.b64encode(bytes(64)).decode()
    else:
        make_keys(tmp_path, name="other")
        stranger = read_private_key("other", folder=tmp_path, name="x")
        forged = json.loads(stranger.sign(STATEMENT))
        forged["signatures"][0][part] = data["signatures"][0][part]
        data = forged
    assert not read_public_key(str(public)).has_signed(json.dumps(data).encode())


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"{}", b"5", b"\xff\x00"),
        b'{"payload": "", "payloadType": "x", "signatures": []}',
        b'{"payload": 5, "payloadType": 5, "signatures": 5}',
        b'{"payload": "", "payloadType": "", "signatures": [5]}',
    ],
)
def test_what_is_no_envelope_has_no_signature(tmp_path: Path, body: bytes) -> None:
    """Whoever may write to the repository can attach anything; never a traceback."""
    _, public = make_keys(tmp_path)
    assert not read_public_key(str(public)).has_signed(body)
    assert isinstance(envelope_payload(body), str)


def test_others_can_check_it_too(tmp_path: Path) -> None:
    """OpenSSL does, on the bytes that DSSE says are signed."""
    private, public = make_keys(tmp_path)
    data = json.loads(sign(private))
    payload, kind = base64.b64decode(data["payload"]), data["payloadType"].encode()
    signed, signature = tmp_path / "signed", tmp_path / "signature"
    signed.write_bytes(b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload))
    signature.write_bytes(base64.b64decode(data["signatures"][0]["sig"]))
    check = ["pkeyutl", "-verify", "-pubin", "-inkey", public, "-rawin", "-in", signed, "-sigfile", signature]
    openssl(*check)
    signed.write_bytes(signed.read_bytes() + b" ")
    with pytest.raises(subprocess.CalledProcessError):
        openssl(*check)


def test_a_key_may_come_as_text_and_is_hidden(tmp_path: Path) -> None:
    """As CI systems put a secret into the environment; no line of it is shown from then on."""
    private, public = make_keys(tmp_path)
    text = private.read_text()
    signer = read_private_key(text, folder=tmp_path, name="DOCKERCI_PUSH_KEY")
    assert read_public_key(str(public)).has_signed(signer.sign(STATEMENT))
    [_, secret, _] = text.splitlines()
    assert known().hide(f"it is {secret}") == "it is ***"
    assert Mask([secret]).hide(repr(signer)) == repr(signer)
    assert known().hide("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def refusal(text: str, folder: Path) -> str:
    """What a key is refused with."""
    with pytest.raises(SettingsError) as caught:
        read_private_key(text, folder=folder, name="dockerci_push_key")
    return str(caught.value)


def test_a_key_that_cannot_be_used_is_told_and_not_shown(tmp_path: Path) -> None:
    """Encrypted, public, damaged, of another kind, not there: each in words."""
    private, public = make_keys(tmp_path)
    openssl("pkey", "-in", private, "-aes256", "-passout", "pass:x", "-out", tmp_path / "encrypted")
    openssl("genpkey", "-algorithm", "X25519", "-out", tmp_path / "other")
    (tmp_path / "damaged").write_text(private.read_text().replace("M", "N"))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    unusable = (
        "pytest-dockerci: the key of dockerci_push_key cannot be used\n"
        "  why: it is no private key in PEM: Ed25519, ECDSA (P-256, P-384, P-521) or RSA\n"
        "  try: make one: openssl genpkey -algorithm ed25519 -out KEY"
    )
    assert refusal(str(public), tmp_path) == unusable
    assert refusal("other", tmp_path) == unusable
    assert refusal("damaged", tmp_path) == unusable
    assert refusal("encrypted", tmp_path) == (
        "pytest-dockerci: the key of dockerci_push_key cannot be used\n"
        "  why: it is encrypted, and nobody is there to type its password\n"
        "  try: store it without one, where only the job that publishes can read it: openssl pkey -in KEY -out PLAIN"
    )
    assert refusal("none", tmp_path) == (
        "pytest-dockerci: the key of dockerci_push_key cannot be read\n"
        f"  why: No such file or directory: {tmp_path}/none\n"
        "  try: name a file in PEM that this user may read"
    )
    assert f"  why: it is no text: {tmp_path}/binary\n" in refusal("binary", tmp_path)


def test_without_its_library_the_way_out_is_told(tmp_path: Path) -> None:
    """It is not installed with the plugin: few sign."""
    make_keys(tmp_path)
    program = (
        "import sys; sys.modules['securesystemslib'] = None\n"
        "from pytest_dockerci.cli import main\n"
        "sys.exit(main(['verify', '--key', 'key.pub', 'registry.invalid/shop/web:1']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (4, "")
    assert re.fullmatch(
        r"pytest-dockerci: --key needs a library that is not installed\n"
        r"  why: .*securesystemslib.*\n"
        r"  try: pip install 'pytest-dockerci\[sign\]'\n",
        ended.stderr,
    )


def test_a_private_key_is_nothing_to_check_with(tmp_path: Path) -> None:
    """Whoever confuses the two should hear it, before the wrong one is handed around."""
    private, _ = make_keys(tmp_path)
    with pytest.raises(SettingsError) as caught:
        read_public_key(str(private))
    assert re.fullmatch(
        r"the key of --key cannot be used: .*/key\n"
        r"  why: it is no public key in PEM: .*\n"
        r"  try: take the public half of the key that signs: openssl pkey -in KEY -pubout -out KEY.pub",
        str(caught.value),
    )
