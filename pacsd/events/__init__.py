"""The outbox: what happened, and who has read it."""
