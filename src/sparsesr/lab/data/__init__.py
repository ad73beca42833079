"""Training data: images packed once into a memory-mapped file, and patches sampled deterministically."""
