"""s3gw: an S3-compatible object store that one command starts."""

__version__ = "0.1.0"
