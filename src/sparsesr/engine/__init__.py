"""The engine: upscales pixels as well as memory and time allow. It knows no files."""
