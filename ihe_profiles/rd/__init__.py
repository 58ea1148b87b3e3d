"""Results Distribution (IHE RAD RD) and its elders: reports that come and go as ORU and MDM messages."""
