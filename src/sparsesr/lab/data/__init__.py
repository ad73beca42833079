"""Training pictures: packed once into one memory-mapped file, sampled deterministically."""
