"""The command ``ocpp-sansio``: one file per subcommand.

Only this package knows a terminal. What the protocol is, it asks ``ocpp_sansio``; what it plays is in ``_story``.
"""

from __future__ import annotations

import sys
from importlib import import_module

__all__ = ["main"]


def main() -> None:
    """Run the command."""
    try:
        app = import_module(f"{__name__}._app").app
    except ModuleNotFoundError as missing:
        # Whoever installs the library alone gets the script all the same.
        sys.exit(f"{missing.name} is missing: pip install 'ocpp-sansio[cli]'")
    app()
