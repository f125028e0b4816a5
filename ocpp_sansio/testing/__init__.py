"""Tools for testing programs that speak OCPP, for use in your own test suite.

:mod:`ocpp_sansio.testing.simulation` has a charge point and a central system live together while everything goes wrong.

:mod:`ocpp_sansio.testing.strategies` makes messages and payloads with hypothesis; install ``ocpp-sansio[testing]``.
"""
