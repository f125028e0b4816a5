"""What a central system of OCPP 1.6 does, above who calls whom: the Core profile as a pure machine."""
