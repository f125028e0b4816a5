"""What hypothesis calls when it is imported, wherever we are installed: the entry point of ``pyproject.toml``.

It is here because nothing else is imported with it: importing hypothesis must not cost the import of ``ocpp_sansio``.
"""

from __future__ import annotations

import sys

__all__ = ["register"]


def register() -> None:
    """Let ``hypothesis.strategies.from_type`` make messages, also of versions that were imported before hypothesis.

    Versions that are imported later see to that by themselves.
    """
    if "ocpp_sansio.messages" in sys.modules:
        from ocpp_sansio.messages import offer_to_hypothesis  # noqa: PLC0415 (it is there already)

        offer_to_hypothesis()
