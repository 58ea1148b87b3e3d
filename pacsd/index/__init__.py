"""The PostgreSQL index: all SQL of the archive."""
