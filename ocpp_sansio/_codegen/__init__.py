"""Turns the official schemas of a version, and what we have to say about them, into its package of messages.

``python -m ocpp_sansio._codegen`` writes the packages; with ``--check`` it writes nothing and fails if the committed
files are not what it would write. The schemas are read from the ``ocpp`` distribution, a development dependency: they
may not be passed on changed, and their descriptions are not ours to copy. What they do not say is in one data file per
version.

* :mod:`.schemas` knows where the schemas are and which of their keywords mean something;
* :mod:`.reader` brings schemas and data together into a :mod:`.model`, and stops at whatever is in only one of them;
* :mod:`.names` knows how the protocol's names are spelt in Python;
* :mod:`.render` knows what the modules look like.

Not part of the wheel.
"""
