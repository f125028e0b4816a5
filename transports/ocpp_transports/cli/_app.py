"""The subcommands under one name."""

from __future__ import annotations

from importlib.metadata import version

from cyclopts import App

from .csms import csms
from .demo import demo
from .redact import redact
from .station import station
from .validate import validate

__all__ = ["app"]

app = App(
    name="ocpp-sansio",
    help="OCPP 1.6, 2.0.1 and 2.1 between charge points and central systems: see it work, or test yours with it.",
    version=version("ocpp-sansio"),
)
for command in (demo, csms, station, validate, redact):
    app.command(command)
