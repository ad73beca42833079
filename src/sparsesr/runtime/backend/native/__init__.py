"""Backend that runs the native kernels."""
