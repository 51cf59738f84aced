"""AES-SIV by the `cryptography` package, imported only where authkeys asks for it."""

from __future__ import annotations

import importlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everbeat.model.keys import AuthKeys

REMEDY = "install it: apt install python3-cryptography, or pip install cryptography"


class CipherMissingError(RuntimeError):
    """authkeys asks for encryption and the library is not there; says what to do."""


class AesSiv:
    """The `Cipher` of the real world. Making one raises CipherMissingError."""

    def __init__(self) -> None:
        try:
            module = importlib.import_module("cryptography.hazmat.primitives.ciphers.aead")
            self._invalid_tag: type[Exception] = importlib.import_module(
                "cryptography.exceptions"
            ).InvalidTag
            make = module.AESSIV
            self._of_key: Any = lru_cache(maxsize=32)(make)
            make(bytes(64))
        except Exception as error:  # whatever keeps the library from working: too old, no AES-SIV
            raise CipherMissingError(
                f"authkeys names aes-siv, but cryptography does not work here ({error}); {REMEDY}"
            ) from error

    def encrypt(self, key: bytes, header: bytes, text: bytes) -> bytes:
        """See `Cipher`."""
        data: bytes = self._of_key(key).encrypt(text, [header])
        return data

    def decrypt(self, key: bytes, header: bytes, data: bytes) -> bytes | None:
        """See `Cipher`."""
        try:
            text: bytes = self._of_key(key).decrypt(data, [header])
        except (self._invalid_tag, ValueError):
            return None
        return text


def cipher_for(keys: AuthKeys) -> AesSiv | None:
    """Return the cipher these keys need, or None. Raises CipherMissingError."""
    return AesSiv() if any(key.method == "aes-siv" for key in keys.keys) else None
