"""Training: one loop, driven by a recipe."""
