"""Architecture search: weights and architecture trained in one phase (TrilevelNAS, arXiv 2101.06658)."""
