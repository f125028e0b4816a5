"""The benchmark suite of the hot path: ``python -m benchmarks``.

Measures decoding, encoding, the state machines and the adapters on frames as they come from the field, beside floors
(what the same bytes cost without types, validation or protocol) and peers (what one would use otherwise). All of them
take turns in one run, so every figure is a ratio that does not depend on the machine's mood.
"""
