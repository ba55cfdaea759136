"""Signing in to other web sites with an account here: the authorization code grant of OAuth 2, as Discord has it."""

import base64
import secrets
from dataclasses import dataclass, field

from local_discord.model import User

PREFIX = "Bearer "
LIFETIME = 604_800
"""Seconds that Discord says a token lives."""


@dataclass(frozen=True)
class Grant:
    """What a person allowed the application."""

    user: User
    scopes: frozenset[str]
    redirect_uri: str


@dataclass(eq=False)
class OAuth:
    """The application's part of the developer portal, codes that wait to be exchanged, and tokens."""

    client_id: str
    client_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    redirect_uris: set[str] = field(default_factory=set)
    """Where the application may have people sent back to, as entered in the developer portal."""
    _codes: dict[str, Grant] = field(default_factory=dict, repr=False)
    _tokens: dict[str, Grant] = field(default_factory=dict, repr=False)

    def allow(self, grant: Grant) -> str:
        """A code that can be exchanged once."""
        code = secrets.token_urlsafe(24)
        self._codes[code] = grant
        return code

    def is_client(self, authorization: str, client_id: str, client_secret: str) -> bool:
        """Whether a request comes from the application: by HTTP Basic or by the fields of the form."""
        if authorization.startswith("Basic "):
            try:
                text = base64.b64decode(authorization.removeprefix("Basic "), validate=True).decode()
            except ValueError:
                return False
            client_id, _, client_secret = text.partition(":")
        return (client_id, client_secret) == (self.client_id, self.client_secret)

    def exchange(self, code: str, redirect_uri: str) -> tuple[str, Grant] | None:
        """An access token for a code; None for one that is not known, was used, or was for another address."""
        grant = self._codes.pop(code, None)
        if grant is None or grant.redirect_uri != redirect_uri:
            return None
        token = secrets.token_urlsafe(24)
        self._tokens[token] = grant
        return token, grant

    def grant_of(self, authorization: str) -> Grant | None:
        """What the token in a header allows."""
        return (
            self._tokens.get(authorization.removeprefix(PREFIX)) if authorization.startswith(PREFIX) else None
        )
