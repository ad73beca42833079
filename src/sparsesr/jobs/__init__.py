"""Jobs: image files in, image files out, for the command line and for any other program."""
