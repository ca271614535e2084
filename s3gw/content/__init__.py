"""The content-addressed store: bodies in, verified bytes out. Knows no HTTP; its SQL is in metadata/."""
