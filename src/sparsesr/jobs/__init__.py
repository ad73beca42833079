"""Jobs that upscale image files, for the command line and for other programs."""
