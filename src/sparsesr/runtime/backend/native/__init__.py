"""The backend that runs the native kernels."""
