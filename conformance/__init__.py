"""Black-box conformance suites anyone can point at any server (a later step; nothing here yet)."""
