"""From trained networks and foreign checkpoints to model files."""
