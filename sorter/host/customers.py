"""Customer references as keyed hashes: they can be looked for by who has the key, and not read.

A plain hash of a customer number could be undone by trying all numbers; HMAC-SHA256 with a secret
key cannot, as long as the key is not stored beside the registry or leaves with it.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from pathlib import Path
from typing import Final

from sorter.errors import ConfigError
from sorter.security.secret_files import read_secret

_PURPOSE: Final = b"parcel-sorter customer reference\0"
_CHECK_PURPOSE: Final = b"parcel-sorter reference key check\0"
_CHECK_BYTES: Final = 16
MAX_REFERENCE_CHARACTERS: Final = 256
SHORTEST_KEY_BYTES: Final = 32


class CustomerHash:
    """Turns customer references into what the registry keeps of them.

    Parameters
    ----------
    key : bytes
        Secret; at least :data:`SHORTEST_KEY_BYTES`.
    name : str
        Of the key, for people.

    Attributes
    ----------
    check_value : bytes
        Stands for the key where it must be told from another, and says nothing of it.
    """

    def __init__(self, key: bytes, name: str = "the key") -> None:
        self._keyed = hmac.new(key, _PURPOSE, hashlib.sha256)
        self.check_value = hmac.digest(key, _CHECK_PURPOSE, hashlib.sha256)[:_CHECK_BYTES]
        self.name = name

    def __repr__(self) -> str:
        return "CustomerHash(**********)"

    @classmethod
    def load(cls, path: Path) -> CustomerHash:
        """Read the key from its secret file."""
        key = read_secret(path).get_secret_value().strip()
        if len(key) < SHORTEST_KEY_BYTES:
            raise ConfigError(
                f"{path}: the key is shorter than {SHORTEST_KEY_BYTES} bytes; make one with "
                "`sorter certs init`, or: openssl rand -hex 32"
            )
        return cls(key, f"the key in {path}")

    def of(self, reference: str) -> bytes:
        """Return the hash, 32 bytes, of a reference; empty for an empty one.

        Blanks around it, and how Unicode composes its letters, make no difference; case does.
        """
        text = unicodedata.normalize("NFC", reference).strip()
        if not text:
            return b""
        keyed = self._keyed.copy()
        keyed.update(text.encode("utf-8", "surrogatepass"))
        return keyed.digest()
