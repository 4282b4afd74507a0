"""What a call to an account carries instead of the caller's key (gateway §3).

The data plane knows the Protocol `Credentials` alone; `tokens` fulfils it, and refreshes what ends.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from hedgerow.gateway.connections import Connection
from hedgerow.gateway.models import ConnectionRow
from hedgerow.gateway.vault import CannotUnseal, Vault

Headers = list[tuple[bytes, bytes]]


class CredentialUnavailable(Exception):  # noqa: N818 — a state, answered 503
    """The credential cannot be had at the moment; come back after `retry_after` seconds."""

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        """`detail` is for the caller and holds no secret."""
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after


class ConnectionLost(Exception):  # noqa: N818 — a state, answered 400 with a reconnect URL
    """The account does not take this connection's credential any more: it has to be connected again."""


class Credential(msgspec.Struct, frozen=True):
    """What goes into one call. Lives no longer than the call, and never prints itself."""

    headers: Headers
    version: int
    """Of the connection's credential that it was made from."""

    def __repr__(self) -> str:
        return f"Credential(version={self.version})"


class Credentials(Protocol):
    """Gives a connection's credential, and a newer one when the account refuses it."""

    async def for_connection(self, connection: Connection) -> Credential:
        """The headers to send. Raises `CredentialUnavailable`, `ConnectionLost`, `MetadataUnavailable`."""
        ...

    async def after_refusal(self, connection: Connection, refused: Credential) -> Credential | None:
        """The account answered 401. Another credential to try once (gateway §3.4), or None to pass the 401 on.

        Raises as `for_connection` does.
        """
        ...


class Secrets(msgspec.Struct, omit_defaults=True):
    """The JSON that is sealed: a pasted key, or the tokens of OAuth and LOCAL."""

    api_key: str = ""
    access_token: str = ""
    refresh_token: str = ""
    previous_refresh_token: str = ""
    """Of the last rotation: it may be tried once more inside the account's grace time (gateway §3.3)."""

    def __repr__(self) -> str:
        return "Secrets(…)"


_READ = msgspec.json.Decoder(Secrets)
_WRITE = msgspec.json.Encoder()


def seal_credential(row: ConnectionRow, vault: Vault, secrets: Secrets) -> None:
    """Put a new credential into the row: the version counts up, and what is sealed is bound to both."""
    row.version += 1
    sealed = vault.seal(_owner(row.id), row.version, _WRITE.encode(secrets))
    row.credential, row.data_key, row.master_key_id = sealed.ciphertext, sealed.data_key, sealed.master_key_id
    row.rejected_at = None


def unseal_credential(connection: Connection, vault: Vault) -> Secrets:
    """The connection's secrets. Raises `CredentialUnavailable` where they cannot be opened."""
    if connection.sealed is None:
        raise CredentialUnavailable("This connection has no credential.")
    try:
        return _READ.decode(vault.unseal(_owner(connection.id), connection.version, connection.sealed))
    except CannotUnseal:
        raise CredentialUnavailable(
            "The connection's credential cannot be opened with the present secret keys."
        ) from None


def bearer(secrets: Secrets, version: int) -> Credential:
    """`Authorization: Bearer …` of whichever secret there is."""
    token = secrets.access_token or secrets.api_key
    return Credential([(b"authorization", b"Bearer " + token.encode("latin-1", "replace"))], version)


def _owner(connection_id: object) -> str:
    return f"connection:{connection_id}"
