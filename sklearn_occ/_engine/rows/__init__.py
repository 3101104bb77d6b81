"""Rows on the device or streamed to it, in batches, and statistics of all of them."""
