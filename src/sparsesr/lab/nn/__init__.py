"""Networks as ordinary ``nn.Module``s that take and return RGB batches (B, 3, H, W) in 0..1."""
