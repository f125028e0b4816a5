"""Tools for testing programs that speak OCPP, for use in your own test suite.

:mod:`ocpp_sansio.testing.strategies` makes messages and payloads with hypothesis; install ``ocpp-sansio[testing]``.
"""
