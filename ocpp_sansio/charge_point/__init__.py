"""What a charge point of OCPP 1.6 does, above who calls whom: the Core profile as a pure machine."""
