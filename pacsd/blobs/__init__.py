"""Where the bytes live: local files, later object storage."""
