"""TUS 1.0.0, the protocol of uploads that resume: for whichever door mounts it."""
