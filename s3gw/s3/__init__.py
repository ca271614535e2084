"""The S3 door: from an ASGI request to a Call, and from its output to the answer."""
