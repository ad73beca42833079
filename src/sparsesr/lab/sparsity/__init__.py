"""Learned sparsity: Gumbel-softmax masks and the schedules that train them."""
