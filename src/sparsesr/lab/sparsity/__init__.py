"""Learned sparsity: Gumbel-softmax, density control, thresholds and schedules."""
