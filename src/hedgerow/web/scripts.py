"""posthog-js as this installation carries it: the unmodified scripts of one version (sdk-wire §13.4).

The build hook puts them into `static/posthog-js/<version>/`. A page may run another version of `array.js` than ours
(it asks for its lazy scripts under its own number): every number is an alias of the installed one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Self

from hedgerow.core.errors import StartupError
from hedgerow.web.files import JAVASCRIPT, Content, Folder

PACKAGED = Path(__file__).parent / "static" / "posthog-js"

_KEPT_MAX: Final = 32
"""How many projects' `array.js` are kept compressed, 0.6 MB each."""


class SdkScripts:
    """The scripts by name, and the version that they are of."""

    def __init__(self, folder: Path) -> None:
        """`folder` is named after the version."""
        self.version = folder.name
        self._folder = folder
        self._files = Folder(folder)
        self._with_config: dict[bytes, Content] = {}

    @classmethod
    def packaged(cls) -> Self:
        """The ones in this installation. Raises StartupError when the build left them out."""
        versions = [folder for folder in PACKAGED.glob("*.*.*") if (folder / "array.js").is_file()]
        if not versions:
            raise StartupError(
                f"The browser SDK's scripts are missing from {PACKAGED}: run `make setup`, or install the wheel again.",
            )
        return cls(max(versions, key=lambda folder: [int(part) for part in folder.name.split(".") if part.isdigit()]))

    @property
    def names(self) -> frozenset[str]:
        """File names, `array.js` among them."""
        return self._files.names

    def get(self, name: str) -> Content | None:
        """The script, or None. `toolbar.js` is never there: it is no part of the package."""
        return self._files.get(name)

    def with_config(self, script: bytes) -> Content:
        """`array.js` followed by a project's config script."""
        if script not in self._with_config:
            if len(self._with_config) >= _KEPT_MAX:
                self._with_config.clear()
            library = (self._folder / "array.js").read_bytes()
            self._with_config[script] = Content(library + b"\n" + script, JAVASCRIPT)
        return self._with_config[script]
