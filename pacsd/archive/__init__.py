"""What the archive promises: ingest, query, retrieve, reject, life cycle."""
