"""Other libraries: expressions as functions that their optimisers, engines and formats take."""
