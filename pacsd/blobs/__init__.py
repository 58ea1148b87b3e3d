"""Where the bytes live: local files, later object storage."""

from pacsd.blobs.local import LocalBlobs
from pacsd.blobs.port import BlobInfo, BlobReader, BlobStore, BlobWriter
from pacsd.blobs.spool import Spool
from pacsd.blobs.spool_writer import SpoolWriter

__all__ = ["BlobInfo", "BlobReader", "BlobStore", "BlobWriter", "LocalBlobs", "Spool", "SpoolWriter"]
