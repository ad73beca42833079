"""Execution plans: the order of the work and its buffers, for one image size."""
