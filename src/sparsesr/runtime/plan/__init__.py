"""Plans of runs: the order of the work and the buffers it takes, for one size of image."""
