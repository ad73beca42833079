"""Networks as ordinary ``nn.Module``s. They take and return RGB batches (B, 3, H, W) in 0..1."""
