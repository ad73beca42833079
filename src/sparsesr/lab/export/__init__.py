"""Export: from trained networks and foreign checkpoints to model files."""
