"""Networks in torch as methods to be measured: checkpoints, model files run op by op, and a peer for ``bench``."""
