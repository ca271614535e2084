"""Archives as they are written and read: zip and tar, piece by piece, without knowing whose files they hold."""
