"""Steps as code, for people and for other libraries."""
