"""The engine: upscales pixels within memory and time limits. It knows nothing of files."""
