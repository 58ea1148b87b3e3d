"""IHE profiles, one package each (a later step; nothing here yet)."""
