"""What can go wrong below the HTTP layer, in words for a person.

Exception
├── StartupError          the process cannot start; the command line prints the sentence and exits with 1
└── MetadataUnavailable   the SQL database cannot answer now; HTTP answers 503 with Retry-After
"""

from __future__ import annotations


class StartupError(Exception):
    """The server cannot start, and a person must change something.

    The message is one whole sentence that says what is wrong and where, without a secret (no passwords of URLs).
    """


class MetadataUnavailable(Exception):  # noqa: N818 — a state, and the name that every room imports
    """The SQL database cannot answer at the moment: lost connection, full disk, a lock held for too long.

    Nothing of the transaction that met it is stored. Trying again later is right; HTTP answers 503.
    """
