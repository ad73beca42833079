"""Torch networks as measured methods: checkpoints, model files executed op by op, and a peer for ``bench``."""
