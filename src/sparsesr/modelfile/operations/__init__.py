"""The operations of model files: one entry each, with everything that anyone but a kernel needs to know."""
