"""May they: a pure function from a Question to a Decision. Who they are is auth/'s, and nothing here does I/O."""
