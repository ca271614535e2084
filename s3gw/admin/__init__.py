"""The JSON API. It calls the same handlers as S3 and has no semantics of its own."""
