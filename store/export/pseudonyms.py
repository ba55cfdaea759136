"""Pseudonyms: the same for a player throughout a study, and not reversible without the study's secret."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

DIGITS = 32
SECRET_BYTES = 32


class SecretError(ValueError):
    """A secret cannot be used; the message says how to fix it."""


class Pseudonyms:
    """HMAC-SHA256 of a player's platform and id, truncated to 32 hex digits."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def from_file(cls, path: Path) -> "Pseudonyms":
        """With the secret in a file, which is created with mode 600 if it does not exist. Raises `SecretError`."""
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            pass
        except OSError as error:
            raise SecretError(f"The secret {path} cannot be written ({error.strerror})") from None
        else:
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(SECRET_BYTES) + "\n")
        try:
            mode, text = path.stat().st_mode, path.read_bytes().strip()
        except OSError as error:
            raise SecretError(f"The secret {path} cannot be read ({error.strerror})") from None
        if os.name == "posix" and mode & 0o077:
            raise SecretError(f"Others can read the secret {path}: run `chmod 600 {path}`")
        if len(text) < SECRET_BYTES:
            raise SecretError(
                f"The secret {path} is shorter than {SECRET_BYTES} characters: name a file that does not exist yet, "
                "and one is made"
            )
        return cls(text)

    def of(self, platform: str, external_id: str) -> str:
        """The pseudonym of a player."""
        return self._digest("player", platform, external_id)

    def of_rater(self, name: str) -> str:
        """The pseudonym of somebody who judges turns."""
        return self._digest("rater", name)

    @property
    def key_id(self) -> str:
        """Equal for exports that used the same secret; does not reveal the secret."""
        return self._digest("key id")[:8]

    def _digest(self, *parts: str) -> str:
        message = "\0".join(parts).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()[:DIGITS]
