"""``sparsesr serve``: a page and an API on this machine. Uploads come in, results go out; nothing stays on the disk."""
