"""Events: what became of objects, told to those who asked for it, as the outbox has it."""
