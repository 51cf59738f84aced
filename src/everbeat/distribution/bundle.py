"""Bundles and reports as fields of a message: deflated, sealed, base64.

    eb_bundle = base64( 1 | key | AES-SIV of the deflated JSON )
                base64( 0 | key | deflated JSON | HMAC-SHA256 )     no secret inside, no cipher here

Both keys are derived from the secret of the signing key, each for this purpose alone; the offer's
id is authenticated with the bundle. So no client of the API and nobody who only hears the wire can
offer files, read a secret, or offer an old bundle again under another id. Nothing is decoded
before its seal is good, and nothing grows beyond JSON_BYTES_MAX.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import zlib
from typing import TYPE_CHECKING, Final

from everbeat.config.secrets import holds_secret
from everbeat.model.distribution import FILE_NAMES, Bundle, FileContent
from everbeat.model.reports import Place, Report, Severity
from everbeat.wire.derivation import derived

if TYPE_CHECKING:
    from everbeat.model.keys import AuthKeys
    from everbeat.ports.cipher import Cipher

BUNDLE_CHARACTERS_MAX: Final = 48_000
"""What fits into one datagram beside the message's other fields. More is refused by the sender."""

JSON_BYTES_MAX: Final = 2 * 1024 * 1024
REPORTS_MAX: Final = 50
"""More reports of one node are cut off."""

_ENCRYPTED: Final = 1
_SIGNED: Final = 0
_HEADER_BYTES: Final = 2
_TAG_BYTES: Final = 32
_CIPHER_PURPOSE: Final = b"files encrypted"
_SIGN_PURPOSE: Final = b"files signed"


class BundleError(Exception):
    """A bundle cannot be sealed, or is not what its sender sealed; the text is for people."""


def sealed(bundle: Bundle, offer: str, keys: AuthKeys, cipher: Cipher | None) -> str:
    """Return the field of a bundle. Raises BundleError."""
    key = keys.key(keys.signing)
    if key is None or not key.secret:
        raise BundleError("authkeys has no secret (crc): files cannot be sent; everbeat keys new")
    if cipher is None and any(holds_secret(file.name, file.content) for file in bundle.files):
        raise BundleError(
            "keys and passwords are only sent encrypted, and python3-cryptography is not installed "
            "here; write: apt install python3-cryptography"
        )
    text = zlib.compress(_json_of(bundle))
    if cipher is not None:
        header = bytes([_ENCRYPTED, key.number])
        derived_key = derived(key.secret, _CIPHER_PURPOSE, 64)
        data = header + cipher.encrypt(derived_key, header + offer.encode(), text)
    else:
        header = bytes([_SIGNED, key.number])
        data = header + text + _tag(key.secret, header, offer, text)
    field = base64.b64encode(data).decode()
    if len(field) > BUNDLE_CHARACTERS_MAX:
        raise BundleError(
            f"the files are too long for a message ({len(field)} characters packed, at most "
            f"{BUNDLE_CHARACTERS_MAX}); use everbeat propagate"
        )
    return field


def opened(field: str, offer: str, keys: AuthKeys, cipher: Cipher | None) -> Bundle:
    """Return the bundle of a field. Raises BundleError."""
    try:
        data = base64.b64decode(field, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BundleError("no bundle of files") from error
    if len(data) < _HEADER_BYTES:
        raise BundleError("no bundle of files")
    header, body = data[:_HEADER_BYTES], data[_HEADER_BYTES:]
    key = keys.key(header[1])
    if key is None or not key.secret:
        raise BundleError(f"sealed with key {header[1]}, which authkeys does not have here")
    if header[0] == _ENCRYPTED and cipher is None:
        raise BundleError("the files are encrypted, and python3-cryptography is not installed here")
    if header[0] == _ENCRYPTED and cipher is not None:
        derived_key = derived(key.secret, _CIPHER_PURPOSE, 64)
        text = cipher.decrypt(derived_key, header + offer.encode(), body)
    else:
        text, tag = body[:-_TAG_BYTES], body[-_TAG_BYTES:]
        if not hmac.compare_digest(tag, _tag(key.secret, header, offer, text)):
            text = None
    if text is None:
        raise BundleError("the seal of the files is broken")
    return _bundle_of(_inflated(text))


def packed_reports(reports: tuple[Report, ...]) -> str:
    """Return reports as a field."""
    rows = [
        [r.code, int(r.severity), r.summary, r.remedy, r.place.file, r.place.line, r.place.text]
        for r in reports[:REPORTS_MAX]
    ]
    return base64.b64encode(zlib.compress(json.dumps(rows).encode())).decode()


def unpacked_reports(field: str) -> tuple[Report, ...]:
    """Return the reports of a field; none if it holds no reports."""
    try:
        rows = json.loads(_inflated(base64.b64decode(field, validate=True)))
        return tuple(
            Report(
                code=str(code),
                severity=Severity(severity),
                summary=str(summary),
                remedy=str(remedy),
                place=Place(str(file), _line_number(line), str(text)),
            )
            for code, severity, summary, remedy, file, line, text in rows[:REPORTS_MAX]
        )
    except (BundleError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return ()


def _line_number(value: object) -> int:
    """Return a line's number. Raises ValueError, TypeError or OverflowError for anything else."""
    number = int(value)  # type: ignore[call-overload] # JSON: what is no number raises
    if not 0 <= number <= JSON_BYTES_MAX:
        raise ValueError("no line of a file")
    return int(number)


def _tag(secret: bytes, header: bytes, offer: str, text: bytes) -> bytes:
    key = derived(secret, _SIGN_PURPOSE, 32)
    return hmac.digest(key, header + offer.encode() + b"\0" + text, "sha256")


def _inflated(data: bytes) -> bytes:
    inflating = zlib.decompressobj()
    try:
        text = inflating.decompress(data, JSON_BYTES_MAX)
    except zlib.error as error:
        raise BundleError("no bundle of files") from error
    if not inflating.eof:
        raise BundleError("the bundle of files is cut off or too long")
    return text


def _json_of(bundle: Bundle) -> bytes:
    """Latin-1 brings every byte through JSON."""
    files = {file.name: file.content.decode("latin-1") for file in bundle.files}
    value = {"files": files, "base": dict(bundle.base), "insisted": bundle.is_insisted_on}
    return json.dumps(value).encode()


def _bundle_of(text: bytes) -> Bundle:
    try:
        value = json.loads(text)
        files = {name: content.encode("latin-1") for name, content in value["files"].items()}
        base = {str(name): str(digest) for name, digest in value["base"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise BundleError("no bundle of files") from error
    unknown = [name for name in files if name not in FILE_NAMES]
    if unknown or not files:
        raise BundleError(f"{', '.join(unknown) or 'nothing'}: no file of ours")
    return Bundle(
        tuple(FileContent(name, files[name]) for name in FILE_NAMES if name in files),
        tuple(sorted(base.items())),
        is_insisted_on=value.get("insisted") is True,
    )
