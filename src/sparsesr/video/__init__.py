"""Videos: decode, enlarge, encode; needs the extra [video] (PyAV). Above ``jobs/``, below ``cli/``."""
