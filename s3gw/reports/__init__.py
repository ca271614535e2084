"""Reports of usage: what one is to count (spec), counting, finding what is there twice, and how it is written."""
