"""Black-box conformance suites anyone can point at any server, and statements of conformance from claims."""
