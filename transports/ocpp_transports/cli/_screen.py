"""The terminal."""

from __future__ import annotations

import logging
import sys

from rich.console import Console
from rich.logging import RichHandler
from rich.text import Text

__all__ = ["print_line", "screen", "show_log"]

WIDTH_ELSEWHERE = 150
"""Columns where there is no terminal to ask: a file, a pipe, a build's log."""


def screen() -> Console:
    """Standard output."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_ELSEWHERE, highlight=False)


def print_line(console: Console, line: Text) -> None:
    """Print a line, cut at the edge."""
    console.print(line, no_wrap=True, overflow="ellipsis", crop=True)


def show_log(console: Console) -> None:
    """Show what the library has to say, among the messages it is about."""
    handler = RichHandler(console=console, show_time=False, show_path=False)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
