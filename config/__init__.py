"""Settings: one typed, frozen tree."""
