"""OCPP over real sockets: a module for each way of waiting, and a command. The protocol itself is ``ocpp_sansio``."""
