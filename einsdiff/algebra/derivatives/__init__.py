"""The sweep that differentiates; a derivative as a linear map, and its structure."""
