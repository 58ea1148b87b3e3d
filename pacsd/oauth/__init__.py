"""The authorization server (RFC 6749, OpenID Connect, SMART App Launch, IHE IUA) and its pages."""
