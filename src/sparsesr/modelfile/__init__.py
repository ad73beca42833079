"""The model file: weights and the network as a small graph, in one ``.safetensors``."""
