"""In which order products are contracted."""
