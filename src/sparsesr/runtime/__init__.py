"""Inference: runs model files with native kernels, without torch."""
