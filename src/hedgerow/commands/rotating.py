"""`hedgerow keys rotate`: stored credentials and payloads of flags under a new master key, while the server runs."""

from __future__ import annotations

from hedgerow.core.errors import StartupError
from hedgerow.core.storage.metadata import Metadata
from hedgerow.flags.rewrapping import payloads_of_others, rewrap_payloads
from hedgerow.gateway.rewrap import keep_first, others, put_first, rewrap
from hedgerow.gateway.vault import KEY_FILE, CannotUnseal, Vault
from hedgerow.settings import Settings


async def rotate(settings: Settings, *, forget_old: bool) -> str:
    """Add a key to the file (a ring in the environment is the operator's to change), and wrap everything by the first one.

    What was done, in a sentence. Raises `StartupError`.
    """
    file = settings.data_dir / KEY_FILE
    metadata = await Metadata.open(settings)
    try:
        Vault.open(settings)  # makes the file where there is none, and says what is wrong with it
        if not settings.secret_keys and not forget_old:
            put_first(file)
        vault = Vault.open(settings)
        count = await rewrap(metadata, vault) + await rewrap_payloads(metadata, vault)
        left = await others(metadata, vault) + await payloads_of_others(metadata, vault)
        if forget_old and not settings.secret_keys and left == 0:
            keep_first(file)
    except CannotUnseal as error:
        raise StartupError(f"{error} Put back the key that is missing; nothing was lost.") from error
    except OSError as error:
        raise StartupError(f"{file} cannot be written: {error.strerror}.") from error
    finally:
        await metadata.close()
    if settings.secret_keys:
        return (
            f"{count} credentials are wrapped by the first key of HEDGEROW_SECRET_KEYS now; the others may go in a day."
        )
    if forget_old:
        return f"{count} credentials were wrapped anew. The first key in {file} is the only one now."
    return f"{count} credentials are wrapped by the new first key in {file} now. In a day: hedgerow keys rotate --forget-old"
