"""Runs model files with native kernels, without torch."""
