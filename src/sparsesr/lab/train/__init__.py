"""Training: one loop that reads top to bottom, driven by a recipe."""
