"""Arrays in chunks: Dask's."""
