"""Kernels for GPUs in Triton. Only this room imports triton, and nothing imports this room on its own."""
